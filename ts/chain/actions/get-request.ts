import type { Address, Hex } from "viem";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { type OtrContext, read } from "../context.ts";
import { FINALITIES, type Finality, REQUEST_STATES, type RequestState } from "../request-state.ts";

/** What the chain keeps of a request. Times in seconds, amounts in wei. */
export interface OnChainRequest {
  readonly requester: Address;
  readonly payment: bigint;
  readonly deadline: bigint;
  readonly callbackGas: number;
  /** Delivered answers that are not settled. */
  readonly candidates: number;
  readonly round: number;
  readonly finality: Finality;
  readonly state: RequestState;
}

/** A request on the chain; its state is `none` if it is unknown. */
export async function getRequest(
  context: OtrContext,
  requestHash: Hex,
  options: { blockNumber?: bigint } = {},
): Promise<OnChainRequest> {
  const info = await read(context, "requests", "requestOf", [requestHash], options);
  return {
    ...info,
    deadline: BigInt(info.deadline),
    finality: FINALITIES[info.finality]!,
    state: REQUEST_STATES[info.state]!,
  };
}

/** The answer that is shown, or final; no tokens in other states. */
export async function getAnswer(
  context: OtrContext,
  requestHash: Hex,
): Promise<{ state: RequestState; round: number; output: readonly number[] }> {
  const [state, round, output] = await read(context, "requests", "answerOf", [requestHash]);
  return { state: REQUEST_STATES[state]!, round, output };
}

/** Whether this answer was delivered and has not been dropped. */
export function isDelivered(
  context: OtrContext,
  parameters: { readonly requestHash: Hex; readonly committed: CommittedReceipt },
): Promise<boolean> {
  const { requestHash, committed } = parameters;
  return read(context, "requests", "isCandidate", [requestHash, committedArgument(committed)]);
}
