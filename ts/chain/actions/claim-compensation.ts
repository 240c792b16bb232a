import type { Hex, TransactionReceipt } from "viem";
import type { Request } from "../../commit/typed-data.ts";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { type OtrContext, write } from "../context.ts";

/** What a requester needs to be compensated for a reverted receipt. */
export interface ClaimCompensationParameters {
  readonly committed: CommittedReceipt;
  readonly request: Request;
  /** The requester's signature over the request's digest. */
  readonly signature: Hex;
}

/** Pays the requester of a reverted receipt its share of the receipt's lock; it waits in the vault for `claim`. */
export function claimCompensation(
  context: OtrContext,
  parameters: ClaimCompensationParameters,
): Promise<TransactionReceipt> {
  const { committed, request, signature } = parameters;
  return write(context, "rollup", "claimCompensation", [committedArgument(committed), request, signature]);
}
