import type { Hex } from "../commit/bytes.ts";
import { hashReceipt, type Receipt, type Request, STOP_REASON } from "../commit/typed-data.ts";
import { type AnswerContent, bundleContent } from "./answer-content.ts";
import type { Bundle, BundleHead } from "./bundle.ts";
import type { ChainFacts } from "./chain-facts.ts";
import { ReceiptInvalidError } from "./errors.ts";
import type { PreparedRequest } from "./prepare-request.ts";
import { answerText, type PromptModel } from "./prompt-model.ts";
import { recoverSigner } from "./recover-signer.ts";
import { secretProblem } from "./secret-problem.ts";

/** Every item that a receipt is checked for; docs/sdk.md says what each one rules out. */
export const RECEIPT_CHECKS = [
  "domain",
  "receipt-hash",
  "enclave-signature",
  "operator-signature",
  "request",
  "secret",
  "model",
  "decidable",
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
  "reserve",
  "coverage",
  "refund-mode",
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

/** What a receipt is checked against. */
export interface ReceiptExpectations {
  readonly prepared: PreparedRequest;
  readonly model: PromptModel;
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

export interface VerifyReceiptParameters extends ReceiptExpectations {
  readonly bundle: Bundle;
}

/** Checks a receipt in every item, without any I/O. */
export function verifyReceipt({ bundle, ...expected }: VerifyReceiptParameters): Promise<ReceiptVerdict> {
  return verifyContent(expected, bundle, bundleContent(expected.prepared, bundle));
}

/** The same for an answer whose content was hashed before, as `ReceiptStream` does. */
export async function verifyContent(
  expected: ReceiptExpectations,
  head: BundleHead,
  content: AnswerContent,
): Promise<ReceiptVerdict> {
  const { prepared } = expected;
  const { receipt } = head;
  const receiptHash = hashReceipt(prepared.domain, receipt);
  const enclave = recoverSigner(receiptHash, head.enclaveSignature);
  const operator = recoverSigner(receiptHash, head.operatorSignature);
  const failures: Record<ReceiptCheckName, string | undefined> = {
    ...boundChecks(expected, head, receiptHash),
    "enclave-signature": differ(enclave, receipt.enclaveKey),
    "operator-signature": differ(operator, receipt.executor),
    ...contentChecks(expected, receipt, content),
    ...timeChecks(expected, receipt),
    ...chainChecks(expected, receipt),
  };
  const checks = RECEIPT_CHECKS.map((name): ReceiptCheck => {
    const detail = failures[name];
    return detail === undefined ? { name, ok: true } : { name, ok: false, detail };
  });
  return { ok: checks.every(({ ok }) => ok), checks };
}

/** @throws ReceiptInvalidError that names every failed item. */
export async function assertReceipt(parameters: VerifyReceiptParameters): Promise<void> {
  assertVerdict(await verifyReceipt(parameters));
}

/** @throws ReceiptInvalidError unless every item passed. */
export function assertVerdict({ checks }: ReceiptVerdict): void {
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

/** What the receipt is bound to. */
function boundChecks(
  { prepared, model }: ReceiptExpectations,
  { receipt, domain, receiptHash: stated }: BundleHead,
  receiptHash: Hex,
): Failures<"domain" | "receipt-hash" | "request" | "secret" | "model"> {
  const { chainId, rollup } = prepared.domain;
  return {
    domain: differ(`${domain.chainId}:${domain.rollup}`, `${chainId}:${rollup.toLowerCase()}`),
    "receipt-hash": differ(stated, receiptHash),
    request: differ(receipt.requestHash, prepared.requestHash),
    secret: secretProblem(prepared),
    model: differ(receipt.modelId, model.modelId) ?? differ(receipt.machineVersion, model.manifest.machineVersion),
  };
}

/** Prompt, answer and trace against what was recomputed of them. */
function contentChecks(
  { prepared, model, text, cancelled = false }: ReceiptExpectations,
  receipt: Receipt,
  { outputs, outputRoot, traceRoot, steps, recordProblem }: AnswerContent,
): Failures<"input-root" | "output-root" | "text" | "trace-root" | "length" | "stop-reason"> {
  const { request, tokens } = prepared;
  return {
    "input-root": differ(receipt.nIn, tokens.length) ?? differ(receipt.inputRoot, request.inputRoot),
    "output-root": differ(receipt.nOut, outputs.length) ?? differ(receipt.outputRoot, outputRoot),
    text: unless(
      text === undefined || answerText(model, outputs, receipt.stopReason) === text,
      "the committed tokens spell another text than the one streamed",
    ),
    "trace-root":
      differ(steps, tokens.length + outputs.length - 1) ?? recordProblem ?? differ(receipt.traceRoot, traceRoot),
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
function timeChecks(
  { prepared, now, facts }: ReceiptExpectations,
  { commitBy, expiry }: Receipt,
): Failures<"deadline" | "commit-by" | "expiry"> {
  const { deadline } = prepared.request;
  return {
    deadline: unless(now <= deadline, `now ${now}, the request's deadline was ${deadline}`),
    "commit-by": unless(now <= commitBy && commitBy <= expiry, `now ${now}, commitBy ${commitBy}, expiry ${expiry}`),
    // Beyond the cap a receipt can outlive the stake behind it: the executor's exit waits no longer.
    expiry: unless(
      now < expiry && expiry - now <= facts.expiryCap,
      `now ${now}, expiry ${expiry}, at most ${facts.expiryCap} s ahead allowed`,
    ),
  };
}

/** Does the chain stand behind the signers? */
function chainChecks(
  { facts, now, maxAgeSeconds = 60n, risk = 0n }: ReceiptExpectations,
  receipt: Receipt,
): Failures<
  | "decidable"
  | "facts-subject"
  | "facts-fresh"
  | "key-active"
  | "not-exiting"
  | "not-suspended"
  | "free-stake"
  | "reserve"
  | "coverage"
  | "refund-mode"
> {
  const subject = ({ executor, enclaveKey, modelId }: Receipt | ChainFacts) =>
    [executor, enclaveKey, modelId].join(" ").toLowerCase();
  const { freeStake, lockPerReceipt, reserve, blockTime, single } = facts;
  // What is committed has taken its lock, or will never have one.
  const left = single === undefined ? freeStake - lockPerReceipt : undefined;
  const coverage = single?.scarce ? 0n : facts.coverage;
  const scarce = single?.scarce ? ` by batch ${single.batchId}, for which no stake was left to lock` : "";
  return {
    // What the court cannot judge stands for nothing, whoever signed it.
    decidable:
      unless(facts.modelUsable, `model ${receipt.modelId} has not passed the validator`) ??
      differ(receipt.machineVersion, facts.machineVersion),
    "facts-subject": differ(subject(facts), subject(receipt)),
    "facts-fresh": unless(
      now - blockTime <= maxAgeSeconds,
      `block ${facts.blockNumber} is ${now - blockTime} s old, at most ${maxAgeSeconds} s allowed`,
    ),
    "key-active": unless(facts.keyActive, `enclave key ${receipt.enclaveKey} is not active`),
    "not-exiting": unless(!facts.exiting, `executor ${receipt.executor} is leaving`),
    "not-suspended": unless(!facts.suspended, `executor ${receipt.executor} was convicted`),
    "free-stake": unless(left === undefined || left >= 0n, `free ${freeStake} wei, needed ${lockPerReceipt} wei`),
    // Without it the executor cannot commit the receipt, and challengers are not repaid.
    reserve: unless(
      left === undefined || left < 0n || left >= reserve,
      `${left} wei are left beside the lock, the rules ask for ${reserve}`,
    ),
    coverage: unless(coverage >= risk, `covered ${coverage} wei${scarce}, at risk ${risk} wei`),
    "refund-mode": unless(!facts.refunding, "the rules are in refund mode: a wrong answer pays nobody"),
  };
}
