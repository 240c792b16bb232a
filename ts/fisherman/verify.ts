import { equal } from "../commit/bytes.ts";
import { SENTINEL_TOKEN } from "../commit/record.ts";
import { SAMPLER, STOP_REASON } from "../commit/typed-data.ts";
import { recordedTokens, sequenceInput } from "../dispute/answer.ts";
import type { Engine, Replay } from "../engine/types.ts";
import type { Bundle } from "../sdk/bundle.ts";

/** What is wrong with a receipt. */
export type Fault =
  /** The record of step `step` is not what the machine makes: decided by a game. */
  | { readonly kind: "record"; readonly step: number }
  /** Output token `index` is not the one that the records hold. */
  | { readonly kind: "output"; readonly index: number }
  /** A field contradicts request or answer. */
  | { readonly kind: "field"; readonly field: string };

/** A fault in words. */
export function describeFault(fault: Fault): string {
  if (fault.kind === "record") return `the record of step ${fault.step} is not what the machine makes`;
  if (fault.kind === "output") return `output token ${fault.index} is not the one of its record`;
  return `the field ${fault.field} contradicts request or answer`;
}

/** First field of a receipt that contradicts its request or its answer; needs no re-execution. */
export function fieldFault(bundle: Bundle, contextLength: number): Fault | undefined {
  const { receipt, request, outputTokens } = bundle;
  const field = (name: string): Fault => ({ kind: "field", field: name });
  for (const name of ["modelId", "inputRoot", "nIn"] as const)
    if (String(receipt[name]).toLowerCase() !== String(request[name]).toLowerCase()) return field(name);
  if (request.sampler > SAMPLER.temperature) return field("sampler");
  if (receipt.nOut > request.maxOut) return field("nOut");
  const stops = new Set(request.stopTokens);
  const last = outputTokens.length - 1;
  if (outputTokens.some((token, i) => i < last && stops.has(token))) return field("stopTokens");
  if (stops.has(outputTokens[last])) return receipt.stopReason === STOP_REASON.stop ? undefined : field("stopReason");
  const full = receipt.nOut === request.maxOut || receipt.nIn + receipt.nOut > contextLength;
  // Whether the requester cancelled is known to the two sides alone: what they agree on harms nobody else.
  const expected = full ? STOP_REASON.length : STOP_REASON.cancelled;
  return receipt.stopReason === expected ? undefined : field("stopReason");
}

/** First step whose record differs from the honest one in token or cached rows; salts hide, they claim nothing. */
export function firstWrongRecord({ records, receipt }: Bundle, replay: Replay): number | undefined {
  const step = records.findIndex((record, t) => {
    const token = t < receipt.nIn - 1 ? SENTINEL_TOKEN : replay.tokens[t - (receipt.nIn - 1)];
    return record.token !== token || !equal(record.cacheRoot, replay.records[t].cacheRoot);
  });
  return step === -1 ? undefined : step;
}

/**
 * Re-executes an answer whose content is what its receipt commits to (`contradiction`).
 *
 * @returns The fault that is decided most surely: a wrong record, which a game proves; then an output token that is not the
 *   record's; then a field. `undefined` for an honest receipt.
 */
export async function findFault(engine: Engine, bundle: Bundle, contextLength: number): Promise<Fault | undefined> {
  const tokens = recordedTokens(bundle);
  const replay = await engine.replay(sequenceInput(bundle), tokens);
  const step = firstWrongRecord(bundle, replay);
  if (step !== undefined) return { kind: "record", step };
  const index = tokens.findIndex((token, i) => token !== bundle.outputTokens[i]);
  return index === -1 ? fieldFault(bundle, contextLength) : { kind: "output", index };
}
