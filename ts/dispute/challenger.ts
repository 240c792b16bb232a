import { equal, fromHex, toHex } from "../commit/bytes.ts";
import type { Request } from "../commit/typed-data.ts";
import { decodeAccumulator, encodeAccumulator, postedBlocks } from "./accumulators.ts";
import { UnplayableGameError } from "./errors.ts";
import { elementEvidence, openElement, requestFor, sourceOf } from "./evidence.ts";
import { jump } from "./jump.ts";
import { firstDifference, firstDifferentLeaf, holds, KnownTree } from "./known-tree.ts";
import type { Move } from "./moves.ts";
import type { NodeTree } from "./node-tree.ts";
import { hexes, lastReveal, openInstruction, required } from "./openings.ts";
import { recordAgainstFine, recordAlone } from "./record-lies.ts";
import type { FineStep } from "./source.ts";
import { suspectOf } from "./suspects.ts";
import { type GameView, type PlainRecord, REVEAL_LEVELS } from "./view.ts";
import { accumulatorsOf, blocksOf, blockWitness } from "./witness.ts";

/** What a challenger plays from: the honest fine trace of the disputed step and the request. */
export interface ChallengerKnowledge {
  /** The honest rows of the step; records as committed, as far as they are known. */
  readonly trace: FineStep;
  /** The honest record of the step. */
  readonly record: PlainRecord;
  readonly request: Request;
  /** The request's seed, or what a confidential request's seed commits to. */
  readonly secret: PlainRecord["salt"];
  /** What the executor may have computed instead; those that it did not are ignored. */
  readonly suspects?: readonly FineStep[];
}

/**
 * The challenger's next move, `undefined` if the game waits for the executor or is over. Pure. It goes to the first row that
 * differs from the honest ones; everything before that row is honest, so the judge must find it wrong
 * (docs/protocol.md, section 4).
 */
export function nextChallengerMove(view: GameView, knowledge: ChallengerKnowledge): Move | undefined {
  if (view.turn !== "challenger") return undefined;
  switch (view.phase) {
    case "choose":
      return view.tree === "fine"
        ? chooseInFine(view, knowledge)
        : view.tree === "cache"
          ? chooseInCache(view, knowledge)
          : chooseInRow(view, knowledge);
    case "settle":
      return settle(view, knowledge);
    case "settleBlock":
      return settleBlock(view, knowledge);
    case "conclude":
      return { call: "conclude" };
    default:
      throw new UnplayableGameError(view.id, `phase ${view.phase} has no challenger move`);
  }
}

/** The challenger's next move while the game walks the trace for the first record that is not the honest one. Pure. */
export function nextTraceChoice(view: GameView, honest: NodeTree): Move | undefined {
  if (view.turn !== "challenger") return undefined;
  const reveal = lastReveal(view);
  const step = firstDifference(reveal, honest);
  if (step === undefined) throw new UnplayableGameError(view.id, "the revealed records are the honest ones");
  if (reveal.level > reveal.levels) return descend(view, step);
  const known = new KnownTree(honest, "trace", view.reveals);
  return {
    call: "chooseStep",
    step,
    record: toHex(known.node(0, step)),
    siblings: hexes(known.siblings(step, view.level)),
  };
}

function chooseInFine(view: GameView, knowledge: ChallengerKnowledge): Move {
  const { trace } = knowledge;
  const atTop = view.level === trace.fine.depth;
  const short = atTop ? (recordAlone(view, knowledge) ?? jump(view, knowledge)) : undefined;
  if (short !== undefined) return short;
  const reveal = lastReveal(view);
  const child = firstDifference(reveal, trace.fine);
  if (child !== undefined)
    return reveal.level === reveal.levels
      ? { call: "chooseRow", ...openInstruction(trace, child) }
      : descend(view, child);
  return recordAgainstFine(view, knowledge);
}

function chooseInCache(view: GameView, { trace, suspects = [] }: ChallengerKnowledge): Move {
  const reveal = lastReveal(view);
  const own = required(view, trace.cacheTree);
  const theirs = suspects.find(({ cacheTree }) => cacheTree !== undefined && holds(cacheTree, reveal))?.cacheTree;
  const leaf = theirs && firstDifferentLeaf(theirs, own, view.level, view.index);
  if (theirs !== undefined && leaf !== undefined)
    return settleCache(view, trace, leaf, theirs.node(0, leaf), theirs.siblings(leaf, 0, view.level));
  const child = firstDifference(reveal, own);
  if (child === undefined) throw new UnplayableGameError(view.id, "the revealed cache rows are the honest ones");
  if (reveal.level > reveal.levels) return descend(view, child);
  const known = new KnownTree(own, "cache", view.reveals);
  return settleCache(view, trace, child, known.node(0, child), known.siblings(child, view.level));
}

