import type { Hex } from "../commit/bytes.ts";
import { type EngineOptions, openEngine, otherBackend } from "../engine/backends.ts";
import { type LoadedModel, type LoadModelOptions, loadModel } from "../model/load.ts";
import type { ModelSource, PlayableModel } from "./answer.ts";

/** A verified model with the engine that runs it. */
export interface ReadyModel extends PlayableModel {
  readonly loaded: LoadedModel;
}

/** Loads and verifies model folders. Second opinions come from another backend than the first. */
export async function loadModels(
  folders: readonly string[],
  engineOptions: EngineOptions = { backend: "wasm" },
  onProgress?: (folder: string, ...progress: Parameters<NonNullable<LoadModelOptions["onProgress"]>>) => void,
): Promise<{ models: readonly ReadyModel[]; source: ModelSource }> {
  const models: ReadyModel[] = [];
  for (const folder of folders) {
    const options = onProgress === undefined ? {} : { onProgress: onProgress.bind(undefined, folder) };
    const loaded = await loadModel(folder, options);
    const engine = await openEngine(loaded.program, loaded.weights, engineOptions);
    // Read from disk and checked against its roots once more: weights that went bad in memory must not testify twice.
    const fresh = async () => {
      const { program, weights } = await loadModel(folder);
      const another = async () =>
        openEngine(program, weights, { ...engineOptions, backend: await otherBackend(engineOptions.backend) });
      return { program, weights, engine: another };
    };
    models.push({ loaded, engine, fresh, disputed: loaded, contextLength: loaded.manifest.contextLength });
  }
  const byId = new Map<Hex, ReadyModel>(models.map((model) => [model.loaded.modelId, model]));
  return { models, source: async (modelId) => byId.get(modelId.toLowerCase() as Hex) };
}
