// SPDX-License-Identifier: GPL-3.0-only
import { CHUNK, chunkAt } from "../commit/row.ts";
import type { Instruction } from "../machine/instruction.ts";
import { ELEMENT_BYTES, elementAt, type Row, rowBytes } from "../machine/types.ts";
import { type FoldRows, segmentStates } from "./accumulator.ts";
import type { CircuitInputs } from "./calculator.ts";
import { type ClaimedStep, type Statement, segmentCount, statementOf } from "./statement.ts";
import {
  chunkDigest,
  type GroupOpening,
  NO_PATH,
  noOpening,
  noPair,
  ROOM,
  type RowOpener,
  type StepCommitment,
  stateCommitment,
  WEIGHT_LEVELS,
} from "./step-commitment.ts";
import { type CircuitRead, packBits, packReads, readBits } from "./words.ts";

/** Opens weight rows under weightsRootP. */
export interface WeightsOpener {
  readonly root: bigint;
  /** Rows in all. */
  readonly count: number;
  row(index: number): RowOpener;
  /** One sibling a level, up to the top. */
  siblings(index: number): readonly bigint[];
}

/** What an executor proves from: the commitment to the step, the weights, and the rows cached at positions up to it. */
export type ProverStep = {
  readonly step: StepCommitment;
  readonly weights: WeightsOpener;
  readonly context: ClaimedStep;
  cached(slot: number, position: number): Row;
};

/** Everything that `element` of an instruction takes to prove: one per segment. */
export type ElementProofInputs = { readonly statement: Statement; readonly inputs: CircuitInputs };

/** Inputs of the proofs of one element of the row that `instruction`, number `at` of the program, made. */
export function elementInputs(
  prover: ProverStep,
  at: number,
  instruction: Instruction,
  element: number,
  segments?: readonly number[],
): ElementProofInputs[] {
  const { context } = prover;
  const count = segmentCount(instruction, context, element);
  const wanted = segments ?? Array.from({ length: count }, (_, i) => i);
  const first = statementOf(at, instruction, context, element);
  if (first.circuit === "map" || first.circuit === "gather") {
    const inputs = first.circuit === "map" ? mapInputs(prover, first) : gatherInputs(prover, first);
    return [{ statement: first, inputs }];
  }
  const statements = Array.from({ length: count }, (_, i) => statementOf(at, instruction, context, element, i));
  const rows: FoldRows = {
    a: prover.step.row(first.a.row).row,
    b: foldB(prover, first)?.row,
    cached: prover.cached,
  };
  const states = segmentStates(statements, instruction, context, rows);
  return wanted.map((index) => {
    const statement = statements[index];
    const { salt } = prover.step;
    // Segments of attention read different parts of a: what they share is the element.
    const fold = statement.circuit === "attention" ? packReads([statement.out]) : statement.reads;
    const commit = (place: number) => stateCommitment(states[place], salt, place, fold);
    const state = {
      stateIn: index === 0 ? 0n : commit(index),
      stateOut: index === count - 1 ? 0n : commit(index + 1),
    };
    const before = states[index];
    switch (statement.circuit) {
      case "dot":
        return { statement, inputs: { ...state, before: before[0], ...dotInputs(prover, statement) } };
      case "fold":
        return { statement, inputs: { ...state, before, ...foldInputs(prover, statement) } };
      default:
        return { statement, inputs: { ...state, before: before[0], ...attentionInputs(prover, statement) } };
    }
  });
}

function foldB(prover: ProverStep, { circuit, b }: Statement): RowOpener | undefined {
  if (b.length === 0) return undefined;
  return circuit === "dot" ? prover.weights.row(b.row) : prover.step.row(b.row);
}

/** The element of a row of the step, and the path to its root. */
function stepElement({ step }: ProverStep, read: CircuitRead, levels: number) {
  if (read.length === 0) return { ...noOpening(levels), above: NO_PATH };
  return { ...step.row(read.row).element(read.first, levels), above: step.path(read.row) };
}

function siblingsOf(weights: WeightsOpener, row: number): bigint[] {
  const out = [...weights.siblings(row)];
  while (out.length < WEIGHT_LEVELS) out.push(0n);
  return out;
}

