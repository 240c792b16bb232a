import type { Hex } from "viem";
import { batchTree } from "../commit/batch.ts";
import { toHex } from "../commit/bytes.ts";
import type { Receipt } from "../commit/typed-data.ts";
import { concatNodes } from "./nodes.ts";

/** A receipt with its opening in a batch. */
export interface CommittedReceipt {
  readonly receipt: Receipt;
  readonly batchId: bigint;
  /** Index in the batch, and siblings from the leaf up. */
  readonly index: number;
  readonly siblings: readonly Hex[];
}

/** Opening of a receipt out of the hashes of its whole batch. */
export function openReceipt(
  batchId: bigint,
  receipt: Receipt,
  hashes: readonly Hex[],
  index: number,
): CommittedReceipt {
  return { receipt, batchId, index, siblings: batchTree(hashes).siblings(index).map(toHex) };
}

/** As the contracts take it. */
export function committedArgument({ receipt, batchId, index, siblings }: CommittedReceipt) {
  return { receipt, batchId, index: BigInt(index), siblings: concatNodes(siblings) };
}
