import { type Address, encodeEventTopics, type Hex, parseEventLogs } from "viem";
import { call as ethCall, getBlockNumber } from "viem/actions";
import { toHex } from "../../commit/bytes.ts";
import type { TraceRecord } from "../../commit/record.ts";
import { RECORD_BYTES, recordWire } from "../../commit/record-wire.ts";
import type { Receipt, Request } from "../../commit/typed-data.ts";
import { ABIS } from "../abis.ts";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { callOf, type OtrContext } from "../context.ts";
import { ContractRevertError, PartSizeError } from "../errors.ts";
import { concatNodes } from "../nodes.ts";
import { rangedLogs } from "../ranged-logs.ts";
import { decodeRevert } from "../revert.ts";
import type { Call } from "../sender.ts";
import type { AnswerDemandParameters } from "./demand.ts";

/**
 * Bytes of call data up to which a call goes into one transaction. Pools of most nodes refuse transactions beyond 128 KiB, some chains
 * those beyond 95,000 bytes. Gas is no further limit: what courts do with so many bytes costs less than 5 million.
 */
const CALL_BYTES = 90_000;

/** Whether nodes take a call in one transaction. */
export function fitsOneTransaction({ data }: Pick<Call, "data">): boolean {
  return (data.length - 2) / 2 <= CALL_BYTES;
}

/** One part of a prompt, of an output: the call that brings it to its court. */
export interface PartCall {
  readonly part: number;
  readonly call: Call;
}

/** A long prompt that its executor has to show. */
export interface PromptPartsParameters {
  readonly availability: Address;
  readonly request: Request;
  readonly input: readonly number[];
}

/** The calls that post a prompt in parts. How long parts are the court says itself. */
export async function promptParts(context: OtrContext, parameters: PromptPartsParameters): Promise<PartCall[]> {
  const { availability, request, input } = parameters;
  const post = (part: number, tokens: readonly number[]) =>
    callOf(availability, "availability", "postPart", [request, BigInt(part), tokens]);
  const size = await expectedOf(context, post(0, []), "TokenCount");
  return partsOf(input.length, size, (part, from, to) => post(part, input.slice(from, to)));
}

/** Parts of a prompt that an account has posted since a block. */
export function postedParts(
  context: OtrContext,
  { availability, ...args }: { availability: Address; requestHash: Hex; by: Address },
  fromBlock: bigint,
): Promise<ReadonlySet<number>> {
  const topics = encodeEventTopics({ abi: ABIS.availability, eventName: "PartPosted", args }) as Hex[];
  return partsInLogs(context, availability, topics, fromBlock);
}

/** The call that answers a demand once its sender has posted all parts of the prompt. */
export function answerOfPartsCall(parameters: Omit<AnswerDemandParameters, "input">): Call {
  const { availability, committed, request } = parameters;
  return callOf(availability, "availability", "answerOfParts", [committedArgument(committed), request]);
}

/** A long output whose root is not over the tokens of its records. */
export interface OutputPartsParameters {
  readonly frauds: Address;
  readonly receipt: Receipt;
  readonly request: Request;
  /** The request's seed, or what a confidential request's seed commits to. */
  readonly secret: Hex;
}

/** Outputs in each part but the last of a receipt's output. */
export async function outputPartSize(context: OtrContext, parameters: OutputPartsParameters): Promise<number> {
  const call = outputPart(parameters, 0, [], []);
  return (await expectedOf(context, call, "RecordBytes")) / RECORD_BYTES;
}

/**
 * The calls that note an output in parts.
 *
 * @param records The records that emit the output tokens.
 * @param opening Siblings under `traceRoot` of the records of the output tokens from `first` to `last`.
 */
export function outputParts(
  parameters: OutputPartsParameters,
  size: number,
  records: readonly TraceRecord[],
  opening: (first: number, last: number) => readonly Hex[],
): PartCall[] {
  return partsOf(records.length, size, (part, from, to) =>
    outputPart(parameters, part, records.slice(from, to), opening(from, to - 1)),
  );
}

/** Parts of a receipt's output that anybody has noted since a block. */
export function notedParts(
  context: OtrContext,
  { frauds, receiptHash }: { frauds: Address; receiptHash: Hex },
  fromBlock: bigint,
): Promise<ReadonlySet<number>> {
  const args = { receiptHash };
  const topics = encodeEventTopics({ abi: ABIS.frauds, eventName: "OutputPartNoted", args }) as Hex[];
  return partsInLogs(context, frauds, topics, fromBlock);
}

/** The call that proves a wrong output root once all parts of the output are noted. */
export function outputOfPartsProof(parameters: { frauds: Address; committed: CommittedReceipt }): Call {
  const { frauds, committed } = parameters;
  return callOf(frauds, "frauds", "proveOutputOfParts", [committedArgument(committed)]);
}

function outputPart(
  { frauds, receipt, request, secret }: OutputPartsParameters,
  part: number,
  records: readonly TraceRecord[],
  siblings: readonly Hex[],
): Call {
  const opened = [secret, BigInt(part), toHex(recordWire(records)), concatNodes(siblings)] as const;
  return callOf(frauds, "frauds", "noteOutputPart", [receipt, request, ...opened]);
}

function partsOf(count: number, size: number, call: (part: number, from: number, to: number) => Call): PartCall[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, part) => ({
    part,
    call: call(part, part * size, Math.min(count, (part + 1) * size)),
  }));
}

/** What a court expects in place of nothing: its refusal begins with that. */
async function expectedOf(context: OtrContext, { to, data, name, abi }: Call, errorName: string): Promise<number> {
  const refusal = await ethCall(context.client, { to, data }).then(
    () => undefined,
    (error: unknown) => decodeRevert(error, { name, abi }),
  );
  if (!(refusal instanceof ContractRevertError) || refusal.errorName !== errorName)
    throw new PartSizeError(name, refusal);
  return Number(refusal.errorArgs[0]);
}

async function partsInLogs({ client }: OtrContext, address: Address, topics: readonly Hex[], fromBlock: bigint) {
  const toBlock = await getBlockNumber(client, { cacheTime: 0 });
  const logs = (await rangedLogs(client, { address, topics, fromBlock, toBlock })) as never[];
  const abi = [...ABIS.availability, ...ABIS.frauds];
  const events = parseEventLogs({ abi, logs, eventName: ["PartPosted", "OutputPartNoted"] });
  return new Set(events.map(({ args }) => Number(args.part)));
}