const publicWords = ({ step, weights }: ProverStep, { reads, params }: Statement) => ({
  stepRoot: step.root,
  weightsRoot: weights.root,
  reads,
  params,
  salt: step.salt,
  top: step.top,
});

const column = <K extends string>(
  key: K,
  parts: readonly { readonly [key in K]: GroupOpening[keyof GroupOpening] }[],
) => parts.map((part) => part[key]);

function mapInputs(prover: ProverStep, statement: Statement): CircuitInputs {
  const { weights } = prover;
  const room = ROOM.map;
  const parts = (["out", "a", "b"] as const).map((name) => stepElement(prover, statement[name], room[name]));
  const { c } = statement;
  const place = c.length === 0 ? 0 : c.first + tableIndex(prover, statement);
  const row = c.length === 0 ? undefined : weights.row(c.row);
  const entry = row?.element(place, room.c) ?? noOpening(room.c);
  return {
    ...publicWords(prover, statement),
    limbs: column("limbs", parts),
    children: column("children", parts),
    above: column("above", parts),
    weightLimbs: entry.limbs,
    weightChildren: entry.children,
    weightRows: BigInt(weights.count),
    weightSiblings: siblingsOf(weights, c.row),
    c: row === undefined ? 0n : elementAt(row.row, place),
  };
}

/** Which entry of its table exp2, gate or weigh reads; 0 for others. */
function tableIndex({ step }: ProverStep, { a, b, c, params }: Statement): number {
  const word = (i: number) => Number((params >> BigInt(83 + 32 * i)) & 0xffffffffn);
  const opcode = Number((params >> 243n) & 15n);
  const x = elementAt(step.row(a.row).row, a.first);
  const round = (value: bigint, s: number) => (s === 0 ? value : (value + (1n << BigInt(s - 1))) >> BigInt(s));
  if (opcode === 10) {
    const at = Number(round(x, word(0))) + c.length / 2;
    return Math.min(Math.max(at, 0), c.length - 1);
  }
  if (opcode !== 8 && opcode !== 11) return 0;
  const difference = elementAt(step.row(b.row).row, b.first) - x;
  const gap = difference > 0n ? difference : 0n;
  if (opcode === 8) return Number(round(gap, word(0) - word(1)) % (1n << BigInt(word(1))));
  const inverse = (BigInt(word(0)) << 16n) / BigInt(Math.max(word(3), 1));
  const slope = inverse < 2n ** 31n ? inverse : 2n ** 31n - 1n;
  return Number(round(gap * slope, 16) % (1n << BigInt(word(1))));
}

function gatherInputs(prover: ProverStep, statement: Statement): CircuitInputs {
  const { step, weights } = prover;
  const embed = statement.c.length > 0;
  const [x, y] = embed ? [statement.b, statement.c] : [statement.a, statement.b];
  const out = stepElement(prover, statement.out, ROOM.gather.out);
  const second = [0, 1].map((i) => Number((statement.params >> BigInt(28 * i)) & 0xfffffffn));
  const rows = [embed ? weights.row(x.row) : step.row(x.row), weights.row(y.row)];
  const room = embed ? [ROOM.gather.b, ROOM.gather.c] : [ROOM.gather.a, ROOM.gather.b];
  const pairs = [x, y].map((read, i) => rows[i].pair([read.first, second[i]], room[i]));
  return {
    ...publicWords(prover, statement),
    outLimbs: out.limbs,
    outChildren: out.children,
    outAbove: out.above,
    limbs: pairs.map(({ limbs }) => limbs),
    children: pairs.map(({ children }) => children),
    highest: pairs.map(({ highest }) => highest),
    above: embed ? NO_PATH : step.path(x.row),
    weightRows: BigInt(weights.count),
    siblings: [embed ? siblingsOf(weights, x.row) : siblingsOf(weights, 0), siblingsOf(weights, y.row)],
  };
}

/** `count` groups of a row from group `first` on. */
function groups(row: RowOpener, first: number, count: number, levels: number) {
  return {
    limbs: Array.from({ length: count }, (_, i) => row.limbs(first + i)),
    children: row.group(first, levels).children,
  };
}

