import { toHex } from "../commit/bytes.ts";
import type { ChallengerKnowledge } from "./challenger.ts";
import { elementEvidence, openElement, sourceOf } from "./evidence.ts";
import { firstDifferentLeaf } from "./known-tree.ts";
import type { Move } from "./moves.ts";
import { hexes, openInstruction } from "./openings.ts";
import { suspectOf } from "./suspects.ts";
import type { GameView } from "./view.ts";
import { blocksOf } from "./witness.ts";

/**
 * The way down for a challenger that knows the executor's rows, from the fine top: an element that the judge decides whole is settled at
 * once; for one of a long fold the row is chosen at once. `undefined` if the executor's rows are unknown, or none is wrong.
 */
export function jump(view: GameView, knowledge: ChallengerKnowledge): Move | undefined {
  const { trace, suspects = [], request } = knowledge;
  const theirs = suspectOf(view, suspects);
  const row = theirs && firstDifferentLeaf(theirs.fine, trace.fine);
  if (theirs === undefined || row === undefined) return undefined;
  const rowTree = theirs.rowTree(row);
  const chunk = firstDifferentLeaf(rowTree, trace.rowTree(row));
  if (chunk === undefined) return undefined;
  const opened = openElement(trace, row, chunk, theirs.chunk(row, chunk), rowTree.siblings(chunk));
  if (opened === undefined) return undefined;
  const instruction = openInstruction(trace, row);
  const padding = opened.element >= trace.rows[row].data.length;
  if (!padding && blocksOf(trace.instruction(row), view.step) > 1) return { call: "chooseRow", ...instruction };
  return {
    call: "settleJump",
    byteRoot: toHex(rowTree.node(rowTree.depth, 0)),
    rowSiblings: hexes(theirs.fine.siblings(row)),
    ...instruction,
    ...opened,
    ...elementEvidence(sourceOf(view, knowledge), row, opened.element, request),
  };
}
