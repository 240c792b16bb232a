import { recoverAddress } from "viem";
import { equal, type Hex, toHex } from "../commit/bytes.ts";
import { recordLeaf, SENTINEL_TOKEN, saltOf, tokenLeaf } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { Tree } from "../commit/tree.ts";
import { hashReceipt, type Request, STOP_REASON } from "../commit/typed-data.ts";
import type { Bundle } from "./bundle.ts";
import type { ChainFacts } from "./chain-facts.ts";
import { ReceiptInvalidError } from "./errors.ts";
import type { PreparedRequest } from "./prepare-request.ts";
import { answerText, type PromptModel } from "./prompt-model.ts";

/** Every item that a receipt is checked for; docs/sdk.md says what each one rules out. */
export const RECEIPT_CHECKS = [
  "domain",
  "receipt-hash",
  "enclave-signature",
  "operator-signature",
  "request",
  "model",
  "input-root",
  "output-root",
  "text",
  "trace-root",
  "length",
  "stop-reason",
  "deadline",
  "commit-by",
  "expiry",
  "facts-subject",
  "facts-fresh",
  "key-active",
  "not-exiting",
  "not-suspended",
  "free-stake",
  "coverage",
] as const;
export type ReceiptCheckName = (typeof RECEIPT_CHECKS)[number];

/** One item and how it went; `detail` says what was found where it failed. */
export type ReceiptCheck =
  | { readonly name: ReceiptCheckName; readonly ok: true }
  | { readonly name: ReceiptCheckName; readonly ok: false; readonly detail: string };

/** All items, in the order of `RECEIPT_CHECKS`. */
export interface ReceiptVerdict {
  readonly ok: boolean;
  readonly checks: readonly ReceiptCheck[];
}

export interface VerifyReceiptParameters {
  readonly prepared: PreparedRequest;
  readonly model: PromptModel;
  readonly bundle: Bundle;
  /** Text as it was streamed to the client; left out for clients that look at tokens only. */
  readonly text?: string;
  readonly facts: ChainFacts;
  /** True if the caller cut the answer short: only then may its receipt say so. */
  readonly cancelled?: boolean;
  /** Seconds since 1970. */
  readonly now: bigint;
  /** The facts' block may be this many seconds old. Default 60. */
  readonly maxAgeSeconds?: bigint;
  /** What a wrong answer may cost the caller, in wei. Default 0. */
  readonly risk?: bigint;
}

/** Hashes that do not depend on the answer, made while it streams. */
export interface WarmSalts {
  readonly output: Uint8Array[];
  readonly record: Uint8Array[];
}

/** Salts for up to `nOut` output tokens: call it while tokens arrive, and pass the result to `verifyReceipt`. */
export function warmSalts(prepared: PreparedRequest, nOut: number, into?: WarmSalts): WarmSalts {
  const salts = into ?? { output: [], record: [] };
  const steps = prepared.tokens.length + nOut - 1;
  for (let i = salts.output.length; i < nOut; i++) salts.output.push(saltOf(prepared.saltKey, "output", i));
  for (let t = salts.record.length; t < steps; t++) salts.record.push(saltOf(prepared.saltKey, "record", t));
  return salts;
}

/** Checks a receipt in every item, without any I/O. */
export async function verifyReceipt(parameters: VerifyReceiptParameters, warm?: WarmSalts): Promise<ReceiptVerdict> {
  const { bundle, prepared } = parameters;
  const { receipt } = bundle;
  const receiptHash = hashReceipt(prepared.domain, receipt);
  const [enclave, operator] = await Promise.all([
    signerOf(receiptHash, bundle.enclaveSignature),
    signerOf(receiptHash, bundle.operatorSignature),
  ]);
  const failures: Record<ReceiptCheckName, string | undefined> = {
    ...boundChecks(parameters, receiptHash),
    "enclave-signature": differ(enclave, receipt.enclaveKey),
    "operator-signature": differ(operator, receipt.executor),
    ...contentChecks(parameters, warmSalts(prepared, bundle.outputTokens.length, warm)),
    ...timeChecks(parameters),
    ...chainChecks(parameters),
  };
  const checks = RECEIPT_CHECKS.map((name): ReceiptCheck => {
    const detail = failures[name];
    return detail === undefined ? { name, ok: true } : { name, ok: false, detail };
  });
  return { ok: checks.every(({ ok }) => ok), checks };
}

/** @throws ReceiptInvalidError that names every failed item. */
export async function assertReceipt(parameters: VerifyReceiptParameters, warm?: WarmSalts): Promise<void> {
  const { checks } = await verifyReceipt(parameters, warm);
  const failed = checks.filter((check) => !check.ok);
  if (failed.length > 0) throw new ReceiptInvalidError(failed);
}

type Failures<N extends ReceiptCheckName> = Record<N, string | undefined>;

/** Undefined if equal, else what was expected and found. */
function differ(got: unknown, expected: unknown): string | undefined {
  return String(got) === String(expected) ? undefined : `expected ${expected}, got ${got}`;
}

function unless(ok: boolean, detail: string): string | undefined {
  return ok ? undefined : detail;
}

async function signerOf(hash: Hex, signature: Hex): Promise<string> {
  const signer = await recoverAddress({ hash, signature }).catch(() => "no valid signature");
  return signer.toLowerCase();
}

