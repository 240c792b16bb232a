import type { Address, TransactionReceipt } from "viem";
import { type OtrContext, read, write } from "../context.ts";
import { deposit } from "./deposit.ts";

/** How an executor becomes visible and able to commit. */
export interface RegisterExecutorParameters {
  /** Public URL where bundles are served. */
  readonly endpoint: string;
  /** Wei of stake to have at least; what is there already counts. */
  readonly stake: bigint;
  /** Accounts that may commit and answer games in the sender's name. */
  readonly delegates?: readonly Address[];
}

/** Brings the sender's stake, endpoint and delegates to what is asked. What holds already is not sent again. */
export async function registerExecutor(
  context: OtrContext,
  parameters: RegisterExecutorParameters,
): Promise<TransactionReceipt[]> {
  const receipts: TransactionReceipt[] = [];
  const executor = context.sender?.address;
  const account = executor === undefined ? undefined : await read(context, "vault", "executorOf", [executor]);
  const missing = parameters.stake - (account?.stake ?? 0n);
  if (missing > 0n) receipts.push(await deposit(context, { amount: missing }));
  receipts.push(await write(context, "vault", "setEndpoint", [parameters.endpoint]));
  for (const delegate of parameters.delegates ?? [])
    if (executor === undefined || !(await read(context, "vault", "mayActFor", [executor, delegate])))
      receipts.push(await write(context, "vault", "setDelegate", [delegate, true]));
  return receipts;
}
