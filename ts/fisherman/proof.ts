import type { Address } from "viem";
import { fieldProof, outputProof, secondAnswerProof, seqReuseProof, stopProof } from "../chain/actions/fraud-proof.ts";
import { fitsOneTransaction, outputOfPartsProof } from "../chain/actions/parts.ts";
import type { CommittedReceipt } from "../chain/committed.ts";
import type { Call } from "../chain/sender.ts";
import { toHex } from "../commit/bytes.ts";
import { saltOf, tokenTree, traceTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { bundleSaltKey, recordedTokens } from "../dispute/answer.ts";
import type { Engine } from "../engine/types.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { isSigned, type SeenReceipt } from "./case-store.ts";
import { type Fault, honestAnswer, leadsToTrace } from "./verify.ts";

/** A fault that one transaction proves. */
export type OneShotFault = Exclude<Fault, { kind: "record" | "trace" }>;

/** Whether one transaction proves a fault. */
export function isOneShot(fault: Fault): fault is OneShotFault {
  return fault.kind !== "record" && fault.kind !== "trace";
}

/** Where the proof goes, and the receipt's opening in its batch. */
export interface ProofPlace {
  readonly frauds: Address;
  readonly batchId: bigint;
  readonly index: number;
  readonly siblings: SeenReceipt["siblings"];
}

/**
 * The call that proves a contradiction between a receipt, its request and its answer; of a long output all parts must be noted before it.
 * `engine` makes again what is not in the bundle.
 */
export async function proofOfContent(
  place: ProofPlace,
  fault: Exclude<OneShotFault, { kind: "twice" }>,
  bundle: Bundle,
  engine: () => Promise<Engine>,
): Promise<Call> {
  const { receipt, request } = bundle;
  const { frauds, batchId, index, siblings } = place;
  const base = { frauds, committed: { receipt, batchId, index, siblings }, request };
  if (fault.kind === "field" && fault.token === undefined) return fieldProof(base);
  const key = bundleSaltKey(bundle);
  const answer = () => committedRecords(bundle, engine);
  if (fault.kind === "field") {
    const place = fault.token!;
    const shown = tokenTree(key, "output", bundle.outputTokens);
    const served = toHex(shown.root(TAGS.output)) === receipt.outputRoot;
    const tokens = served ? bundle.outputTokens : (await answer()).outputs;
    const tree = served ? shown : tokenTree(key, "output", tokens);
    const opened = {
      token: tokens[place],
      salt: saltOf(key, "output", place),
      siblings: tree.siblings(place).map(toHex),
    };
    return stopProof({ ...base, index: place, ...opened });
  }
  const { secret, records, opening } = await outputEvidence(bundle, engine);
  const whole = outputProof({ ...base, secret, records, siblings: opening(0, records.length - 1) });
  return fitsOneTransaction(whole) ? whole : outputOfPartsProof(base);
}

/** The records that emit the output tokens, and what opens a range of them under `traceRoot`. */
export async function outputEvidence(bundle: Bundle, engine: () => Promise<Engine>) {
  const { records } = await committedRecords(bundle, engine);
  const start = bundle.receipt.nIn - 1;
  const tree = traceTree(records);
  return {
    secret: bundle.secret ?? bundle.request.seed,
    records: records.slice(start),
    opening: (first: number, last: number) => tree.range(start + first, start + last).map(toHex),
  };
}

/** The records behind the receipt's trace root: those that were served, else the honest ones, made again. */
async function committedRecords(bundle: Bundle, engine: () => Promise<Engine>) {
  if (leadsToTrace(bundle)) return { records: bundle.records, outputs: recordedTokens(bundle) };
  return honestAnswer(await engine(), bundle);
}

/** The call that proves that an executor made two receipts where only one can be. Signatures outlast a reorganisation, a batch may not. */
export function proofOfTwo(
  frauds: Address,
  fault: Extract<OneShotFault, { kind: "twice" }>,
  accused: SeenReceipt,
  witness: SeenReceipt,
): Call {
  const other = isSigned(witness) ? witness : { committed: openingOf(witness) };
  const proof = { frauds, committed: openingOf(accused), other };
  return fault.subject === "request" ? secondAnswerProof(proof) : seqReuseProof(proof);
}

function openingOf({ receipt, batchId, index, siblings }: SeenReceipt): CommittedReceipt {
  return { receipt, batchId, index, siblings };
}
