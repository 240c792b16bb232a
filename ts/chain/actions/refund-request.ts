import type { Hash, Hex } from "viem";
import { type OtrContext, write } from "../context.ts";

/** Ends a request that was not answered: its payment becomes the requester's claim in the vault. Anyone may, from `deliverBy` on. */
export async function refundRequest(
  context: OtrContext,
  parameters: { readonly requestHash: Hex; readonly id?: string },
): Promise<Hash> {
  const { requestHash, id } = parameters;
  return (await write(context, "requests", "refund", [requestHash], id === undefined ? {} : { id })).transactionHash;
}
