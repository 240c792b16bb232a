import { type Address, type Hex, zeroHash } from "viem";
import type { Receipt, Request } from "../../commit/typed-data.ts";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { callOf, type OtrContext, read } from "../context.ts";
import { NoSenderError } from "../errors.ts";
import type { Call } from "../sender.ts";

/** Where the draw of a strip stands, in the order of the contract's codes. */
export const STRIP_STATES = ["unknown", "empty", "drawn", "posted", "proven", "answered"] as const;
export type StripState = (typeof STRIP_STATES)[number];

/** What a court of draws is fixed to. Durations in seconds. */
export interface DrawTerms {
  readonly court: Address;
  readonly randomness: Address;
  readonly verifier: Address;
  /** One receipt of each strip of so many is drawn. */
  readonly stride: number;
  /** Pairs that are drawn of its step. */
  readonly pairs: number;
  /** Blocks that are drawn of a long fold. */
  readonly blocks: number;
  readonly turnDuration: bigint;
  /** From when a round is due until nobody's having delivered it counts as a missed draw. */
  readonly roundTimeout: bigint;
}

/** A court's terms: they never change. */
export async function getDrawTerms(context: OtrContext, court: Address): Promise<DrawTerms> {
  const at = { address: court };
  const [randomness, verifier, stride, pairs, turnDuration, roundTimeout] = await Promise.all([
    read(context, "spotChecks", "RANDOMNESS", [], at),
    read(context, "spotChecks", "VERIFIER", [], at),
    read(context, "spotChecks", "STRIDE", [], at),
    read(context, "spotChecks", "PAIRS", [], at),
    read(context, "spotChecks", "TURN_DURATION", [], at),
    read(context, "spotChecks", "ROUND_TIMEOUT", [], at),
  ]);
  const blocks = await read(context, "elementVerifier", "BLOCKS", [], { address: verifier });
  const numbers = { stride: Number(stride), pairs: Number(pairs), blocks: Number(blocks) };
  const durations = { turnDuration: BigInt(turnDuration), roundTimeout: BigInt(roundTimeout) };
  return { court, randomness, verifier, ...numbers, ...durations };
}

/** The draws of a batch. */
export interface BatchDraws {
  /** Round that draws receipts and steps. */
  readonly round: bigint;
  /** Strips with a receipt to answer for; 0 while the round is unknown. */
  readonly drawn: number;
  readonly answered: number;
  /** Whether nothing waits for a draw or an answer any more. */
  readonly settled: boolean;
}

/** The last moment of `Timestamp`: a batch that is not settled. */
const NEVER = 2 ** 40 - 1;

/** Where the draws of a batch stand. */
export async function getBatchDraws(context: OtrContext, court: Address, batchId: bigint): Promise<BatchDraws> {
  const at = { address: court };
  const [[round, drawn, answered], settledAt] = await Promise.all([
    read(context, "spotChecks", "drawsOf", [batchId], at),
    read(context, "spotChecks", "settledAt", [batchId], at),
  ]);
  return { round, drawn: Number(drawn), answered: Number(answered), settled: settledAt !== NEVER };
}

/** The draw of one strip. */
export interface StripDraw {
  readonly state: StripState;
  /** Place in the batch of the receipt that is drawn, from state `drawn` on. */
  readonly index: number;
  /** The claim that answers it, in the states `posted` and `proven`. */
  readonly claimId: Hex;
  /** When what it waits for is due, in seconds since 1970. */
  readonly deadline: bigint;
}

export async function getStrip(
  context: OtrContext,
  court: Address,
  batchId: bigint,
  strip: number,
): Promise<StripDraw> {
  const at = { address: court };
  const [state, index, claimId, deadline] = await read(context, "spotChecks", "stripOf", [batchId, BigInt(strip)], at);
  return { state: STRIP_STATES[state]!, index: Number(index), claimId, deadline: BigInt(deadline) };
}

/** The round that the proofs of a claim wait for now: it draws the pairs, or the blocks once folds are posted. */
export async function getProofsRound(context: OtrContext, court: Address, claimId: Hex): Promise<bigint> {
  const at = { address: court };
  const { postedAt, foldsPostedAt } = await read(context, "spotChecks", "claimOf", [claimId], at);
  return read(context, "spotChecks", "roundOf", [Math.max(postedAt, foldsPostedAt)], at);
}

/** A claim about the step that a round drew of a receipt. */
export interface StepClaim {
  readonly id: Hex;
  readonly stepRoot: bigint;
  /** Rounds that draw its pairs, and blocks of its long folds; undefined before these were posted. */
  readonly pairsRound: bigint;
  readonly blocksRound: bigint | undefined;
  readonly isProven: (pair: number) => boolean;
}

