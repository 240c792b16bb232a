import { type Hex, toHex } from "../commit/bytes.ts";
import { encodeInstruction } from "../machine/instruction.ts";
import { UnplayableGameError } from "./errors.ts";
import type { OpenedInstruction } from "./moves.ts";
import type { NodeTree } from "./node-tree.ts";
import type { FineStep } from "./source.ts";
import { type GameReveal, type GameView, levelsBelowTop } from "./view.ts";

/** Nodes as hex. */
export function hexes(nodes: readonly Uint8Array[]): Hex[] {
  return nodes.map(toHex);
}

/** Instruction `row` with its opening in the program tree. */
export function openInstruction(step: FineStep, row: number): OpenedInstruction {
  return {
    row,
    instruction: toHex(encodeInstruction(step.instruction(row))),
    programSiblings: hexes(step.programSiblings(row)),
  };
}

/** The first descendants of a tree's top: what a claim or a first reveal shows. */
export function topNodes(tree: NodeTree): Hex[] {
  return hexes(tree.descendants(tree.depth, 0, levelsBelowTop(tree.depth)));
}

/** What was shown last. */
export function lastReveal(view: GameView): GameReveal {
  return required(view, view.reveals[view.reveals.length - 1]);
}

/** A part of the view that its phase implies. @throws UnplayableGameError if it is missing */
export function required<T>(view: GameView, value: T | undefined): T {
  if (value === undefined) throw new UnplayableGameError(view.id, `phase ${view.phase} lacks what it follows from`);
  return value;
}
