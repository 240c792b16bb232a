import { fromHex, type Hex, toHex } from "./bytes.ts";
import { recordLeaf, type TraceRecord, traceTree } from "./record.ts";
import { TAGS } from "./tags.ts";
import { Tree } from "./tree.ts";

/** Tree of a batch over its receipt hashes, in order. */
export function batchTree(receiptHashes: readonly Hex[]): Tree {
  return Tree.of(receiptHashes.map(fromHex));
}

/** `root` of `commitBatch` for these receipts. */
export function batchRoot(receiptHashes: readonly Hex[]): Hex {
  return toHex(batchTree(receiptHashes).root(TAGS.batch));
}

/** Leaf and siblings of record `step` under `traceRoot`. */
export function openRecord(records: readonly TraceRecord[], step: number): { leaf: Hex; siblings: Hex[] } {
  return { leaf: toHex(recordLeaf(records[step])), siblings: traceTree(records).siblings(step).map(toHex) };
}
