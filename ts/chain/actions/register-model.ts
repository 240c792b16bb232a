import type { Hex } from "viem";
import type { Manifest } from "../../model/manifest.ts";
import { eventOf, type OtrContext, read, write } from "../context.ts";

/** Registers a model. It is usable once `validateProgram` has passed. */
export async function registerModel(context: OtrContext, manifest: Manifest): Promise<{ modelId: Hex }> {
  const receipt = await write(context, "models", "registerModel", [manifest]);
  return { modelId: eventOf(receipt, "models", "ModelRegistered").modelId };
}

/** A model's manifest on the chain, `undefined` if it is not registered. */
export async function getManifest(context: OtrContext, modelId: Hex): Promise<Manifest | undefined> {
  const manifest = await read(context, "models", "manifestOf", [modelId]);
  return manifest.instructions === 0 ? undefined : manifest;
}

/** Whether a model's whole program has passed the validator. */
export function isModelUsable(context: OtrContext, modelId: Hex): Promise<boolean> {
  return read(context, "models", "isUsable", [modelId]);
}