/** The claim about a receipt's step by the round that drew it; undefined if it was not posted. */
export async function getStepClaim(
  context: OtrContext,
  court: Address,
  receiptHash: Hex,
  round: bigint,
): Promise<StepClaim | undefined> {
  const at = { address: court };
  const id = await read(context, "spotChecks", "claimIdOf", [receiptHash, round], at);
  const { stepRoot, postedAt, foldsPostedAt, proven } = await read(context, "spotChecks", "claimOf", [id], at);
  if (postedAt === 0) return undefined;
  const roundOf = (time: number) => read(context, "spotChecks", "roundOf", [time], at);
  return {
    id,
    stepRoot,
    pairsRound: await roundOf(postedAt),
    blocksRound: foldsPostedAt === 0 ? undefined : await roundOf(foldsPostedAt),
    isProven: (pair) => ((proven >> pair) & 1) === 1,
  };
}

/** Root of the states of a pair; undefined if none was posted. */
export async function getStatesRoot(context: OtrContext, court: Address, claimId: Hex, pair: number) {
  const root = await read(context, "spotChecks", "statesRootOf", [claimId, BigInt(pair)], { address: court });
  return root === zeroHash ? undefined : root;
}

/** Posts the root of a drawn step. */
export function postStepCall(court: Address, committed: CommittedReceipt, stepRoot: bigint): Call {
  return callOf(court, "spotChecks", "postStep", [committedArgument(committed), stepRoot]);
}

/** Has a drawn receipt answered by an earlier claim about it. */
export function linkCall(court: Address, committed: CommittedReceipt, round: bigint): Call {
  return callOf(court, "spotChecks", "link", [committedArgument(committed), round]);
}

/** Counts a strip whose receipt is confidential. */
export function exemptCall(court: Address, committed: CommittedReceipt, request: Request): Call {
  return callOf(court, "spotChecks", "exempt", [committedArgument(committed), request]);
}

/** Which claim something is posted for. */
interface ClaimArguments {
  readonly court: Address;
  readonly receipt: Receipt;
  readonly round: bigint;
}

/** Posts the roots of the states of long folds, by pair. */
export function postFoldsCall({ court, receipt, round }: ClaimArguments, roots: ReadonlyMap<number, Hex>): Call {
  const pairs = [...roots.keys()].map(BigInt);
  return callOf(court, "spotChecks", "postFolds", [receipt, round, pairs, [...roots.values()]]);
}

/** A proven pair: its number, its opening and the proofs of all of its claims. */
export interface ProvenPair {
  readonly pair: number;
  readonly opening: Hex;
  /** 256 bytes each. */
  readonly proofs: Hex;
}

/** Pairs of a claim with all that proves them. */
export interface ProvenClaim {
  readonly receipt: Receipt;
  /** Round that drew the receipt's step. */
  readonly round: bigint;
  readonly proven: readonly ProvenPair[];
}

/** Proves pairs of claims, all of them or none. Anyone may send it. */
export function provePairsCall(court: Address, claims: readonly ProvenClaim[]): Call {
  const all = claims.flatMap(({ proven }) => proven);
  const claimed = claims.map(({ receipt, round, proven }) => ({
    ...{ receipt, round },
    pairs: proven.map(({ pair }) => BigInt(pair)),
  }));
  const proofs: Hex = `0x${all.map((each) => each.proofs.slice(2)).join("")}`;
  const openings = all.map(({ opening }) => opening);
  return callOf(court, "spotChecks", "provePairs", [claimed, openings, proofs]);
}

/** Counts a strip that another strip's claim answers. */
export function countCall(court: Address, batchId: bigint, strip: number): Call {
  return callOf(court, "spotChecks", "count", [batchId, BigInt(strip)]);
}

/** Convicts the executor of a batch of which a strip was not answered in time. */
export function missedCall(court: Address, batchId: bigint, strip: number): Call {
  return callOf(court, "spotChecks", "missed", [batchId, BigInt(strip)]);
}

/** Repays the gas of `missedCall` to whoever sent it, after the air gap. Anyone may send it. */
export function repayMissedCall(court: Address, batchId: bigint): Call {
  return callOf(court, "spotChecks", "payOut", [batchId]);
}

/** Sends it. @param id Names the deed for senders that remember. */
export async function repayMissed({ sender }: OtrContext, court: Address, batchId: bigint, id?: string): Promise<void> {
  const call = repayMissedCall(court, batchId);
  if (sender === undefined) throw new NoSenderError(call.name);
  await sender.send(call, id === undefined ? {} : { id });
}
