import { concat, type Hex, toHex } from "../commit/bytes.ts";
import { width } from "../commit/tree.ts";
import type { Accumulator } from "../machine/semantics.ts";
import { encodePost, postedBlocks } from "./accumulators.ts";
import { UnplayableGameError } from "./errors.ts";
import type { Move } from "./moves.ts";
import type { NodeTree } from "./node-tree.ts";
import { hexes, openInstruction, required, topNodes } from "./openings.ts";
import type { FineStep } from "./source.ts";
import { type GameView, levelsBelowChosen, levelsBelowTop, type PlainRecord } from "./view.ts";
import { accumulatorsOf } from "./witness.ts";

/** What the executor's side answers from: its record and fine trace of the disputed step, and its folds. */
export interface ResponderKnowledge {
  readonly trace: FineStep;
  /** The record as committed. */
  readonly record: PlainRecord;
  /** Accumulators after every block of a fold; by default computed from the trace. */
  accumulators?(row: number, element: number): readonly Accumulator[];
}

/** The executor's answer to a game that waits for it, `undefined` if it waits for the challenger or is over. Pure. */
export function nextExecutorMove(view: GameView, knowledge: ResponderKnowledge): Move | undefined {
  const { trace, record } = knowledge;
  if (view.turn !== "executor") return undefined;
  switch (view.phase) {
    case "postFine":
      return { call: "postFine", record, nodes: topNodes(trace.fine) };
    case "revealCache": {
      if (trace.cacheTree === undefined) throw new UnplayableGameError(view.id, "the program has no cached rows");
      return { call: "revealCache", nodes: topNodes(trace.cacheTree) };
    }
    case "reveal":
      return reveal(view, trace);
    case "revealRow": {
      const row = required(view, view.row);
      const tree = trace.rowTree(row);
      // The row was chosen below the current node, at whatever level that is.
      const siblings = hexes(trace.fine.siblings(row, 0, view.level));
      if (levelsBelowTop(tree.depth) === tree.depth)
        return { call: "revealRow", siblings, nodes: [], chunks: chunksOf(trace, row, 0, tree.depth) };
      return { call: "revealRow", siblings, nodes: topNodes(tree), chunks: "0x" };
    }
    case "postAccumulators": {
      const row = required(view, view.row);
      const element = required(view, view.element).index;
      const accumulators = knowledge.accumulators?.(row, element) ?? accumulatorsOf(trace, row, element);
      const instruction = trace.instruction(row);
      const posted = postedBlocks(instruction, view.step, view.part);
      return {
        call: "postAccumulators",
        accumulators: toHex(encodePost(instruction, accumulators, posted)),
        ...openInstruction(trace, row),
      };
    }
    default:
      throw new UnplayableGameError(view.id, `phase ${view.phase} has no executor move`);
  }
}

/** The same while the game walks the trace: all it takes is the tree over the committed records. Pure. */
export function nextTraceAnswer(view: GameView, records: NodeTree): Move | undefined {
  if (view.turn !== "executor") return undefined;
  if (view.phase === "revealTrace") return { call: "revealTrace", nodes: topNodes(records) };
  return revealNode(view, records);
}

function reveal(view: GameView, trace: FineStep): Move {
  if (view.tree === "fine") {
    const move = revealNode(view, trace.fine);
    return view.level === trace.fine.depth ? { ...move, call: "revealFine" } : move;
  }
  if (view.tree === "cache") return revealNode(view, required(view, trace.cacheTree));
  const row = required(view, view.row);
  const { level, index } = required(view, view.chosen);
  if (levelsBelowChosen(level) < level) return revealNode(view, trace.rowTree(row));
  const siblings = hexes(trace.rowTree(row).siblings(index, level, view.level));
  return { call: "revealChunks", siblings, chunks: chunksOf(trace, row, index, level) };
}

function revealNode(view: GameView, tree: NodeTree): Move & { readonly call: "reveal" } {
  const { level, index } = required(view, view.chosen);
  const siblings = hexes(tree.siblings(index, level, view.level));
  return { call: "reveal", siblings, nodes: hexes(tree.descendants(level, index, levelsBelowChosen(level))) };
}

/** The chunks below the node (`level`, `index`) of a row's tree, whole. */
function chunksOf(trace: FineStep, row: number, index: number, level: number): Hex {
  const first = index * 2 ** level;
  const count = Math.min(2 ** level, width(trace.rowTree(row).count, 0) - first);
  return toHex(concat(Array.from({ length: count }, (_, i) => trace.chunk(row, first + i))));
}
