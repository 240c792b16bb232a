import type { Hex } from "viem";
import type { Receipt } from "../../commit/typed-data.ts";
import { eventOf, type OtrContext, write } from "../context.ts";
import type { CommittedBatch } from "./commit-batch.ts";

/** A receipt with both signatures over its digest, 65 bytes each. */
export interface CommitReceiptParameters {
  readonly receipt: Receipt;
  readonly enclaveSignature: Hex;
  readonly operatorSignature: Hex;
  readonly id?: string;
}

/** Commits one signed receipt as a batch of one: its executor before expiry, anyone from `commitBy` on. */
export async function commitReceipt(context: OtrContext, parameters: CommitReceiptParameters): Promise<CommittedBatch> {
  const { receipt, enclaveSignature, operatorSignature, id } = parameters;
  const args = [receipt, enclaveSignature, operatorSignature] as const;
  const mined = await write(context, "rollup", "commitReceipt", args, id === undefined ? {} : { id });
  const { batchId } = eventOf(mined, "rollup", "BatchCommitted");
  return { batchId, hash: mined.transactionHash, blockNumber: mined.blockNumber };
}
