import { createHash } from "node:crypto";
import { type Abi, type Hex, pad, parseEventLogs, toHex } from "viem";
import { getBlockNumber } from "viem/actions";
import { fromHex, toHex as hexOf } from "../commit/bytes.ts";
import { recordLeaf, type TraceRecord } from "../commit/record.ts";
import { CHUNK, chunkCount } from "../commit/row.ts";
import { depth } from "../commit/tree.ts";
import { type GamePhase, type GameReveal, type GameTree, type GameView, REVEAL_LEVELS } from "../dispute/view.ts";
import { ABIS } from "./abis.ts";
import { type EventArgs, type OtrContext, read } from "./context.ts";
import { GameLogError } from "./errors.ts";
import { type ContractPhase, type GameKey, type GameState, getGame, type Subject } from "./game-state.ts";
import { rangedLogs } from "./ranged-logs.ts";

/** One event of a game, decoded. */
export type GameEvent = { readonly eventName: string; readonly args: Readonly<Record<string, unknown>> };

/** Everything public about one game as of one block: storage and events. */
export interface GameLog {
  readonly key: GameKey;
  readonly subject: Subject;
  readonly receiptHash: Hex;
  readonly state: GameState;
  /** Events in order, `GameOpened` first. */
  readonly events: readonly GameEvent[];
  /** Leaves of the fine tree and of a cache tree. */
  readonly rows: number;
  readonly cacheRows: number;
  /** 128 bytes of the chosen row's instruction. */
  readonly instruction: Hex | undefined;
}

/** Reads one game. @param fromBlock Block in which it was opened, or any before. */
export async function loadGame(context: OtrContext, key: GameKey, fromBlock: bigint): Promise<GameLog> {
  // Logs and storage of the same block: a move that comes in between belongs to neither.
  const blockNumber = await getBlockNumber(context.client, { cacheTime: 0 });
  const [state, events] = await Promise.all([
    getGame(context, key, blockNumber),
    gameEvents(context, key, fromBlock, blockNumber),
  ]);
  const opened = events.find((event) => event.eventName === "GameOpened");
  if (opened === undefined) throw new GameLogError(key.gameId, `no opening from block ${fromBlock} on`);
  const { receiptHash, receipt, batchId, step, record, challenger, bond } = opened.args as EventArgs<
    "game",
    "GameOpened"
  >;
  const subject: Subject = { receipt, batchId, step, record, challenger, bond };
  const { instructions, cacheRows } = await read(context, "models", "dimensionsOf", [subject.receipt.modelId]);
  const chosen = events.find((event) => event.eventName === "RowChosen");
  const instruction = chosen?.args.instruction as Hex | undefined;
  return { key, subject, receiptHash, state, events, rows: instructions, cacheRows, instruction };
}

/** All events of one game up to a block. */
async function gameEvents(context: OtrContext, key: GameKey, from: bigint, to: bigint): Promise<GameEvent[]> {
  const topics = [null, pad(toHex(key.gameId), { size: 32 })];
  const logs = await rangedLogs(context.client, { address: key.address, topics, fromBlock: from, toBlock: to });
  return parseEventLogs({ abi: ABIS.game as Abi, logs: logs as never }) as unknown as GameEvent[];
}

const PHASE_OF: Readonly<Record<ContractPhase, GamePhase>> = {
  None: "over",
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
  Over: "over",
};

/**
 * The game as strategies see it (ts/dispute/view.ts). Pure.
 *
 * @param record The disputed record in plain: the chain knows only its leaf.
 * @throws GameLogError if the record is another one, or events are missing.
 */
export function gameView(log: GameLog, record: TraceRecord): GameView {
  const { subject, state, key } = log;
  if (hexOf(recordLeaf(record)) !== subject.record)
    throw new GameLogError(key.gameId, "the record given is not its subject");
  const walk = new Walk(log);
  for (const event of log.events) walk.apply(event);
  walk.check(state);
  const view: Omit<GameView, keyof WalkState> = {
    id: key.gameId,
    batchId: subject.batchId,
    receiptHash: log.receiptHash,
    receipt: subject.receipt,
    challenger: subject.challenger,
    deadline: state.deadline,
    phase: PHASE_OF[state.phase],
    turn: state.turn,
    step: subject.step,
    record: { salt: hexOf(record.salt), token: record.token, cacheRoot: hexOf(record.cacheRoot) },
  };
  return { ...view, ...walk.state() };
}

