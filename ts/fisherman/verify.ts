import { equal, type Hex, toHex } from "../commit/bytes.ts";
import { SENTINEL_TOKEN, saltOf, type TraceRecord, tokenTree, traceTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { type Receipt, type Request, SAMPLER, STOP_REASON } from "../commit/typed-data.ts";
import { bundleSaltKey, recordedTokens, sequenceInput } from "../dispute/answer.ts";
import type { Engine, Replay } from "../engine/types.ts";
import type { Bundle } from "../sdk/bundle.ts";

/** What is wrong with a receipt. */
export type Fault =
  /** The record of step `step` is not what the machine makes, or is salted otherwise: decided by a game. */
  | { readonly kind: "record"; readonly step: number }
  /** The trace root is not the honest one, and the records behind it are hidden: decided by a game that walks the trace. */
  | { readonly kind: "trace" }
  /** The output root is not over the tokens of the trace; `index` is the first that differs, if the tokens are known. */
  | { readonly kind: "output"; readonly index: number | undefined }
  /** A field contradicts the request; where the answer's tokens show it, output token `token` does. */
  | { readonly kind: "field"; readonly field: string; readonly token?: number }
  /** Another receipt of the same executor that cannot be true beside this one: for the same request, or with the same `seq`. */
  | { readonly kind: "twice"; readonly subject: "request" | "seq"; readonly other: Hex };

/** A fault in words. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case "record":
      return `the record of step ${fault.step} is not what the machine makes`;
    case "trace":
      return "the trace root is not over the records that the machine makes";
    case "output":
      return fault.index === undefined
        ? "the output root is not over the tokens of the records"
        : `output token ${fault.index} is not the one of its record`;
    case "field":
      return `the field ${fault.field} contradicts request or answer`;
    case "twice":
      return `receipt ${fault.other} of the same executor has the same ${fault.subject}`;
  }
}

const field = (name: string, token?: number): Fault => ({
  kind: "field",
  field: name,
  ...(token === undefined ? {} : { token }),
});

/** First field of a receipt that contradicts its request, seen without model, prompt or answer. */
export function requestFault(receipt: Receipt, request: Request): Fault | undefined {
  for (const name of ["modelId", "inputRoot", "nIn"] as const)
    if (String(receipt[name]).toLowerCase() !== String(request[name]).toLowerCase()) return field(name);
  if (request.sampler > SAMPLER.temperature) return field("sampler");
  if (receipt.nOut > request.maxOut) return field("nOut");
  const { stopReason } = receipt;
  if (stopReason > STOP_REASON.cancelled) return field("stopReason");
  if (stopReason === STOP_REASON.stop && request.stopTokens.length === 0) return field("stopReason");
  return undefined;
}

/** A stop reason that the lengths alone rule out. */
function lengthFault({ nIn, nOut, stopReason }: Receipt, request: Request, contextLength: number): Fault | undefined {
  if (stopReason === STOP_REASON.stop) return undefined;
  // Whether the requester cancelled is known to the two sides alone: what they agree on harms nobody else.
  const full = nOut === request.maxOut || nIn + nOut > contextLength;
  return full === (stopReason === STOP_REASON.length) ? undefined : field("stopReason");
}

/** A stop token in the wrong place, or none where the stop reason says one. */
function stopFault(receipt: Receipt, request: Request, outputs: readonly number[]): Fault | undefined {
  const stops = new Set(request.stopTokens);
  const last = outputs.length - 1;
  const early = outputs.findIndex((token, i) => i < last && stops.has(token));
  if (early !== -1) return field("stopTokens", early);
  return stops.has(outputs[last]) === (receipt.stopReason === STOP_REASON.stop) ? undefined : field("stopReason", last);
}

/** First field of a receipt that contradicts its request or its answer; needs no re-execution. */
export function fieldFault({ receipt, request, outputTokens }: Bundle, contextLength: number): Fault | undefined {
  return (
    requestFault(receipt, request) ??
    stopFault(receipt, request, outputTokens) ??
    lengthFault(receipt, request, contextLength)
  );
}

/** First step whose record differs from the honest one in token, cached rows or salt. */
export function firstWrongRecord(bundle: Bundle, replay: Replay): number | undefined {
  const { records, receipt } = bundle;
  const key = bundleSaltKey(bundle);
  const step = records.findIndex((record, t) => {
    const token = t < receipt.nIn - 1 ? SENTINEL_TOKEN : replay.tokens[t - (receipt.nIn - 1)];
    return (
      record.token !== token ||
      !equal(record.cacheRoot, replay.records[t].cacheRoot) ||
      !equal(record.salt, saltOf(key, "record", t))
    );
  });
  return step === -1 ? undefined : step;
}

/**
 * Judges an answer whose request and prompt are the receipt's (`contradiction`). Tokens and records that were served are used as far as
 * they lead to the receipt's roots; what does not is made again, for it follows from the prompt.
 *
 * @returns The fault that is proven with least: what one transaction proves, then what a game decides. `undefined` for an honest receipt.
 */
export async function findFault(engine: Engine, bundle: Bundle, contextLength: number): Promise<Fault | undefined> {
  const { receipt, request } = bundle;
  const byRequest = requestFault(receipt, request) ?? lengthFault(receipt, request, contextLength);
  if (byRequest !== undefined) return byRequest;
  const key = bundleSaltKey(bundle);
  const outputRootOf = (tokens: readonly number[]) => toHex(tokenTree(key, "output", tokens).root(TAGS.output));
  const shown = bundle.outputTokens.length === receipt.nOut && outputRootOf(bundle.outputTokens) === receipt.outputRoot;
  const byTokens = shown ? stopFault(receipt, request, bundle.outputTokens) : undefined;
  if (byTokens !== undefined) return byTokens;
  if (leadsToTrace(bundle)) {
    const recorded = recordedTokens(bundle);
    const salted = bundle.records.every(({ salt }, t) => t < receipt.nIn - 1 || equal(salt, saltOf(key, "record", t)));
    if (salted && outputRootOf(recorded) !== receipt.outputRoot) {
      const index = recorded.findIndex((token, i) => token !== bundle.outputTokens[i]);
      return { kind: "output", index: shown && index !== -1 ? index : undefined };
    }
    const replay = await engine.replay(sequenceInput(bundle), recorded);
    const step = firstWrongRecord(bundle, replay);
    if (step !== undefined) return { kind: "record", step };
    return stopFault(receipt, request, recorded);
  }
  const { outputs, records } = await honestAnswer(engine, bundle);
  if (traceRootOf(records) !== receipt.traceRoot) return { kind: "trace" };
  if (outputRootOf(outputs) !== receipt.outputRoot) return { kind: "output", index: undefined };
  return stopFault(receipt, request, outputs);
}

/** The answer that the machine gives to the bundle's prompt, as long as the receipt says. */
export async function honestAnswer(
  engine: Engine,
  bundle: Bundle,
): Promise<{ outputs: readonly number[]; records: readonly TraceRecord[] }> {
  const sequence = engine.sequence(sequenceInput(bundle));
  try {
    while (sequence.outputs.length < bundle.receipt.nOut) await sequence.next();
    return { outputs: [...sequence.outputs], records: [...sequence.records] };
  } finally {
    sequence.close();
  }
}

/** Whether the bundle's records are those of the receipt's trace root. */
export function leadsToTrace({ receipt, records }: Bundle): boolean {
  return records.length === receipt.nIn + receipt.nOut - 1 && traceRootOf(records) === receipt.traceRoot;
}

function traceRootOf(records: readonly TraceRecord[]): Hex {
  return toHex(traceTree(records).root(TAGS.trace));
}
