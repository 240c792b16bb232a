import { concat, type Hex, toHex } from "../commit/bytes.ts";
import { chunkAt, chunkCount } from "../commit/row.ts";
import type { Tree } from "../commit/tree.ts";
import { encodeInstruction } from "../machine/instruction.ts";
import type { Accumulator } from "../machine/semantics.ts";
import { rowBytes } from "../machine/types.ts";
import { encodePost, postedBlocks } from "./accumulators.ts";
import { UnplayableGameError } from "./errors.ts";
import type { Move, OpenedInstruction } from "./moves.ts";
import type { StepTrace } from "./step-trace.ts";
import { type GameView, REVEAL_LEVELS } from "./view.ts";
import { accumulatorsOf } from "./witness.ts";

/** What the executor's side answers from: its fine trace of the disputed step, and its folds. */
export interface ResponderKnowledge {
  readonly trace: StepTrace;
  /** Accumulators after every block of a fold; by default computed from the trace. */
  accumulators?(row: number, element: number): readonly Accumulator[];
}

/** The executor's answer to a game that waits for it, `undefined` if it waits for the challenger or is over. Pure. */
export function nextExecutorMove(view: GameView, knowledge: ResponderKnowledge): Move | undefined {
  const { trace } = knowledge;
  if (view.turn !== "executor") return undefined;
  switch (view.phase) {
    case "postFine":
      return { call: "postFine", nodes: topNodes(trace.fine) };
    case "revealCache": {
      if (trace.cacheTree === undefined) throw new UnplayableGameError(view.id, "the program has no cached rows");
      return { call: "revealCache", nodes: topNodes(trace.cacheTree) };
    }
    case "reveal":
      return reveal(view, trace);
    case "revealRow": {
      const row = required(view, view.row);
      const tree = trace.rowTree(row);
      const siblings = hexes(trace.fine.siblings(row, 0, view.level));
      if (tree.depth <= REVEAL_LEVELS)
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

/** Instruction `row` with its opening in the program tree. */
export function openInstruction(trace: StepTrace, row: number): OpenedInstruction {
  return {
    row,
    instruction: toHex(encodeInstruction(trace.instruction(row))),
    programSiblings: hexes(trace.model.programTree.siblings(row)),
  };
}

/** Nodes as hex. */
export function hexes(nodes: readonly Uint8Array[]): Hex[] {
  return nodes.map(toHex);
}

function reveal(view: GameView, trace: StepTrace): Move {
  const last = view.reveals[view.reveals.length - 1];
  const chosen = required(view, view.chosen);
  const level = last.level - last.levels;
  const tree = treeOf(view, trace);
  const siblings = hexes(tree.siblings(chosen, level, view.level));
  if (view.tree === "row" && level <= REVEAL_LEVELS)
    return { call: "revealChunks", siblings, chunks: chunksOf(trace, required(view, view.row), chosen, level) };
  return { call: "reveal", siblings, nodes: hexes(tree.descendants(level, chosen, Math.min(REVEAL_LEVELS, level))) };
}

function treeOf(view: GameView, trace: StepTrace): Tree {
  if (view.tree === "fine") return trace.fine;
  if (view.tree === "row") return trace.rowTree(required(view, view.row));
  return required(view, trace.cacheTree);
}

function topNodes(tree: Tree): Hex[] {
  return hexes(tree.descendants(tree.depth, 0, Math.min(REVEAL_LEVELS, tree.depth)));
}

/** The chunks below the node (`level`, `index`) of a row's tree, whole. */
function chunksOf(trace: StepTrace, row: number, index: number, level: number): Hex {
  const bytes = rowBytes(trace.rows[row]);
  const last = Math.min((index + 1) * 2 ** level, chunkCount(bytes.length));
  const chunks: Uint8Array[] = [];
  for (let i = index * 2 ** level; i < last; i++) chunks.push(chunkAt(bytes, i));
  return toHex(concat(chunks));
}

function required<T>(view: GameView, value: T | undefined): T {
  if (value === undefined) throw new UnplayableGameError(view.id, `phase ${view.phase} lacks what it follows from`);
  return value;
}
