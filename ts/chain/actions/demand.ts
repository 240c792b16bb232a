import type { Address, Hex, TransactionReceipt } from "viem";
import type { Request } from "../../commit/typed-data.ts";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { callOf, eventOf, type OtrContext, read, write } from "../context.ts";
import type { Call } from "../sender.ts";
import type { RulesState } from "./rules.ts";

/** Where demands stand, in the order of the contract's codes. */
export const DEMAND_STATES = ["none", "open", "answered", "unanswered", "moot", "paid"] as const;
export type DemandState = (typeof DEMAND_STATES)[number];

/** Which demand: its court, and the leaf. */
export interface DemandKey {
  /** `availability` of the batch's rules. */
  readonly availability: Address;
  readonly batchId: bigint;
  readonly index: number;
}

/** A demand on the chain. Times in seconds since 1970, the bond in wei. */
export interface DemandInfo {
  readonly state: DemandState;
  readonly demander: Address;
  readonly openedAt: bigint;
  /** Until when it can be answered; once it is over, when it ended. */
  readonly deadline: bigint;
  readonly bond: bigint;
}

/** A demand; state `none` if there is none. */
export async function getDemand(context: OtrContext, key: DemandKey): Promise<DemandInfo> {
  const address = key.availability;
  const demand = await read(context, "availability", "demandOf", [key.batchId, BigInt(key.index)], { address });
  const { demander, openedAt, deadline, state, bond } = demand;
  return { state: DEMAND_STATES[state], demander, openedAt: BigInt(openedAt), deadline: BigInt(deadline), bond };
}

/** Tokens of the longest prompt that executors answer under rules with this court; confidential prompts are never posted. */
export async function getPromptLimit(context: OtrContext, availability: Address): Promise<number> {
  return Number(await read(context, "availability", "PROMPT_LIMIT", [], { address: availability }));
}

/** Which leaf's data is demanded. */
export interface DemandDataParameters {
  /** Rules of the batch: `getRules`. They name court and bond. */
  readonly rules: Pick<RulesState, "availability" | "demandBond">;
  readonly batchId: bigint;
  readonly index: number;
  readonly id?: string;
}

/** Demands the data of a leaf and puts up the bond. @returns Until when the executor has time, in seconds since 1970. */
export async function demandData(
  context: OtrContext,
  parameters: DemandDataParameters,
): Promise<{ deadline: bigint; hash: Hex; blockNumber: bigint }> {
  const { rules, batchId, index, id } = parameters;
  const options = { address: rules.availability, value: rules.demandBond, ...(id === undefined ? {} : { id }) };
  const mined = await write(context, "availability", "demand", [batchId, BigInt(index)], options);
  const { deadline } = eventOf(mined, "availability", "Demanded");
  return { deadline: BigInt(deadline), hash: mined.transactionHash, blockNumber: mined.blockNumber };
}

/** What an answer posts. */
export interface AnswerDemandParameters {
  readonly availability: Address;
  readonly committed: CommittedReceipt;
  readonly request: Request;
  /** The prompt's tokens; none if the request is confidential. */
  readonly input: readonly number[];
}

/** The call that answers a demand. */
export function answerCall({ availability, committed, request, input }: AnswerDemandParameters): Call {
  return callOf(availability, "availability", "answer", [committedArgument(committed), request, input]);
}

/** Posts receipt, request and prompt of a demanded leaf. */
export function answerDemand(
  context: OtrContext,
  parameters: AnswerDemandParameters & { readonly id?: string },
): Promise<TransactionReceipt> {
  const { availability: address, committed, request, input, id } = parameters;
  const options = { address, ...(id === undefined ? {} : { id }) };
  return write(context, "availability", "answer", [committedArgument(committed), request, input], options);
}

/** How a demand is ended or paid. */
export type SettleDemandParameters = DemandKey & { readonly id?: string };

/** Ends a demand that was not answered in time: convicts the executor. */
export function timeoutDemand(context: OtrContext, parameters: SettleDemandParameters): Promise<TransactionReceipt> {
  return settle(context, "timeout", parameters);
}

/** Ends a demand whose executor was convicted elsewhere. */
export function closeDemand(context: OtrContext, parameters: SettleDemandParameters): Promise<TransactionReceipt> {
  return settle(context, "close", parameters);
}

/** Pays an ended demand after the air gap. */
export function payOutDemand(context: OtrContext, parameters: SettleDemandParameters): Promise<TransactionReceipt> {
  return settle(context, "payOut", parameters);
}

function settle(
  context: OtrContext,
  move: "timeout" | "close" | "payOut",
  { availability: address, batchId, index, id }: SettleDemandParameters,
): Promise<TransactionReceipt> {
  const options = { address, ...(id === undefined ? {} : { id }) };
  return write(context, "availability", move, [batchId, BigInt(index)], options);
}
