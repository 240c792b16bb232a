import { z } from "zod";
import { fromHex, type Hex, toHex } from "./bytes.ts";
import { recordLeaf, saltKey, type TraceRecord, tokenTree, traceTree } from "./record.ts";
import { TAGS } from "./tags.ts";
import { Tree } from "./tree.ts";
import { type Domain, hashReceipt, hashRequest, type Receipt, type Request } from "./typed-data.ts";

/**
 * What an executor publishes of one receipt, so that anyone can re-execute it: `GET /v1/otr/batches/:root` serves the
 * items of a batch in the order of its leaves.
 */
export interface BundleItem {
  readonly receipt: Receipt;
  /** 65-byte signatures over the receipt's digest. */
  readonly enclaveSignature: Hex;
  readonly operatorSignature: Hex;
  readonly request: Request;
  /** 65-byte signature over the request's digest, or empty if nobody signed. */
  readonly requestSignature: Hex;
  readonly prompt: readonly number[];
  readonly outputs: readonly number[];
  /** Records of all `nIn + nOut - 1` steps. */
  readonly records: readonly TraceRecord[];
}

/** All receipts of one batch. */
export interface Bundle {
  readonly root: Hex;
  readonly items: readonly BundleItem[];
}

const hexOf = (bytes: number) =>
  z.string().regex(new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`)) as unknown as z.ZodType<Hex>;
const word = hexOf(32);
const address = hexOf(20);
const signature = hexOf(65);
const uint = (bits: 8 | 32) =>
  z
    .number()
    .int()
    .min(0)
    .max(2 ** bits - 1);
const uint64 = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt)
  .refine((value) => value < 2n ** 64n);

const receiptSchema = z.strictObject({
  machineVersion: uint(32),
  modelId: word,
  executor: address,
  enclaveKey: address,
  seq: uint64,
  commitBy: uint64,
  expiry: uint64,
  requestHash: word,
  inputRoot: word,
  nIn: uint(32),
  outputRoot: word,
  nOut: uint(32),
  stopReason: uint(8),
  traceRoot: word,
});

const requestSchema = z.strictObject({
  requester: address,
  modelId: word,
  inputRoot: word,
  nIn: uint(32),
  maxOut: uint(32),
  stopTokens: z.array(uint(32)),
  sampler: uint(8),
  temperature: uint(32),
  seed: word,
  nonce: uint64,
  deadline: uint64,
  confidential: z.boolean(),
  watchers: z.array(address),
});

const itemSchema = z.strictObject({
  receipt: receiptSchema,
  enclaveSignature: signature,
  operatorSignature: signature,
  request: requestSchema,
  requestSignature: z.union([signature, z.literal("0x")]),
  prompt: z.array(uint(32)).min(1),
  outputs: z.array(uint(32)),
  records: z.array(
    z
      .strictObject({ salt: word, token: uint(32), cacheRoot: word })
      .transform(({ salt, token, cacheRoot }) => ({ salt: fromHex(salt), token, cacheRoot: fromHex(cacheRoot) })),
  ),
});

/** JSON of a bundle: 64-bit numbers as decimal strings, bytes as hex. Unknown keys are refused. */
export const bundleSchema = z.strictObject({ root: word, items: z.array(itemSchema).min(1) });

/** A bundle as JSON text. */
export function bundleToJson(bundle: Bundle): string {
  return JSON.stringify(bundle, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value instanceof Uint8Array ? toHex(value) : value,
  );
}

/** Tree of a batch over its receipt hashes, in order. */
export function batchTree(receiptHashes: readonly Hex[]): Tree {
  return Tree.of(receiptHashes.map(fromHex));
}

/** `root` of `commitBatch` for these receipts. */
export function batchRoot(receiptHashes: readonly Hex[]): Hex {
  return toHex(batchTree(receiptHashes).root(TAGS.batch));
}

/**
 * First reason why an item's content is not what its receipt commits to, `undefined` if all of it is. What passes is what the executor
 * signed for; whether that is honest is another question.
 */
export function contradiction(domain: Domain, item: BundleItem): string | undefined {
  const { receipt, request, prompt, outputs, records } = item;
  if (hashRequest(domain, request) !== receipt.requestHash) return "the request does not hash to requestHash";
  const key = saltKey(request);
  if (prompt.length !== receipt.nIn) return `${prompt.length} prompt tokens, nIn is ${receipt.nIn}`;
  if (rootOf(tokenTree(key, "input", prompt), "input") !== receipt.inputRoot)
    return "the prompt does not lead to inputRoot";
  if (outputs.length !== receipt.nOut || outputs.length === 0)
    return `${outputs.length} tokens, nOut is ${receipt.nOut}`;
  if (rootOf(tokenTree(key, "output", outputs), "output") !== receipt.outputRoot)
    return "the answer does not lead to outputRoot";
  const steps = receipt.nIn + receipt.nOut - 1;
  if (records.length !== steps) return `${records.length} records for ${steps} steps`;
  if (rootOf(traceTree(records), "trace") !== receipt.traceRoot) return "the records do not lead to traceRoot";
  return undefined;
}

/** First reason why a bundle is not the batch (`root`, `count`), `undefined` if it is. Items are checked by `contradiction`. */
export function bundleMismatch(domain: Domain, bundle: Bundle, root: Hex, count: number): string | undefined {
  if (bundle.items.length !== count) return `${bundle.items.length} items, the batch has ${count}`;
  const hashes = bundle.items.map((item) => hashReceipt(domain, item.receipt));
  return batchRoot(hashes) === root.toLowerCase() ? undefined : "the receipts do not lead to the batch root";
}

/** Opening of record `step` under `traceRoot`. */
export function openRecord(records: readonly TraceRecord[], step: number): { leaf: Hex; siblings: Hex[] } {
  const tree = traceTree(records);
  return { leaf: toHex(recordLeaf(records[step])), siblings: tree.siblings(step).map(toHex) };
}

function rootOf(tree: Tree, kind: "input" | "output" | "trace"): Hex {
  return toHex(tree.root(TAGS[kind]));
}
