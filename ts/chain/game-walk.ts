import { sha256 } from "@noble/hashes/sha2.js";
import type { Hex } from "viem";
import { fromHex, toHex } from "../commit/bytes.ts";
import { CHUNK, chunkCount } from "../commit/row.ts";
import { depth } from "../commit/tree.ts";
import {
  type GameReveal,
  type GameTree,
  type GameView,
  levelsBelowChosen,
  levelsBelowTop,
  type PlainRecord,
  UNKNOWN_STEP,
} from "../dispute/view.ts";
import { decodeInstruction } from "../machine/instruction.ts";
import { rowShape } from "../machine/shape.ts";
import { ELEMENT_BYTES } from "../machine/types.ts";
import { GameLogError } from "./errors.ts";
import { type ContractPhase, type GameOutcome, OUTCOMES } from "./game-state.ts";

/** One event of a game, decoded. */
export type GameEvent = { readonly eventName: string; readonly args: Readonly<Record<string, unknown>> };

/** What the events of a game add up to. */
export type WalkState = Pick<
  GameView,
  "record" | "reveals" | "tree" | "level" | "index" | "chosen" | "row" | "chunks" | "element" | "part" | "accumulators"
> & { readonly phase: ContractPhase };

/** Phase after a challenger's choice in each tree, and after the reveal that answers it. */
const PHASES_OF_TREE = {
  trace: ["TraceNodesReveal", "Trace"],
  fine: ["FineReveal", "Fine"],
  row: ["RowNodesReveal", "RowNodes"],
  cache: ["CacheNodesReveal", "Cache"],
} as const satisfies Record<GameTree, readonly [ContractPhase, ContractPhase]>;

const PHASE_OF_OUTCOME = {
  executorLost: "Won",
  challengerLost: "Lost",
  moot: "Moot",
} as const satisfies Record<GameOutcome, ContractPhase>;

/** Rebuilds a game from its events alone. */
export class GameWalk {
  readonly #gameId: bigint;
  readonly #step: number;
  readonly #leaves: GameView["leaves"];
  readonly #reveals: GameReveal[];
  #phase: ContractPhase;
  #record: PlainRecord | undefined;
  #tree: GameTree;
  #level: number;
  #index = 0;
  #chosen: GameView["chosen"];
  #row: number | undefined;
  #rowChunks = 0;
  #chunks: GameView["chunks"];
  #element: GameView["element"];
  #part: number | undefined;
  #accumulators: Hex | undefined;

  /** @param before Reveals of the walk down the trace that led to this game. */
  constructor(gameId: bigint, step: number, leaves: GameView["leaves"], before: readonly GameReveal[] = []) {
    this.#gameId = gameId;
    this.#step = step;
    this.#leaves = leaves;
    this.#reveals = [...before];
    const walks = step === UNKNOWN_STEP;
    this.#phase = walks ? "TraceReveal" : "FinePost";
    this.#tree = walks ? "trace" : "fine";
    this.#level = depth(leaves[walks ? "trace" : "fine"]);
  }

  apply(event: GameEvent): void {
    this.#phase = this.#takeOver(event) ?? this.#phase;
  }

  /** @returns The phase that the event leaves the game in. */
  #takeOver({ eventName, args }: GameEvent): ContractPhase | undefined {
    switch (eventName) {
      case "TraceRevealed":
        this.#showTop("trace", args.nodes as Hex[]);
        return "Trace";
      case "StepChosen":
        return "Paid";
      case "FinePosted":
        this.#record = args.record as PlainRecord;
        this.#showTop("fine", args.nodes as Hex[]);
        return "Fine";
      case "ChildChosen": {
        const levels = Number(args.levels);
        this.#chosen = { level: this.#level - levels, index: this.#index * 2 ** levels + Number(args.child) };
        return PHASES_OF_TREE[this.#tree][0];
      }
      case "NodesRevealed":
        this.#showChosen(args.nodes as Hex[]);
        return PHASES_OF_TREE[this.#tree][1];
      case "RowChosen": {
        const { type, length } = rowShape(decodeInstruction(fromHex(args.instruction as Hex)), this.#step);
        [this.#row, this.#rowChunks] = [Number(args.row), chunkCount(length * ELEMENT_BYTES[type])];
        return "RowReveal";
      }
      case "RowRevealed": {
        const top = depth(this.#rowChunks);
        if (levelsBelowTop(top) < top) {
          this.#show("row", top, 0, args.nodes as Hex[], levelsBelowTop(top));
          return "RowNodes";
        }
        this.#showChunks(top, 0, args.chunks as Hex);
        return "Chunks";
      }
      case "ChunksRevealed": {
        const { level, index } = this.#chosenNode();
        this.#showChunks(level, index, args.chunks as Hex);
        return "Chunks";
      }
      case "ElementChosen":
        this.#element = { index: Number(args.element), claimed: args.value as bigint };
        return "AccumulatorsPost";
      case "AccumulatorsPosted":
        this.#accumulators = args.accumulators as Hex;
        return "Blocks";
      case "PartChosen":
        this.#part = Number(args.part);
        return "AccumulatorsPost";
      case "CacheChosen":
        [this.#tree, this.#level, this.#index] = ["cache", depth(this.#leaves.cache), 0];
        return "CacheReveal";
      case "CacheRevealed":
        this.#showTop("cache", args.nodes as Hex[]);
        return "Cache";
      case "LieProven":
        return "Proven";
      case "GameEnded":
        return PHASE_OF_OUTCOME[OUTCOMES[Number(args.outcome)]];
      case "GamePaid":
        return "Paid";
    }
    return undefined;
  }

  state(): WalkState {
    return {
      phase: this.#phase,
      record: this.#record,
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

  #showTop(tree: Exclude<GameTree, "row">, nodes: readonly Hex[]): void {
    const level = depth(this.#leaves[tree]);
    this.#show(tree, level, 0, nodes, levelsBelowTop(level));
  }

  #showChosen(nodes: readonly Hex[]): void {
    const { level, index } = this.#chosenNode();
    this.#show(this.#tree, level, index, nodes, levelsBelowChosen(level));
  }

  #show(tree: GameTree, level: number, index: number, nodes: readonly Hex[], levels: number): void {
    [this.#tree, this.#level, this.#index, this.#chosen] = [tree, level, index, undefined];
    this.#reveals.push({ tree, level, index, levels, nodes });
  }

  #showChunks(level: number, index: number, chunks: Hex): void {
    this.#show("row", level, index, chunkHashes(chunks), level);
    this.#chunks = { first: index * 2 ** level, bytes: chunks };
  }

  #chosenNode() {
    if (this.#chosen === undefined) throw new GameLogError(this.#gameId, "a reveal of what was not chosen");
    return this.#chosen;
  }
}

function chunkHashes(chunks: Hex): Hex[] {
  const bytes = fromHex(chunks);
  const hashes: Hex[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK) hashes.push(toHex(sha256(bytes.subarray(at, at + CHUNK))));
  return hashes;
}
