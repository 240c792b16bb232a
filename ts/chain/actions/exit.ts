import type { Address, TransactionReceipt } from "viem";
import { type OtrContext, write } from "../context.ts";

/** Starts the sender's exit: its keys read as inactive from now on. */
export function requestExit(context: OtrContext): Promise<TransactionReceipt> {
  return write(context, "vault", "requestExit", []);
}

/** Ends the sender's exit before it is done. */
export function cancelExit(context: OtrContext): Promise<TransactionReceipt> {
  return write(context, "vault", "cancelExit", []);
}

/** Sends the sender's whole stake to `to`, once the exit is due and nothing is locked. */
export function withdraw(context: OtrContext, parameters: { to: Address }): Promise<TransactionReceipt> {
  return write(context, "vault", "withdraw", [parameters.to]);
}
