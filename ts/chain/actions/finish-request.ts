import type { Hash, Hex } from "viem";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { type OtrContext, write } from "../context.ts";

/** A delivered answer. */
export interface FinishRequestParameters {
  readonly requestHash: Hex;
  /** As it was delivered. */
  readonly committed: CommittedReceipt;
  readonly id?: string;
}

/** Acts on what became of a delivered answer: final, it is paid; reverted, it is dropped. Anyone may. */
export async function finishRequest(context: OtrContext, parameters: FinishRequestParameters): Promise<Hash> {
  const { requestHash, committed, id } = parameters;
  const args = [requestHash, committedArgument(committed)] as const;
  return (await write(context, "requests", "finish", args, id === undefined ? {} : { id })).transactionHash;
}
