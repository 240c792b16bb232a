import type { Address, Hex } from "viem";
import { sameAddress } from "../client.ts";
import { eventOf, type OtrContext, write } from "../context.ts";

/** A batch to commit: `root` from `batchRoot` of ts/commit/batch.ts. */
export interface CommitBatchParameters {
  readonly root: Hex;
  readonly count: number;
  /** Whose batch it is; the sender must be its delegate if it is another. */
  readonly executor?: Address;
  /** Names the deed for senders that remember, e.g. `batch:<root>`. */
  readonly id?: string;
}

/** A batch on the chain. */
export interface CommittedBatch {
  readonly batchId: bigint;
  readonly hash: Hex;
  readonly blockNumber: bigint;
}

/** Commits a batch of receipts under the current rules; locks stake for each. */
export async function commitBatch(context: OtrContext, parameters: CommitBatchParameters): Promise<CommittedBatch> {
  const { root, count, executor, id } = parameters;
  const options = id === undefined ? {} : { id };
  const own = executor === undefined || (context.sender !== undefined && sameAddress(executor, context.sender.address));
  const receipt = own
    ? await write(context, "rollup", "commitBatch", [root, BigInt(count)], options)
    : await write(context, "rollup", "commitBatchFor", [executor, root, BigInt(count)], options);
  const { batchId } = eventOf(receipt, "rollup", "BatchCommitted");
  return { batchId, hash: receipt.transactionHash, blockNumber: receipt.blockNumber };
}