function dotInputs(prover: ProverStep, statement: Statement): CircuitInputs {
  const { step, weights } = prover;
  const { a, b, segment } = statement;
  const openedA = groups(step.row(a.row), segment.index * 2 * ELEMENT_BYTES[a.type], 4, ROOM.dot.a);
  const openedB = groups(weights.row(b.row), segment.index * 2, 2, ROOM.dot.b);
  return {
    ...publicWords(prover, statement),
    ...stepElement(prover, statement.out, ROOM.dot.out),
    aLimbs: openedA.limbs,
    aChildren: openedA.children,
    aAbove: step.path(a.row),
    bLimbs: openedB.limbs,
    bChildren: openedB.children,
    weightRows: BigInt(weights.count),
    siblings: siblingsOf(weights, b.row),
  };
}

function foldInputs(prover: ProverStep, statement: Statement): CircuitInputs {
  const { step } = prover;
  const { a, b, params } = statement;
  const openedA = groups(step.row(a.row), 2 * Number(params & 0xfffn), 2, ROOM.fold.a);
  const openedB = stepElement(prover, b, ROOM.fold.b);
  const { weightsRoot: _, ...words } = publicWords(prover, statement);
  return {
    ...words,
    ...stepElement(prover, statement.out, ROOM.fold.out),
    aLimbs: openedA.limbs,
    aChildren: openedA.children,
    aAbove: step.path(a.row),
    bLimbs: openedB.limbs,
    bChildren: openedB.children,
    bAbove: openedB.above,
  };
}

function attentionInputs(prover: ProverStep, statement: Statement): CircuitInputs {
  const { step } = prover;
  const { a, segment } = statement;
  const bytes = chunkOf(prover, statement);
  const openedA = step.row(a.row).bytes32(a.first * ELEMENT_BYTES.i16, ROOM.attention.a);
  const { weightsRoot: _, ...words } = publicWords(prover, statement);
  return {
    ...words,
    chunk: segment.chunk === undefined ? 0n : chunkDigest(bytes, step.salt),
    ...stepElement(prover, statement.out, ROOM.attention.out),
    aLimbs: openedA.limbs,
    aChildren: openedA.children,
    aHighest: openedA.highest,
    aAbove: step.path(a.row),
    cached: Array.from(bytes, BigInt),
  };
}

function chunkOf({ cached }: ProverStep, { segment }: Statement): Uint8Array {
  if (segment.chunk === undefined) return new Uint8Array(CHUNK);
  const { slot, position, index } = segment.chunk;
  return chunkAt(rowBytes(cached(slot, position)), index);
}

/** Public word and inputs of a proof of `link`: that a chunk has this SHA-256 leaf and digest. */
export type LinkInputs = { readonly chunk: bigint; readonly target: bigint; readonly inputs: CircuitInputs };

/**
 * Inputs of a link proof for 32 bytes; with `row`, also that they are chunk `first` of that row of the step.
 * @param leaf The chunk's SHA-256 digest.
 */
export function linkInputs(
  { step }: Pick<ProverStep, "step">,
  bytes: Uint8Array,
  leaf: Uint8Array,
  row?: { readonly index: number; readonly first: number },
): LinkInputs {
  const big = (part: Uint8Array) => part.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const opener = row === undefined ? undefined : step.row(row.index);
  const read: CircuitRead = {
    row: row?.index ?? 0,
    type: opener?.row.type ?? "i8",
    length: opener?.row.data.length ?? 0,
    first: row?.first ?? 0,
  };
  const opened = opener?.bytes32(CHUNK * read.first, ROOM.link.row) ?? noPair(ROOM.link.row);
  const chunk = chunkDigest(bytes, step.salt);
  const target = packBits([[big(leaf.subarray(0, 16)), 128], ...readBits(read), [opener === undefined ? 0 : 1, 1]]);
  return {
    chunk,
    target,
    inputs: {
      stepRoot: step.root,
      chunk,
      target,
      shaLow: big(leaf.subarray(16)),
      salt: step.salt,
      bytes: Array.from(bytes, BigInt),
      ...opened,
      above: row === undefined ? NO_PATH : step.path(row.index),
      top: step.top,
    },
  };
}
