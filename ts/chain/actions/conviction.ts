import type { Address, TransactionReceipt } from "viem";
import { type OtrContext, read, write } from "../context.ts";

/** The verdict on an executor. */
export interface ConvictionState {
  /** Opened the earliest of the winning cases so far. */
  readonly challenger: Address;
  /** When that case was opened, in seconds since 1970. */
  readonly openedAt: bigint;
  /** Batch whose lock pays the challenger's share; 0 once it is paid. */
  readonly batchId: bigint;
}

/** The verdict on an executor, undefined if there is none. */
export async function getConviction(context: OtrContext, executor: Address): Promise<ConvictionState | undefined> {
  const { challenger, openedAt, batchId } = await read(context, "rollup", "convictionOf", [executor]);
  return openedAt === 0 ? undefined : { challenger, openedAt: BigInt(openedAt), batchId };
}

/** From when the challenger's share of a conviction is paid, in seconds since 1970; 0 if there is none, or it is paid. */
export async function getRewardDueAt(context: OtrContext, executor: Address): Promise<bigint> {
  return BigInt(await read(context, "rollup", "rewardDueAt", [executor]));
}

/** From when verdicts on a batch are paid, and whether its rules pay nothing but what is everyone's own. */
export async function getPayout(
  context: OtrContext,
  parameters: { batchId: bigint; verdictAt: bigint },
): Promise<{ dueAt: bigint; refunds: boolean }> {
  const { batchId, verdictAt } = parameters;
  const [dueAt, refunds] = await read(context, "rollup", "payoutOf", [batchId, Number(verdictAt)]);
  return { dueAt: BigInt(dueAt), refunds };
}

/** Pays the challenger's share of a conviction; it waits in the vault for `claim`. */
export function payReward(
  context: OtrContext,
  parameters: { executor: Address; id?: string },
): Promise<TransactionReceipt> {
  const options = parameters.id === undefined ? {} : { id: parameters.id };
  return write(context, "rollup", "payReward", [parameters.executor], options);
}

/** Whether rules pay nothing any more but what is everyone's own. */
export function isInRefundMode(context: OtrContext, version: number): Promise<boolean> {
  return read(context, "rollup", "inRefundMode", [version]);
}
