import type { Address, Hex, TransactionReceipt } from "viem";
import { type OtrContext, read, write } from "../context.ts";

/** A batch on the chain. */
export interface BatchState {
  readonly root: Hex;
  readonly executor: Address;
  /** Seconds since 1970. */
  readonly committedAt: bigint;
  readonly count: number;
  /** Version of the rules it was committed under. */
  readonly rules: number;
  readonly openGames: number;
  /** Committed by a stranger while the executor's stake was taken: it locks nothing. */
  readonly scarce: boolean;
}

/** A batch, `undefined` if there is none of this id. */
export async function getBatch(context: OtrContext, batchId: bigint): Promise<BatchState | undefined> {
  const batch = await read(context, "rollup", "batchOf", [batchId]);
  if (batch.count === 0) return undefined;
  return { ...batch, committedAt: BigInt(batch.committedAt) };
}

/** Frees the locks of a batch whose receipts are all settled. */
export function releaseBatch(
  context: OtrContext,
  parameters: { batchId: bigint; id?: string },
): Promise<TransactionReceipt> {
  const options = parameters.id === undefined ? {} : { id: parameters.id };
  return write(context, "rollup", "releaseBatch", [parameters.batchId], options);
}
