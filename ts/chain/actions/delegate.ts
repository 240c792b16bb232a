import type { Address, TransactionReceipt } from "viem";
import { type OtrContext, read, write } from "../context.ts";

/** Lets an account commit batches and answer games and demands in the sender's name, or stops it. */
export function setDelegate(
  context: OtrContext,
  parameters: { delegate: Address; allowed: boolean },
): Promise<TransactionReceipt> {
  return write(context, "vault", "setDelegate", [parameters.delegate, parameters.allowed]);
}

/** Whether an account is an executor or one of its delegates. */
export function mayActFor(context: OtrContext, parameters: { executor: Address; account: Address }): Promise<boolean> {
  return read(context, "vault", "mayActFor", [parameters.executor, parameters.account]);
}