function settleCache(
  view: GameView,
  trace: FineStep,
  slot: number,
  leaf: Uint8Array,
  siblings: readonly Uint8Array[],
): Move {
  let row = 0;
  while (row < trace.fine.count && !caches(trace, row, slot)) row++;
  if (row === trace.fine.count) throw new UnplayableGameError(view.id, `no row is cached in slot ${slot}`);
  return {
    call: "settleCache",
    leafIndex: slot,
    leaf: toHex(leaf),
    siblings: hexes(siblings),
    fineLeaf: toHex(trace.fine.node(0, row)),
    fineSiblings: hexes(trace.fine.siblings(row)),
    ...openInstruction(trace, row),
  };
}

function caches(trace: FineStep, row: number, slot: number): boolean {
  const { role, cacheSlot } = trace.instruction(row);
  return role === 1 && cacheSlot === slot;
}

function chooseInRow(view: GameView, { trace, suspects = [] }: ChallengerKnowledge): Move {
  const row = required(view, view.row);
  const own = trace.rowTree(row);
  const theirs = suspectOf(view, suspects)?.rowTree(row);
  const chunk = theirs && firstDifferentLeaf(theirs, own, view.level, view.index);
  // As deep as a choice may go: the fewer chunks are shown, the cheaper.
  if (chunk !== undefined) return descend(view, chunk >> 1, view.level - 1);
  const child = firstDifference(lastReveal(view), own);
  if (child === undefined) throw new UnplayableGameError(view.id, "the revealed nodes are the honest ones");
  return descend(view, child);
}

/** Chooses node `index` of the level `levels` below the current node. */
function descend(view: GameView, index: number, levels = REVEAL_LEVELS): Move {
  return { call: "choose", levels, child: index - view.index * 2 ** levels };
}

function settle(view: GameView, knowledge: ChallengerKnowledge): Move {
  const { trace, request } = knowledge;
  const row = required(view, view.row);
  const shown = required(view, view.chunks);
  const bytes = fromHex(shown.bytes);
  const known = new KnownTree(trace.rowTree(row), "row", view.reveals);
  for (let i = 0; i * 32 < bytes.length; i++) {
    const chunk = shown.first + i;
    const claimed = bytes.subarray(i * 32, i * 32 + 32);
    const opened = openElement(trace, row, chunk, claimed, known.siblings(chunk, view.level));
    if (opened === undefined) continue;
    const instruction = openInstruction(trace, row);
    const padding = opened.element >= trace.rows[row].data.length;
    if (!padding && blocksOf(trace.instruction(row), view.step) > 1)
      return { call: "chooseElement", ...opened, ...instruction };
    const source = sourceOf(view, knowledge);
    return { call: "settle", ...opened, ...instruction, ...elementEvidence(source, row, opened.element, request) };
  }
  throw new UnplayableGameError(view.id, "the revealed chunks are the honest ones");
}

function settleBlock(view: GameView, knowledge: ChallengerKnowledge): Move {
  const { trace, request } = knowledge;
  const row = required(view, view.row);
  const element = required(view, view.element).index;
  const posted = fromHex(required(view, view.accumulators));
  const honest = accumulatorsOf(trace, row, element);
  const instruction = trace.instruction(row);
  const blocks = postedBlocks(instruction, view.step, view.part);
  const size = posted.length / blocks.length;
  const at = (i: number) => posted.subarray(i * size, (i + 1) * size);
  const wrong = blocks.findIndex((block, i) => !equal(at(i), encodeAccumulator(instruction, honest[block])));
  if (wrong === -1) throw new UnplayableGameError(view.id, "the posted accumulators are the honest ones");
  const previous = wrong === 0 ? -1 : blocks[wrong - 1];
  if (view.part === undefined && blocks[wrong] - previous > 1)
    return { call: "choosePart", part: wrong, accumulators: toHex(posted) };
  const block = blocks[wrong];
  const before =
    block === 0 ? undefined : wrong === 0 ? honest[block - 1] : decodeAccumulator(instruction, at(wrong - 1));
  return {
    call: "settleBlock",
    block: wrong,
    accumulators: toHex(posted),
    witness: toHex(blockWitness(sourceOf(view, knowledge), row, element, block, before)),
    request: requestFor(trace, row, request),
    ...openInstruction(trace, row),
  };
}
