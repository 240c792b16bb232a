import type { Hash } from "viem";
import type { Request } from "../../commit/typed-data.ts";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { type OtrContext, write } from "../context.ts";

/** The answer to a request on the chain. */
export interface DeliverAnswerParameters {
  readonly request: Request;
  readonly committed: CommittedReceipt;
  /** The answer's tokens. */
  readonly output: readonly number[];
  readonly id?: string;
}

/** Delivers a committed answer. Anyone may; its executor is paid once it is final. */
export async function deliverAnswer(context: OtrContext, parameters: DeliverAnswerParameters): Promise<Hash> {
  const { request, committed, output, id } = parameters;
  const args = [request, committedArgument(committed), output] as const;
  return (await write(context, "requests", "deliver", args, id === undefined ? {} : { id })).transactionHash;
}
