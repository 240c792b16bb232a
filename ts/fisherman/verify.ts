import type { BundleItem } from "../commit/bundle.ts";
import { equal } from "../commit/bytes.ts";
import { SENTINEL_TOKEN, saltKey } from "../commit/record.ts";
import { effectiveTemperature, SAMPLER, STOP_REASON } from "../commit/typed-data.ts";
import type { Engine, Replay, SequenceInput } from "../engine/types.ts";

/** What is wrong with a receipt. */
export type Fault =
  /** The record of step `step` is not what the machine makes: decided by a game. */
  | { readonly kind: "record"; readonly step: number }
  /** Output token `index` is not the record's: provable without a game. */
  | { readonly kind: "output"; readonly index: number }
  /** A field contradicts the request: provable without a game. */
  | { readonly kind: "field"; readonly field: string };

/** What a machine needs to re-execute an item. */
export function sequenceInput(item: BundleItem): SequenceInput {
  const { receipt, request, prompt } = item;
  return {
    prompt,
    requestHash: receipt.requestHash,
    temperature: effectiveTemperature(request),
    saltKey: saltKey(request),
  };
}

/** Tokens that the records claim: what the machine's steps after the prompt read. */
export function recordedTokens(item: BundleItem): number[] {
  return item.records.slice(item.receipt.nIn - 1).map((record) => record.token);
}

/** Fields of a receipt that contradict its request or its answer; these need no re-execution. */
export function fieldFault(item: BundleItem, contextLength: number): Fault | undefined {
  const { receipt, request, outputs } = item;
  const field = (name: string): Fault => ({ kind: "field", field: name });
  if (receipt.modelId.toLowerCase() !== request.modelId.toLowerCase()) return field("modelId");
  if (receipt.inputRoot.toLowerCase() !== request.inputRoot.toLowerCase()) return field("inputRoot");
  if (receipt.nIn !== request.nIn) return field("nIn");
  if (request.sampler > SAMPLER.temperature) return field("sampler");
  if (receipt.nOut > request.maxOut || receipt.nOut === 0) return field("nOut");
  const stops = new Set(request.stopTokens);
  const last = outputs.length - 1;
  if (outputs.some((token, i) => i < last && stops.has(token))) return field("stopTokens");
  const { stop, length, cancelled } = STOP_REASON;
  if (stops.has(outputs[last]) && receipt.stopReason !== stop) return field("stopReason");
  const full = receipt.nOut === request.maxOut || receipt.nIn + receipt.nOut > contextLength;
  switch (receipt.stopReason) {
    case stop:
      return stops.has(outputs[last]) ? undefined : field("stopReason");
    case length:
      return full ? undefined : field("stopReason");
    default:
      return receipt.stopReason === cancelled ? undefined : field("stopReason");
  }
}

/** First step whose record differs from the honest one in token or cached rows; salts hide, they claim nothing. */
export function firstWrongRecord(item: BundleItem, replay: Replay): number | undefined {
  const { records, receipt } = item;
  for (let step = 0; step < records.length; step++) {
    const honest = replay.records[step];
    const token = step < receipt.nIn - 1 ? SENTINEL_TOKEN : replay.tokens[step - (receipt.nIn - 1)];
    if (records[step].token !== token || !equal(records[step].cacheRoot, honest.cacheRoot)) return step;
  }
  return undefined;
}

/**
 * Re-executes an item that passed `contradiction` (its content is what the receipt commits to).
 *
 * @returns The first fault, in the order of what is cheapest to prove, or `undefined` for an honest receipt.
 */
export async function findFault(engine: Engine, item: BundleItem, contextLength: number): Promise<Fault | undefined> {
  const field = fieldFault(item, contextLength);
  if (field !== undefined) return field;
  const tokens = recordedTokens(item);
  const index = tokens.findIndex((token, i) => token !== item.outputs[i]);
  if (index !== -1) return { kind: "output", index };
  const replay = await engine.replay(sequenceInput(item), tokens);
  const step = firstWrongRecord(item, replay);
  return step === undefined ? undefined : { kind: "record", step };
}
