import { toHex } from "../commit/bytes.ts";
import { secretOf, tokenTree, traceTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { type Domain, hashReceipt, hashRequest } from "../commit/typed-data.ts";
import { bundleSaltKey } from "../dispute/answer.ts";
import type { Bundle } from "../sdk/bundle.ts";

/**
 * Why a bundle does not show what its receipt answers, `undefined` if it does: without request and prompt nothing can be judged. Tokens and
 * records follow from them, so whether those lead to the receipt's roots is part of the judgement (`findFault`).
 */
export function contradiction(domain: Domain, bundle: Bundle): string | undefined {
  return requestContradiction(domain, bundle) ?? promptContradiction(bundle);
}

/** Whether receipt and request are the ones that the batch commits to. */
export function requestContradiction(
  domain: Domain,
  { receipt, request, receiptHash }: Pick<Bundle, "receipt" | "request" | "receiptHash">,
): string | undefined {
  if (hashReceipt(domain, receipt) !== receiptHash) return "the receipt does not hash to receiptHash";
  if (hashRequest(domain, request) !== receipt.requestHash) return "the request does not hash to requestHash";
  return undefined;
}

function promptContradiction(bundle: Bundle): string | undefined {
  const { request, inputTokens } = bundle;
  if (secretOf(request, bundle.secret) === undefined) return "the secret is not the one that the seed commits to";
  if (inputTokens.length !== request.nIn) return `${inputTokens.length} prompt tokens, nIn is ${request.nIn}`;
  const root = toHex(tokenTree(bundleSaltKey(bundle), "input", inputTokens).root(TAGS.input));
  return root === request.inputRoot ? undefined : "the prompt does not lead to inputRoot";
}

/** First reason why the rest of a bundle is not what its receipt commits to: what was signed for, whether that is honest or not. */
export function answerContradiction(bundle: Bundle): string | undefined {
  const { receipt, request, outputTokens, records } = bundle;
  if (receipt.nIn !== request.nIn || receipt.inputRoot !== request.inputRoot) return "the receipt has another prompt";
  if (outputTokens.length !== receipt.nOut) return `${outputTokens.length} tokens, nOut is ${receipt.nOut}`;
  const outputRoot = toHex(tokenTree(bundleSaltKey(bundle), "output", outputTokens).root(TAGS.output));
  if (outputRoot !== receipt.outputRoot) return "the answer does not lead to outputRoot";
  const steps = receipt.nIn + receipt.nOut - 1;
  if (records.length !== steps) return `${records.length} records for ${steps} steps`;
  const traceRoot = toHex(traceTree(records).root(TAGS.trace));
  return traceRoot === receipt.traceRoot ? undefined : "the records do not lead to traceRoot";
}
