import { equal, fromHex, toHex } from "../commit/bytes.ts";
import { CHUNK, chunkAt } from "../commit/row.ts";
import type { Request } from "../commit/typed-data.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import { ELEMENT_BYTES, rowBytes } from "../machine/types.ts";
import { decodeAccumulator, encodeAccumulator, postedBlocks } from "./accumulators.ts";
import { UnplayableGameError } from "./errors.ts";
import { firstDifference, KnownTree } from "./known-tree.ts";
import type { Disclosure, Move } from "./moves.ts";
import { hexes, openInstruction } from "./responder.ts";
import type { StepSource } from "./source.ts";
import type { StepTrace } from "./step-trace.ts";
import type { GameView } from "./view.ts";
import { accumulatorsOf, blocksOf, blockWitness, elementWitness } from "./witness.ts";

/** What a challenger plays from: the honest fine trace of the disputed step (records as committed) and the request. */
export interface ChallengerKnowledge {
  readonly trace: StepTrace;
  /** The honest record of the step. */
  readonly record: { readonly token: number; readonly cacheRoot: Uint8Array };
  readonly request: Request;
}

/**
 * The challenger's next move, `undefined` if the game waits for the executor or is over. Pure. It walks to the first row that
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
          : choose(view, knowledge.trace.rowTree(required(view, view.row)));
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

function chooseInFine(view: GameView, knowledge: ChallengerKnowledge): Move {
  const { trace } = knowledge;
  const reveal = lastReveal(view);
  const child = firstDifference(reveal, trace.fine);
  if (child !== undefined)
    return reveal.level === reveal.levels
      ? { call: "chooseRow", ...openInstruction(trace, child) }
      : { call: "choose", child };
  // The fine trace is honest, so the record contradicts it: in its token, or in a cached row.
  const tokenRow = trace.rows.length - 1;
  if (view.record.token !== knowledge.record.token)
    return {
      call: "settleToken",
      chunk: toHex(chunkAt(rowBytes(trace.rows[tokenRow]), 0)),
      fineSiblings: hexes(trace.fine.siblings(tokenRow)),
    };
  if (!equal(fromHex(view.record.cacheRoot), knowledge.record.cacheRoot)) return { call: "chooseCache" };
  throw new UnplayableGameError(view.id, "the executor's fine trace and record are the honest ones");
}

function chooseInCache(view: GameView, { trace }: ChallengerKnowledge): Move {
  const reveal = lastReveal(view);
  const tree = required(view, trace.cacheTree);
  const child = firstDifference(reveal, tree);
  if (child === undefined) throw new UnplayableGameError(view.id, "the revealed cache rows are the honest ones");
  if (reveal.level > reveal.levels) return { call: "choose", child };
  const row = trace.model.program.instructions.findIndex((i) => i.role === 1 && i.cacheSlot === child);
  const known = new KnownTree(tree, "cache", view.reveals);
  return {
    call: "settleCache",
    leafIndex: child,
    leaf: toHex(known.node(0, child)),
    siblings: hexes(known.siblings(child, view.level)),
    fineLeaf: toHex(trace.fine.node(0, row)),
    fineSiblings: hexes(trace.fine.siblings(row)),
    ...openInstruction(trace, row),
  };
}

function choose(view: GameView, own: StepTrace["fine"]): Move {
  const child = firstDifference(lastReveal(view), own);
  if (child === undefined) throw new UnplayableGameError(view.id, "the revealed nodes are the honest ones");
  return { call: "choose", child };
}

function settle(view: GameView, knowledge: ChallengerKnowledge): Move {
  const { trace } = knowledge;
  const row = required(view, view.row);
  const shown = required(view, view.chunks);
  const bytes = fromHex(shown.bytes);
  const own = rowBytes(trace.rows[row]);
  let chunk = shown.first;
  while (equal(chunkAt(own, chunk), bytes.subarray((chunk - shown.first) * CHUNK, (chunk - shown.first + 1) * CHUNK))) {
    chunk++;
    if ((chunk - shown.first) * CHUNK >= bytes.length)
      throw new UnplayableGameError(view.id, "the revealed chunks are the honest ones");
  }
  const claimed = bytes.subarray((chunk - shown.first) * CHUNK, (chunk - shown.first + 1) * CHUNK);
  const size = ELEMENT_BYTES[trace.rows[row].type];
  const honest = chunkAt(own, chunk);
  const byte = claimed.findIndex((value, i) => value !== honest[i]);
  const element = Math.floor((chunk * CHUNK + byte) / size);
  const rowTree = new KnownTree(trace.rowTree(row), "row", view.reveals);
  const opened = {
    element,
    chunk: toHex(claimed),
    siblings: hexes(rowTree.siblings(chunk, view.level)),
    ...openInstruction(trace, row),
  };
  const padding = element >= trace.rows[row].data.length;
  if (!padding && blocksOf(trace.instruction(row), view.step) > 1) return { call: "chooseElement", ...opened };
  const witness = toHex(elementWitness(sourceOf(view, trace), row, element));
  return { call: "settle", ...opened, witness, disclosure: disclosure(view, knowledge, row) };
}

function settleBlock(view: GameView, knowledge: ChallengerKnowledge): Move {
  const { trace } = knowledge;
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
  const witness = toHex(blockWitness(sourceOf(view, trace), row, element, block, before));
  return {
    call: "settleBlock",
    block: wrong,
    accumulators: toHex(posted),
    witness,
    disclosure: disclosure(view, knowledge, row),
    ...openInstruction(trace, row),
  };
}

/** The step's operands, opened in the executor's fine tree as far as the game has shown it. */
function sourceOf(view: GameView, trace: StepTrace): StepSource {
  const known = new KnownTree(trace.fine, "fine", view.reveals);
  return Object.create(trace, { fineSiblings: { value: (row: number) => known.siblings(row) } }) as StepSource;
}

/** Instructions that read the prompt or the request. */
const DISCLOSING: ReadonlySet<number> = new Set(
  [INSTRUCTIONS.embed, INSTRUCTIONS.weigh, INSTRUCTIONS.draw].map(({ opcode }) => opcode),
);

function disclosure(view: GameView, { trace, request }: ChallengerKnowledge, row: number): Disclosure | undefined {
  return DISCLOSING.has(trace.instruction(row).opcode) ? { receipt: view.receipt, request } : undefined;
}

function lastReveal(view: GameView) {
  return required(view, view.reveals[view.reveals.length - 1]);
}

function required<T>(view: GameView, value: T | undefined): T {
  if (value === undefined) throw new UnplayableGameError(view.id, `phase ${view.phase} lacks what it follows from`);
  return value;
}