/** What the receipt is bound to. */
function boundChecks(
  { bundle, prepared, model }: VerifyReceiptParameters,
  receiptHash: Hex,
): Failures<"domain" | "receipt-hash" | "request" | "model"> {
  const { receipt } = bundle;
  const { chainId, rollup } = prepared.domain;
  return {
    domain: differ(`${bundle.domain.chainId}:${bundle.domain.rollup}`, `${chainId}:${rollup.toLowerCase()}`),
    "receipt-hash": differ(bundle.receiptHash, receiptHash),
    request: differ(receipt.requestHash, prepared.requestHash),
    model: differ(receipt.modelId, model.modelId) ?? differ(receipt.machineVersion, model.manifest.machineVersion),
  };
}

/** Prompt, answer and trace, recomputed. */
function contentChecks(
  { bundle, prepared, model, text, cancelled = false }: VerifyReceiptParameters,
  salts: WarmSalts,
): Failures<"input-root" | "output-root" | "text" | "trace-root" | "length" | "stop-reason"> {
  const { receipt, outputTokens: outputs, records } = bundle;
  const { request, tokens } = prepared;
  const outputRoot = Tree.of(outputs.map((token, i) => tokenLeaf(salts.output[i], token))).root(TAGS.output);
  const tokenAt = (t: number) => (t < tokens.length - 1 ? SENTINEL_TOKEN : outputs[t - tokens.length + 1]);
  const wrong = records.findIndex(({ salt, token }, t) => token !== tokenAt(t) || !equal(salt, salts.record[t]));
  const traceRoot = Tree.of(records.map(recordLeaf)).root(TAGS.trace);
  return {
    "input-root": differ(receipt.nIn, tokens.length) ?? differ(receipt.inputRoot, request.inputRoot),
    "output-root": differ(receipt.nOut, outputs.length) ?? differ(receipt.outputRoot, toHex(outputRoot)),
    text: unless(
      text === undefined || answerText(model, outputs, receipt.stopReason) === text,
      "the committed tokens spell another text than the one streamed",
    ),
    "trace-root":
      differ(records.length, tokens.length + outputs.length - 1) ??
      unless(wrong < 0, `record ${wrong} has another salt or token than its step`) ??
      differ(receipt.traceRoot, toHex(traceRoot)),
    length: unless(
      receipt.nOut >= 1 && receipt.nOut <= request.maxOut,
      `${receipt.nOut} tokens, at most ${request.maxOut} allowed`,
    ),
    "stop-reason": stopProblem(receipt.stopReason, outputs, request, cancelled),
  };
}

/** Why the stop reason is not the one that these tokens have. */
function stopProblem(
  reason: number,
  outputs: readonly number[],
  { stopTokens, maxOut }: Pick<Request, "stopTokens" | "maxOut">,
  cancelled: boolean,
): string | undefined {
  const at = outputs.findIndex((token) => stopTokens.includes(token));
  if (at >= 0 && at < outputs.length - 1) return `token ${at} ends the answer, yet more follow`;
  if (at >= 0) return differ(reason, STOP_REASON.stop);
  if (outputs.length === maxOut) return differ(reason, STOP_REASON.length);
  if (!cancelled) return `the answer ends after ${outputs.length} tokens without a reason`;
  return differ(reason, STOP_REASON.cancelled);
}

/** Can it still be committed, and was it made in time? */
function timeChecks({ bundle, prepared, now }: VerifyReceiptParameters): Failures<"deadline" | "commit-by" | "expiry"> {
  const { commitBy, expiry } = bundle.receipt;
  const { deadline } = prepared.request;
  return {
    deadline: unless(now <= deadline, `now ${now}, the request's deadline was ${deadline}`),
    "commit-by": unless(now <= commitBy && commitBy <= expiry, `now ${now}, commitBy ${commitBy}, expiry ${expiry}`),
    expiry: unless(now < expiry, `now ${now}, expired at ${expiry}`),
  };
}

/** Does the chain stand behind the signers? */
function chainChecks({
  bundle,
  facts,
  now,
  maxAgeSeconds = 60n,
  risk = 0n,
}: VerifyReceiptParameters): Failures<
  "facts-subject" | "facts-fresh" | "key-active" | "not-exiting" | "not-suspended" | "free-stake" | "coverage"
> {
  const { receipt } = bundle;
  const subject = ({ executor, enclaveKey, modelId }: typeof receipt | ChainFacts) =>
    [executor, enclaveKey, modelId].join(" ").toLowerCase();
  const { freeStake, lockPerReceipt, coverage, blockTime } = facts;
  return {
    "facts-subject": differ(subject(facts), subject(receipt)),
    "facts-fresh": unless(
      now - blockTime <= maxAgeSeconds,
      `block ${facts.blockNumber} is ${now - blockTime} s old, at most ${maxAgeSeconds} s allowed`,
    ),
    "key-active": unless(facts.keyActive, `enclave key ${receipt.enclaveKey} is not active`),
    "not-exiting": unless(!facts.exiting, `executor ${receipt.executor} is leaving`),
    "not-suspended": unless(!facts.suspended, `executor ${receipt.executor} was convicted`),
    "free-stake": unless(freeStake >= lockPerReceipt, `free ${freeStake} wei, needed ${lockPerReceipt} wei`),
    coverage: unless(coverage >= risk, `covered ${coverage} wei, at risk ${risk} wei`),
  };
}
