import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { type OtrContext, read } from "../context.ts";

/** Where a receipt stands, in the order of the contract's codes. */
export const STATUSES = ["none", "provisional", "challenged", "final", "reverted"] as const;
export type ReceiptStatus = (typeof STATUSES)[number];

/** Where a receipt stands now. */
export async function statusOf(context: OtrContext, committed: CommittedReceipt): Promise<ReceiptStatus> {
  return STATUSES[await read(context, "rollup", "statusOf", [committedArgument(committed)])];
}
