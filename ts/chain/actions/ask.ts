import type { Hash, Hex } from "viem";
import type { Request } from "../../commit/typed-data.ts";
import { eventOf, type OtrContext, write } from "../context.ts";
import { FINALITIES, type Finality } from "../request-state.ts";

/** A question to whoever serves the model. */
export interface AskParameters {
  /** Its requester is the sender. `inputRoot` and `nIn` may be zero: the contract fills them in. */
  readonly request: Request;
  /** The prompt's tokens. */
  readonly input: readonly number[];
  readonly finality: Finality;
  /** Gas of each callback; 0 for an account that is no contract. */
  readonly callbackGas?: number;
  /** Wei for the executor of the final answer. */
  readonly payment: bigint;
  readonly id?: string;
}

/** Asks on the chain, with the payment in escrow. */
export async function ask(
  context: OtrContext,
  parameters: AskParameters,
): Promise<{ requestHash: Hex; hash: Hash; blockNumber: bigint }> {
  const { request, input, finality, callbackGas = 0, payment, id } = parameters;
  const args = [request, input, FINALITIES.indexOf(finality), callbackGas] as const;
  const options = { value: payment, ...(id === undefined ? {} : { id }) };
  const mined = await write(context, "requests", "request", args, options);
  const { requestHash } = eventOf(mined, "requests", "Requested");
  return { requestHash, hash: mined.transactionHash, blockNumber: mined.blockNumber };
}
