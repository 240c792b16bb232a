import { weightsOpener } from "../circuits/weights-opener.ts";
import type { Hex } from "../commit/bytes.ts";
import { DigestTree } from "../commit/digest-tree.ts";
import type { ReadyModel } from "../dispute/load-models.ts";
import { commitWeights } from "../model/commitment.ts";
import type { ProvableModel } from "./draw-answerer.ts";

/** Finds models whose steps can be proven, by id. What opens their weights is computed for the first draw, and kept. */
export function provableModels(
  models: readonly ReadyModel[],
  cacheDir?: string,
): (modelId: Hex) => Promise<ProvableModel | undefined> {
  const found = new Map<Hex, ProvableModel>(
    models.map(({ engine, disputed, loaded }) => {
      const open = async () => {
        const options = cacheDir === undefined ? {} : { cacheDir };
        const { digests } = await commitWeights(loaded.weights, options);
        return weightsOpener(loaded.weights, await DigestTree.open(digests, cacheDir));
      };
      let opener: ReturnType<typeof open> | undefined;
      const weights = () => {
        opener ??= open();
        return opener;
      };
      return [loaded.modelId, { engine, disputed, weights }];
    }),
  );
  return async (modelId) => found.get(modelId.toLowerCase() as Hex);
}