type WalkState = Pick<
  GameView,
  "reveals" | "tree" | "level" | "index" | "chosen" | "row" | "chunks" | "element" | "part" | "accumulators"
>;

/** What the events of a game add up to. */
class Walk {
  readonly #log: GameLog;
  readonly #reveals: GameReveal[] = [];
  #tree: GameTree = "fine";
  #level: number;
  #index = 0;
  #chosen: number | undefined;
  #row: number | undefined;
  #chunks: GameView["chunks"];
  #element: GameView["element"];
  #part: number | undefined;
  #accumulators: Hex | undefined;

  constructor(log: GameLog) {
    this.#log = log;
    this.#level = depth(log.rows);
  }

  apply({ eventName, args }: GameEvent): void {
    switch (eventName) {
      case "FinePosted":
        this.#show("fine", depth(this.#log.rows), 0, args.nodes as Hex[]);
        return;
      case "ChildChosen": {
        const last = this.#reveals.at(-1);
        if (last === undefined) throw new GameLogError(this.#log.key.gameId, "a choice before anything was shown");
        this.#chosen = last.index * 2 ** last.levels + Number(args.child);
        return;
      }
      case "NodesRevealed":
        this.#show(this.#tree, this.#level - REVEAL_LEVELS, this.#chosen ?? 0, args.nodes as Hex[]);
        return;
      case "RowChosen":
        this.#row = Number(args.row);
        return;
      case "RowRevealed": {
        const top = depth(this.#rowChunks());
        if ((args.nodes as Hex[]).length > 0) this.#show("row", top, 0, args.nodes as Hex[]);
        else this.#showChunks(top, 0, args.chunks as Hex);
        return;
      }
      case "ChunksRevealed":
        this.#showChunks(this.#level - REVEAL_LEVELS, this.#chosen ?? 0, args.chunks as Hex);
        return;
      case "ElementChosen":
        this.#element = { index: Number(args.element), claimed: args.value as bigint };
        return;
      case "AccumulatorsPosted":
        this.#accumulators = args.accumulators as Hex;
        return;
      case "PartChosen":
        this.#part = Number(args.part);
        return;
      case "CacheChosen":
        [this.#tree, this.#level, this.#index] = ["cache", depth(this.#log.cacheRows), 0];
        return;
      case "CacheRevealed":
        this.#show("cache", depth(this.#log.cacheRows), 0, args.nodes as Hex[]);
        return;
    }
  }

  /** The walk must end where the contract's storage says: else the node's log index lags behind its state. */
  check(state: GameState): void {
    const walking = ["Fine", "FineReveal", "RowNodes", "RowNodesReveal", "Cache", "CacheNodesReveal", "Chunks"];
    if (!walking.includes(state.phase)) return;
    const chosen = state.turn === "executor";
    const [level, index] = chosen ? [this.#level - REVEAL_LEVELS, this.#chosen] : [this.#level, this.#index];
    if (level !== state.level || index !== state.index)
      throw new GameLogError(
        this.#log.key.gameId,
        `events end at level ${level}, index ${index}; storage is at level ${state.level}, index ${state.index}`,
      );
  }

  state(): WalkState {
    return {
      reveals: this.#reveals,
      tree: this.#tree,
      level: this.#level,
      index: this.#index,
      chosen: this.#chosen,
      row: this.#row,
      chunks: this.#chunks,
      element: this.#element,
      part: this.#part,
      accumulators: this.#accumulators,
    };
  }

  #show(
    tree: GameTree,
    level: number,
    index: number,
    nodes: readonly Hex[],
    levels = Math.min(REVEAL_LEVELS, level),
  ): void {
    [this.#tree, this.#level, this.#index, this.#chosen] = [tree, level, index, undefined];
    this.#reveals.push({ tree, level, index, levels, nodes });
  }

  #showChunks(level: number, index: number, chunks: Hex): void {
    this.#show("row", level, index, chunkHashes(chunks), level);
    this.#chunks = { first: index * 2 ** level, bytes: chunks };
  }

  #rowChunks(): number {
    const { rowLength, rowType } = this.#log.state;
    return chunkCount(rowLength * 2 ** rowType);
  }
}

function chunkHashes(chunks: Hex): Hex[] {
  const bytes = fromHex(chunks);
  const hashes: Hex[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK)
    hashes.push(
      hexOf(
        createHash("sha256")
          .update(bytes.subarray(at, at + CHUNK))
          .digest(),
      ),
    );
  return hashes;
}
