import type { Hex } from "viem";
import { eventOf, type OtrContext, read, write } from "../context.ts";

/** What a model id commits to (docs/protocol.md, section 1). */
export interface ModelManifest {
  readonly machineVersion: number;
  readonly programRoot: Hex;
  readonly weightsRoot: Hex;
  readonly weightsRootP: Hex;
  readonly tokenizerHash: Hex;
  readonly chatTemplateHash: Hex;
  readonly tokenBytesRoot: Hex;
  readonly instructions: number;
  readonly weightRows: number;
  readonly cacheRows: number;
  readonly contextLength: number;
  readonly vocabSize: number;
}

/** Registers a model. It is usable once `validateProgram` has passed. */
export async function registerModel(context: OtrContext, manifest: ModelManifest): Promise<{ modelId: Hex }> {
  const receipt = await write(context, "models", "registerModel", [manifest]);
  return { modelId: eventOf(receipt, "models", "ModelRegistered").modelId };
}

/** A model's manifest on the chain, `undefined` if it is not registered. */
export async function getManifest(context: OtrContext, modelId: Hex): Promise<ModelManifest | undefined> {
  const manifest = await read(context, "models", "manifestOf", [modelId]);
  return manifest.instructions === 0 ? undefined : manifest;
}

/** Whether a model's whole program has passed the validator. */
export function isModelUsable(context: OtrContext, modelId: Hex): Promise<boolean> {
  return read(context, "models", "isUsable", [modelId]);
}
