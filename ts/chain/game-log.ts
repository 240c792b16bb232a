import { type Abi, encodeEventTopics, type Hex, pad, parseEventLogs, toHex } from "viem";
import { getBlockNumber } from "viem/actions";
import { type GamePhase, type GameReveal, type GameView, UNKNOWN_STEP } from "../dispute/view.ts";
import { ABIS } from "./abis.ts";
import { type EventArgs, type OtrContext, read } from "./context.ts";
import { GameLogError } from "./errors.ts";
import { type ContractPhase, type GameKey, type GameState, getGame, type Subject, turnOf } from "./game-state.ts";
import { type GameEvent, GameWalk } from "./game-walk.ts";
import { rangedLogs } from "./ranged-logs.ts";

/** Everything public about one game as of one block: storage and events. */
export interface GameLog {
  readonly key: GameKey;
  readonly subject: Subject;
  readonly receiptHash: Hex;
  readonly state: GameState;
  /** Events in order, `GameOpened` first. */
  readonly events: readonly GameEvent[];
  /** Reveals of the walk down the trace that found this game's step; none if the step was known. */
  readonly walk: readonly GameReveal[];
  /** Leaves of the trees: steps, rows, cached rows of a step. */
  readonly leaves: GameView["leaves"];
}

/** Reads one game. @param fromBlock Block in which it was opened (or the walk that led to it), or any before. */
export async function loadGame(context: OtrContext, key: GameKey, fromBlock: bigint): Promise<GameLog> {
  // Logs and storage of the same block: a move that comes in between belongs to neither.
  const toBlock = await getBlockNumber(context.client, { cacheTime: 0 });
  const [state, events] = await Promise.all([
    getGame(context, key, toBlock),
    gameEvents(context, key, fromBlock, toBlock),
  ]);
  const opened = openingOf(key, events);
  const { instructions, cacheRows } = await read(context, "models", "dimensionsOf", [opened.subject.receipt.modelId]);
  const { nIn, nOut } = opened.subject.receipt;
  const leaves = { trace: nIn + nOut - 1, fine: instructions, cache: cacheRows };
  const walk = await walkBefore(context, key, { fromBlock, toBlock, leaves });
  return { key, ...opened, state, events, walk, leaves };
}

/** What a game's first event says. */
export function openingOf({ gameId }: GameKey, events: readonly GameEvent[]): Pick<GameLog, "subject" | "receiptHash"> {
  const opened = events.find((event) => event.eventName === "GameOpened");
  if (opened === undefined) throw new GameLogError(gameId, "its opening is not among the logs");
  const { receiptHash, receipt, batchId, step, record, challenger, bond, openedAt } = opened.args as EventArgs<
    "game",
    "GameOpened"
  >;
  return { receiptHash, subject: { receipt, batchId, step, record, challenger, bond, openedAt } };
}

/** The game that a walk down the trace went on as, once it has found its step. */
export function nextOf(events: readonly GameEvent[]): bigint | undefined {
  const chosen = events.find((event) => event.eventName === "StepChosen");
  return chosen?.args.next as bigint | undefined;
}

/** All events of one game up to a block. */
async function gameEvents(context: OtrContext, key: GameKey, fromBlock: bigint, toBlock: bigint): Promise<GameEvent[]> {
  return eventsOf(context, key, [null, pad(toHex(key.gameId), { size: 32 })], { fromBlock, toBlock });
}

async function eventsOf(
  context: OtrContext,
  { address }: GameKey,
  topics: (Hex | null)[],
  range: { fromBlock: bigint; toBlock: bigint },
): Promise<GameEvent[]> {
  const logs = await rangedLogs(context.client, { address, topics, ...range });
  return parseEventLogs({ abi: ABIS.game as Abi, logs: logs as never }) as unknown as GameEvent[];
}

/** Reveals of the walk that went on as this game. */
async function walkBefore(
  context: OtrContext,
  key: GameKey,
  { leaves, ...range }: { fromBlock: bigint; toBlock: bigint; leaves: GameView["leaves"] },
): Promise<readonly GameReveal[]> {
  const topics = encodeEventTopics({ abi: ABIS.game, eventName: "StepChosen", args: { next: key.gameId } });
  const [chosen] = await eventsOf(context, key, topics as (Hex | null)[], range);
  if (chosen === undefined) return [];
  const gameId = chosen.args.gameId as bigint;
  const walk = new GameWalk(gameId, UNKNOWN_STEP, leaves);
  for (const event of await gameEvents(context, { ...key, gameId }, range.fromBlock, range.toBlock)) walk.apply(event);
  return walk.state().reveals;
}

const PHASE_OF: Readonly<Record<ContractPhase, GamePhase>> = {
  None: "over",
  TraceReveal: "revealTrace",
  Trace: "choose",
  TraceNodesReveal: "reveal",
  FinePost: "postFine",
  Fine: "choose",
  FineReveal: "reveal",
  RowReveal: "revealRow",
  RowNodes: "choose",
  RowNodesReveal: "reveal",
  Chunks: "settle",
  AccumulatorsPost: "postAccumulators",
  Blocks: "settleBlock",
  CacheReveal: "revealCache",
  Cache: "choose",
  CacheNodesReveal: "reveal",
  Proven: "conclude",
  Won: "over",
  Lost: "over",
  Moot: "over",
  Paid: "over",
};

/**
 * The game as strategies see it (ts/dispute/view.ts), from its events. Pure.
 *
 * @throws GameLogError if they do not end where the contract's storage says: then the node's log index lags behind its state.
 */
export function gameView(log: Omit<GameLog, "state"> & { readonly state?: GameState }): GameView {
  const { subject, state, key, leaves } = log;
  const walk = new GameWalk(key.gameId, subject.step, leaves, log.walk);
  for (const event of log.events) walk.apply(event);
  const { phase, ...rest } = walk.state();
  if (state !== undefined && state.phase !== phase)
    throw new GameLogError(key.gameId, `events end in phase ${phase}, storage is in phase ${state.phase}`);
  return {
    id: key.gameId,
    batchId: subject.batchId,
    receiptHash: log.receiptHash,
    receipt: subject.receipt,
    challenger: subject.challenger,
    deadline: state?.deadline ?? 0n,
    phase: PHASE_OF[phase],
    turn: turnOf(phase),
    step: subject.step,
    leaves,
    ...rest,
  };
}
