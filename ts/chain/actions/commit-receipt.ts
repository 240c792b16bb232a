import type { Hex } from "viem";
import type { Receipt } from "../../commit/typed-data.ts";
import { eventOf, type OtrContext, write } from "../context.ts";
import type { CommittedBatch } from "./commit-batch.ts";

/** Commits one signed receipt as a batch of one: its executor before expiry, anyone from `commitBy` on. */
export async function commitReceipt(
  context: OtrContext,
  parameters: { receipt: Receipt; enclaveSignature: Hex; operatorSignature: Hex; id?: string },
): Promise<CommittedBatch> {
  const { receipt, enclaveSignature, operatorSignature, id } = parameters;
  const args = [receipt, enclaveSignature, operatorSignature] as const;
  const mined = await write(context, "rollup", "commitReceipt", args, id === undefined ? {} : { id });
  const { batchId } = eventOf(mined, "rollup", "BatchCommitted");
  return { batchId, hash: mined.transactionHash, blockNumber: mined.blockNumber };
}
