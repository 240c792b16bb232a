import type { Hex } from "../commit/bytes.ts";
import type { Receipt } from "../commit/typed-data.ts";

/** Levels that one move shows below a tree's top or a chosen node, and that a choice descends at least. */
export const REVEAL_LEVELS = 4;

/** Below a node that was chosen at this level, or a lower one, its leaves are shown. */
const LAST_LEVELS = 6;

/** Levels that a move shows below a node chosen at `level`. */
export function levelsBelowChosen(level: number): number {
  return level <= LAST_LEVELS ? level : REVEAL_LEVELS;
}

/** Levels that a move shows below the top of a tree of this depth. */
export function levelsBelowTop(depth: number): number {
  return Math.min(REVEAL_LEVELS, depth);
}

/** Step of a game that walks the trace to find it. */
export const UNKNOWN_STEP = 0xffffffff;

/** Which tree the current node belongs to. */
export type GameTree = "trace" | "fine" | "cache" | "row";

/** What the next move must be; `turn` says whose it is. */
export type GamePhase =
  /** Executor: show the top of the trace. */
  | "revealTrace"
  /** Executor: show the record in plain and post the top of the fine tree. */
  | "postFine"
  /** Challenger: pick a node below the current one (in the trace also a step, in the fine tree a row; or settle). */
  | "choose"
  /** Anyone, at the latest the executor: prove the chosen node and show its descendants. */
  | "reveal"
  /** Executor: the chosen row's tree. */
  | "revealRow"
  /** Executor: the record's cache tree. */
  | "revealCache"
  /** Challenger: `chunks` are known; settle an element, or fix it for a long fold. */
  | "settle"
  /** Executor: accumulators of the fixed element (of part `part`, when that is set). */
  | "postAccumulators"
  /** Challenger: pick the first wrong accumulator. */
  | "settleBlock"
  /** The lie is proven. Challenger (in fact anyone): have the executor convicted. */
  | "conclude"
  /** Nobody: decided, or gone on as another game. */
  | "over";

/** A record in plain, as on the wire. */
export interface PlainRecord {
  readonly salt: Hex;
  readonly token: number;
  readonly cacheRoot: Hex;
}

/** A place in a tree. */
export interface NodePlace {
  readonly level: number;
  readonly index: number;
}

/** Everything that is public about one game: contract storage plus what was revealed in it. */
export interface GameView {
  readonly id: bigint;
  readonly batchId: bigint;
  readonly receiptHash: Hex;
  readonly receipt: Receipt;
  readonly challenger: Hex;
  /** Seconds since 1970 at which the side to move loses. */
  readonly deadline: bigint;
  readonly phase: GamePhase;
  readonly turn: "challenger" | "executor" | "nobody";
  /** The disputed step t; `UNKNOWN_STEP` while the game walks the trace. */
  readonly step: number;
  /** Its record as the executor has shown it. */
  readonly record: PlainRecord | undefined;
  /** Number of steps, rows, and cached rows of a step: the leaves of the trees. */
  readonly leaves: Readonly<Record<Exclude<GameTree, "row">, number>>;
  /** All reveals in order, those of the walk down the trace first. */
  readonly reveals: readonly GameReveal[];
  /** The current node: the last one proven. */
  readonly tree: GameTree;
  readonly level: number;
  readonly index: number;
  /** The node that the challenger chose and that waits for its reveal. */
  readonly chosen: NodePlace | undefined;
  /** The chosen row, once there is one. */
  readonly row: number | undefined;
  /** The chosen row's chunks that are known: `first` and their bytes. */
  readonly chunks: { readonly first: number; readonly bytes: Hex } | undefined;
  /** The fixed element of a long fold and the value that the executor's row claims for it. */
  readonly element: { readonly index: number; readonly claimed: bigint } | undefined;
  /** The chosen part of a long fold, if parts hold several blocks. */
  readonly part: number | undefined;
  /** Accumulators of the last post, concatenated as on the wire. */
  readonly accumulators: Hex | undefined;
}

/** One reveal: nodes `levels` below the node (`level`, `index`) of `tree`. The first of a tree has its top as that node. */
export interface GameReveal {
  readonly tree: GameTree;
  readonly level: number;
  readonly index: number;
  readonly levels: number;
  /** Nodes at `level - levels`, from index `index << levels` on. For revealed chunks: their SHA-256. */
  readonly nodes: readonly Hex[];
}
