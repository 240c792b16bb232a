import type { Hex, TransactionReceipt } from "viem";
import { type OtrContext, write } from "../context.ts";

/** Governance: accepts a measurement for a model until `validUntil` (seconds since 1970). */
export function setPolicy(
  context: OtrContext,
  parameters: { modelId: Hex; measurement: Hex; validUntil: number },
): Promise<TransactionReceipt> {
  const { modelId, measurement, validUntil } = parameters;
  return write(context, "enclaves", "setPolicy", [modelId, measurement, validUntil]);
}
