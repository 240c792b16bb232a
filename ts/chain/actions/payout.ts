import { type OtrContext, read } from "../context.ts";

/** From when verdicts on a batch are paid, and whether its rules pay nothing but what is everyone's own. */
export async function getPayout(
  context: OtrContext,
  parameters: { batchId: bigint; verdictAt: bigint },
): Promise<{ dueAt: bigint; refunds: boolean }> {
  const { batchId, verdictAt } = parameters;
  const [dueAt, refunds] = await read(context, "rollup", "payoutOf", [batchId, Number(verdictAt)]);
  return { dueAt: BigInt(dueAt), refunds };
}

/** Whether rules pay nothing any more but what is everyone's own. */
export function isInRefundMode(context: OtrContext, version: number): Promise<boolean> {
  return read(context, "rollup", "inRefundMode", [version]);
}
