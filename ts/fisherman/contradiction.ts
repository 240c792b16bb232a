import { type Hex, toHex } from "../commit/bytes.ts";
import { saltKey, secretOf, tokenTree, traceTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import type { Tree } from "../commit/tree.ts";
import { type Domain, hashReceipt, hashRequest } from "../commit/typed-data.ts";
import type { Bundle } from "../sdk/bundle.ts";

/**
 * First reason why a bundle's content is not what its receipt commits to, `undefined` if all of it is. What passes is what the executor
 * signed for; whether that is honest is another question.
 */
export function contradiction(domain: Domain, bundle: Bundle): string | undefined {
  const { receipt, request, inputTokens, outputTokens, records } = bundle;
  if (hashReceipt(domain, receipt) !== bundle.receiptHash) return "the receipt does not hash to receiptHash";
  if (hashRequest(domain, request) !== receipt.requestHash) return "the request does not hash to requestHash";
  const secret = secretOf(request, bundle.secret);
  if (secret === undefined) return "the secret is not the one that the seed commits to";
  const key = saltKey({ ...request, secret });
  if (inputTokens.length !== receipt.nIn) return `${inputTokens.length} prompt tokens, nIn is ${receipt.nIn}`;
  if (rootOf(tokenTree(key, "input", inputTokens), "input") !== receipt.inputRoot)
    return "the prompt does not lead to inputRoot";
  if (outputTokens.length !== receipt.nOut) return `${outputTokens.length} tokens, nOut is ${receipt.nOut}`;
  if (rootOf(tokenTree(key, "output", outputTokens), "output") !== receipt.outputRoot)
    return "the answer does not lead to outputRoot";
  const steps = receipt.nIn + receipt.nOut - 1;
  if (records.length !== steps) return `${records.length} records for ${steps} steps`;
  if (rootOf(traceTree(records), "trace") !== receipt.traceRoot) return "the records do not lead to traceRoot";
  return undefined;
}

function rootOf(tree: Tree, kind: "input" | "output" | "trace"): Hex {
  return toHex(tree.root(TAGS[kind]));
}
