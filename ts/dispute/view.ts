import type { Hex } from "../commit/bytes.ts";
import type { Receipt } from "../commit/typed-data.ts";

/** Levels that one reveal descends at most. */
export const REVEAL_LEVELS = 4;

/** Which tree the current node belongs to. */
export type GameTree = "fine" | "cache" | "row";

/** What the next move must be; `turn` says whose it is. */
export type GamePhase =
  /** Executor: post the top of the fine tree. */
  | "postFine"
  /** Challenger: pick a child among `revealed` (or, at the leaf level, a row or a cache leaf; or walk the cache instead). */
  | "choose"
  /** Anyone, at the latest the executor: prove the chosen child and show its descendants. */
  | "reveal"
  /** Executor: the chosen fine leaf's row tree. */
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
  /** Nobody: decided. */
  | "over";

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
  /** The disputed step t and its record under `traceRoot`. */
  readonly step: number;
  readonly record: { readonly salt: Hex; readonly token: number; readonly cacheRoot: Hex };
  /** All reveals in order: nodes `nodes` are the existing descendants, `levels` below the node (`level`, `index`) of `tree`. */
  readonly reveals: readonly GameReveal[];
  /** The current node: the last one proven. */
  readonly tree: GameTree;
  readonly level: number;
  readonly index: number;
  /** Index (at level `level - levels`) of the child that the challenger chose and that waits for its reveal. */
  readonly chosen: number | undefined;
  /** The chosen row, once the walk has reached one. */
  readonly row: number | undefined;
  /** The chosen row's chunks that are known: `firstChunk` and their bytes. */
  readonly chunks: { readonly first: number; readonly bytes: Hex } | undefined;
  /** The fixed element of a long fold and the value that the executor's row claims for it. */
  readonly element: { readonly index: number; readonly claimed: bigint } | undefined;
  /** The chosen part of a long fold, if parts hold several blocks. */
  readonly part: number | undefined;
  /** Accumulators of the last post, concatenated as on the wire. */
  readonly accumulators: Hex | undefined;
}

/** One reveal: the first has the tree's top as its node. */
export interface GameReveal {
  readonly tree: GameTree;
  readonly level: number;
  readonly index: number;
  readonly levels: number;
  /** Nodes at `level - levels`, from index `index << levels` on. For revealed chunks: their SHA-256. */
  readonly nodes: readonly Hex[];
}
