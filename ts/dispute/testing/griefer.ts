import { toHex } from "../../commit/bytes.ts";
import type { Request } from "../../commit/typed-data.ts";
import type { Prng } from "../../compiler/prng.ts";
import { postedBlocks } from "../accumulators.ts";
import { elementEvidence, sourceOf } from "../evidence.ts";
import type { Move } from "../moves.ts";
import type { NodeTree } from "../node-tree.ts";
import { hexes, lastReveal, openInstruction, required } from "../openings.ts";
import { partCount } from "../parts.ts";
import type { FineStep } from "../source.ts";
import { type GameView, REVEAL_LEVELS, UNKNOWN_STEP } from "../view.ts";
import { blocksOf } from "../witness.ts";

/** What a challenger plays from that has nothing to find. */
export interface Griefing {
  readonly step: FineStep;
  readonly records: NodeTree;
  readonly request: Request;
  readonly random: Prng;
}

/**
 * A challenger that makes an honest executor work: random moves that the contract accepts, as long as there are any. At the end it has
 * nothing to prove, and lets its turn pass.
 */
export function griefingMove(view: GameView, griefing: Griefing): Move | undefined {
  const { step, records, random } = griefing;
  if (view.phase === "settle") return settle(view, griefing);
  if (view.phase === "settleBlock") return choosePart(view, griefing);
  if (view.phase !== "choose") return undefined;
  if (view.tree === "trace") return inTrace(view, records, random);
  const leaf = leafBelow(view, random);
  if (view.tree === "fine") {
    const atTop = view.level === step.fine.depth;
    if (atTop && view.leaves.cache > 0 && random.int(0, 4) === 0) return { call: "chooseCache" };
    if (!canChoose(view) || random.int(0, 3) === 0) return { call: "chooseRow", ...openInstruction(step, leaf) };
  }
  return canChoose(view) ? choose(view, leaf, random) : undefined;
}

function inTrace(view: GameView, records: NodeTree, random: Prng): Move {
  const leaf = leafBelow(view, random);
  if (canChoose(view) && random.int(0, 2) > 0) return choose(view, leaf, random);
  const siblings = hexes(records.siblings(leaf, 0, view.level));
  return { call: "chooseStep", step: leaf, record: toHex(records.node(0, leaf)), siblings };
}

/** Once leaves are shown, no node is left to choose. */
function canChoose(view: GameView): boolean {
  const { level, levels } = lastReveal(view);
  return level > levels;
}

/** Any number of levels down that the contract allows. */
function choose(view: GameView, leaf: number, random: Prng): Move {
  const levels = random.int(REVEAL_LEVELS, view.level - 1);
  return { call: "choose", levels, child: Math.floor(leaf / 2 ** (view.level - levels)) - view.index * 2 ** levels };
}

/** A leaf below the current node. */
function leafBelow(view: GameView, random: Prng): number {
  const leaves = view.tree === "row" ? Number.POSITIVE_INFINITY : view.leaves[view.tree];
  const first = view.index * 2 ** view.level;
  if (view.tree !== "row") return random.int(first, Math.min(first + 2 ** view.level, leaves) - 1);
  // Of a row only what was shown is sure to exist.
  const { level, levels, index, nodes } = lastReveal(view);
  return (index * 2 ** levels + random.int(0, nodes.length - 1)) * 2 ** (level - levels);
}

function settle(view: GameView, { step, request, random }: Griefing): Move {
  const row = required(view, view.row);
  const { first, bytes } = required(view, view.chunks);
  const chunk = random.int(first, first + (bytes.length - 2) / 64 - 1);
  const size = step.rows[row].data.BYTES_PER_ELEMENT;
  const last = step.rows[row].data.length - 1;
  const element = Math.min(Math.floor((chunk * 32) / size), last);
  const tree = step.rowTree(row);
  const opened = {
    element,
    chunk: toHex(step.chunk(row, chunk)),
    siblings: hexes(tree.siblings(chunk, 0, view.level)),
    ...openInstruction(step, row),
  };
  if (blocksOf(step.instruction(row), view.step) > 1) return { call: "chooseElement", ...opened };
  return { call: "settle", ...opened, ...elementEvidence(sourceOf(view, { trace: step }), row, element, request) };
}

function choosePart(view: GameView, { step, random }: Griefing): Move | undefined {
  const instruction = step.instruction(required(view, view.row));
  const parts = partCount(blocksOf(instruction, view.step));
  const posted = postedBlocks(instruction, view.step, undefined);
  if (view.part !== undefined || posted.at(-1)! + 1 === parts) return undefined;
  return { call: "choosePart", part: random.int(0, parts - 1), accumulators: required(view, view.accumulators) };
}

/** Whether the game is still about the trace. */
export function walksTrace(view: GameView): boolean {
  return view.step === UNKNOWN_STEP;
}
