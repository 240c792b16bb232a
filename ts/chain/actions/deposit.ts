import type { Address, TransactionReceipt } from "viem";
import { type OtrContext, write } from "../context.ts";
import { NoSenderError } from "../errors.ts";

/** A deposit of stake. */
export interface DepositParameters {
  /** Wei. */
  readonly amount: bigint;
  /** Whose stake; by default the sender's. */
  readonly executor?: Address;
  readonly id?: string;
}

/** Adds `amount` wei to the stake of `executor`, by default the sender. */
export async function deposit(context: OtrContext, parameters: DepositParameters): Promise<TransactionReceipt> {
  const executor = parameters.executor ?? context.sender?.address;
  if (executor === undefined) throw new NoSenderError("vault.deposit");
  const id = parameters.id === undefined ? {} : { id: parameters.id };
  return write(context, "vault", "deposit", [executor], { value: parameters.amount, ...id });
}
