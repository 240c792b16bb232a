// SPDX-License-Identifier: GPL-3.0-only
import { fromHex, hashWords } from "../commit/bytes.ts";
import { GROUP } from "../commit/poseidon.ts";
import { BlockError } from "../machine/errors.ts";
import { type Instruction, nameOf, type Operand } from "../machine/instruction.ts";
import type { StepContext } from "../machine/semantics.ts";
import { groupSize, lengthAt, outShape, rowShape } from "../machine/shape.ts";
import { INSTRUCTIONS, type InstructionName } from "../machine/table.ts";
import { ELEMENT_BYTES } from "../machine/types.ts";
import { type Bits, type CircuitRead, NO_READ, packBits, packReads, readBits } from "./words.ts";

/** Circuits that prove elements; `link` ties chunks of cached rows to their SHA-256 leaves. */
export type ElementCircuit = "map" | "gather" | "dot" | "fold" | "attention";

/**
 * What a proof about one element, or one segment of a long fold, states: everything that the contract knows without the
 * prover. docs/spotchecks.md says what the words hold.
 */
export type Statement = {
  readonly circuit: ElementCircuit;
  readonly out: CircuitRead;
  /** Rows of operands, by operand; weight rows too. */
  readonly a: CircuitRead;
  readonly b: CircuitRead;
  readonly c: CircuitRead;
  /** Public word of reads. */
  readonly reads: bigint;
  /** Public word of parameters. */
  readonly params: bigint;
  readonly segment: Segment;
};

/** A part of a fold: maps have one. */
export type Segment = {
  readonly index: number;
  readonly count: number;
  /** fold_scores, fold_mix: the chunk of a cached row; undefined for a masked score. */
  readonly chunk: CachedChunk | undefined;
};

/** 32 bytes of the row of cache slot `slot` at a position. */
export type CachedChunk = { readonly slot: number; readonly position: number; readonly index: number };

/** What the contract knows of a step: its context, and the token of a step that emits one. */
export type ClaimedStep = StepContext & {
  /** The receipt's token; undefined at prompt positions before the last. Circuit `fold` ties the last row to it. */
  readonly emitted?: number | undefined;
};

/** Elements of a segment of fold_dot. */
export const DOT_SEGMENT = 2 * GROUP;
/** Bytes of a segment of a fold over a group. */
export const FOLD_SEGMENT = 2 * GROUP;
/** Elements of a chunk of a cached row. */
const CHUNK_LANES = 16;

const NO_CHUNK = { index: 0, count: 1, chunk: undefined } as const;

/** Segments behind an element: each is one proof. */
export function segmentCount(instruction: Instruction, context: StepContext, element: number): number {
  const name = nameOf(instruction);
  if (name === "fold_dot") return Math.ceil(instruction.a.length / DOT_SEGMENT);
  if (name === "fold_mix") return context.t + 1;
  if (name === "fold_scores") return scoreRange(instruction, context, element)?.count ?? 1;
  if (INSTRUCTIONS[name].kind === "fold") {
    const [first, end] = foldBytes(instruction, context, element);
    return Math.floor((end - 1) / FOLD_SEGMENT) - Math.floor(first / FOLD_SEGMENT) + 1;
  }
  return 1;
}

/** Most proofs that an element of the instruction's row takes at position t. */
export function mostSegments(instruction: Instruction, t: number): number {
  const context = { t, nIn: 1, token: 0, temperature: 0, requestHash: "0x00", outputIndex: 0 } as const;
  const last = rowShape(instruction, t).length - 1;
  return Math.max(segmentCount(instruction, context, 0), segmentCount(instruction, context, last));
}

/**
 * The statement about segment `segment` of element `element` of the row that `instruction`, number `at` of the program,
 * makes at a step.
 */
export function statementOf(
  at: number,
  instruction: Instruction,
  context: ClaimedStep,
  element: number,
  segment = 0,
): Statement {
  const name = nameOf(instruction);
  const count = segmentCount(instruction, context, element);
  if (segment >= count) throw new BlockError(name, segment);
  const out: CircuitRead = { row: at, ...rowShape(instruction, context.t), first: element };
  switch (name) {
    case "rope":
      return rope(instruction, context, out);
    case "embed":
      return embed(instruction, context, out);
    case "fold_dot":
      return dot(instruction, context, out, segment, count);
    case "fold_scores":
    case "fold_mix":
      return attention(name, instruction, context, out, segment, count);
    case "fold_sumsq":
    case "fold_amax":
    case "fold_max":
    case "fold_sum":
    case "fold_pick":
      return fold(name, instruction, context, out, segment, count);
    default:
      return map(name, instruction, context, out);
  }
}

/** Element `first` of a row of the step, or of row `row` of a weight range. */
function readOf(operand: Operand, { t }: StepContext, first: number, row = 0): CircuitRead {
  return { row: operand.index + row, type: operand.type, length: lengthAt(operand, t), first };
}

type Map = Exclude<InstructionName, "rope" | "embed" | `fold_${string}`>;

function map(name: Map, instruction: Instruction, context: StepContext, out: CircuitRead): Statement {
  const e = out.first;
  const group = () => Math.floor(e / groupSize(instruction.a, instruction.b, context.t));
  const bias = name === "add" && instruction.b.kind === "weights";
  const a = readOf(instruction.a, context, name === "draw" ? 0 : e);
  let b = NO_READ;
  if (instruction.b.kind === "row") {
    const first = name === "add" || name === "gate" ? e : name === "dequant" || name === "weigh" ? 0 : group();
    b = readOf(instruction.b, context, first);
  }
  let c = NO_READ;
  if (bias) c = readOf(instruction.b, context, e);
  else if (name === "norm") c = readOf(instruction.c, context, e % groupSize(instruction.a, instruction.b, context.t));
  else if (name === "dequant") c = readOf(instruction.c, context, e);
  // Which entry of a table is read follows from a and b.
  else if (instruction.c.kind === "weights") c = readOf(instruction.c, context, 0);
  const params = packBits([
    ...readBits(c),
    ...mapParameters(name, instruction, context, e).map((x): Bits => [x, 32]),
    [INSTRUCTIONS[name].opcode - INSTRUCTIONS.embed.opcode, 4],
    [{ i8: 0, i16: 1, i32: 2, i64: 3 }[out.type], 2],
    [bias ? 1 : 0, 1],
  ]);
  return { circuit: "map", out, a, b, c, reads: packReads([out, a, b]), params, segment: NO_CHUNK };
}

/** p0..p4 as the circuit takes them: some instructions depend on the request, too. */
export function mapParameters(
  name: Map,
  { p }: Instruction,
  { temperature, requestHash, outputIndex }: StepContext,
  element: number,
): number[] {
  if (name === "weigh") return [p[0], p[1], p[2], temperature, 0];
  if (name !== "draw") return p.slice(0, 5);
  const random = new DataView(hashWords(fromHex(requestHash), outputIndex).buffer);
  return [random.getUint32(4), random.getUint32(0), element, temperature, 0];
}

function rope(instruction: Instruction, context: StepContext, out: CircuitRead): Statement {
  const { length, count } = instruction.b;
  const half = length / 2;
  const place = out.first % length;
  const upper = place >= half;
  const a = readOf(instruction.a, context, out.first);
  const b = readOf(instruction.b, context, place % half, Math.min(context.t, count - 1));
  const params = gatherParameters({
    second: [upper ? a.first - half : a.first + half, b.first + half],
    shift: instruction.p[0],
    bits: 15,
    embed: false,
    minus: !upper,
  });
  return { circuit: "gather", out, a, b, c: NO_READ, reads: packReads([out, a, b]), params, segment: NO_CHUNK };
}

function embed(instruction: Instruction, context: StepContext, out: CircuitRead): Statement {
  const { b: words, c: scales } = instruction;
  const token = Math.min(context.token, words.count - 1);
  const b = readOf(words, context, out.first, token);
  const row = Math.min(Math.floor(token / scales.length), scales.count - 1);
  const c = readOf(scales, context, token % scales.length, row);
  const [shift, bits] = instruction.p;
  const params = gatherParameters({ second: [b.first, c.first], shift, bits, embed: true, minus: false });
  return { circuit: "gather", out, a: NO_READ, b, c, reads: packReads([out, b, c]), params, segment: NO_CHUNK };
}

type GatherParameters = {
  readonly second: readonly [number, number];
  readonly shift: number;
  readonly bits: number;
  readonly embed: boolean;
  readonly minus: boolean;
};

function gatherParameters({ second, shift, bits, embed, minus }: GatherParameters): bigint {
  return packBits([
    [second[0], 28],
    [second[1], 28],
    [shift, 6],
    [bits, 5],
    [Number(embed), 1],
    [Number(minus), 1],
  ]);
}

function dot(instruction: Instruction, context: StepContext, out: CircuitRead, index: number, count: number) {
  const a = readOf(instruction.a, context, 0);
  const b = readOf(instruction.b, context, 0, out.first);
  const params = packBits([
    [index, 12],
    [Number(index === 0), 1],
    [Number(index === count - 1), 1],
  ]);
  const segment = { index, count, chunk: undefined };
  return { circuit: "dot", out, a, b, c: NO_READ, reads: packReads([out, a, b]), params, segment } as const;
}

/** Bytes `[first, end)` of row a that a fold over a group takes in. */
function foldBytes(instruction: Instruction, { t }: StepContext, element: number): [first: number, end: number] {
  const bytes = ELEMENT_BYTES[instruction.a.type];
  if (nameOf(instruction) === "fold_pick") return [0, lengthAt(instruction.a, t) * bytes];
  const size = groupSize(instruction.a, outShape(instruction), t) * bytes;
  return [element * size, (element + 1) * size];
}

type GroupFold = "fold_sumsq" | "fold_amax" | "fold_max" | "fold_sum" | "fold_pick";

function fold(
  name: GroupFold,
  instruction: Instruction,
  context: ClaimedStep,
  out: CircuitRead,
  index: number,
  count: number,
): Statement {
  const [first, end] = foldBytes(instruction, context, out.first);
  const segment = Math.floor(first / FOLD_SEGMENT) + index;
  const from = segment * FOLD_SEGMENT;
  const hasB = instruction.b.kind === "row";
  const a = readOf(instruction.a, context, first / ELEMENT_BYTES[instruction.a.type]);
  const b = hasB ? readOf(instruction.b, context, name === "fold_pick" ? 0 : out.first) : NO_READ;
  const base = name === "fold_pick" ? instruction.p[0] + from / ELEMENT_BYTES.i32 : 0;
  const token = instruction.role === 2 && out.first === 0 ? context.emitted : undefined;
  const params = packBits([
    [segment, 12],
    [index, 12],
    [Math.max(first - from, 0) / 2, 9],
    [Math.min(end - from, FOLD_SEGMENT) / 2, 9],
    [base, 33],
    [INSTRUCTIONS[name].opcode - INSTRUCTIONS.fold_sumsq.opcode, 3],
    [Number(index === 0), 1],
    [Number(index === count - 1), 1],
    [Number(hasB), 1],
    [Number(token !== undefined), 1],
    [token ?? 0, 32],
  ]);
  const segment_ = { index, count, chunk: undefined };
  return { circuit: "fold", out, a, b, c: NO_READ, reads: packReads([out, a, b]), params, segment: segment_ };
}

/** First element of the cached row that a score reads, and the chunks that they lie in; undefined if it is masked. */
function scoreRange(instruction: Instruction, { t }: StepContext, element: number) {
  const [size, , , window] = instruction.p;
  const position = element % (t + 1);
  if (window > 0 && position + window <= t) return undefined;
  const head = Math.floor(element / (t + 1));
  const first = kvHead(instruction.outLength, instruction, head) * size;
  const chunk = Math.floor(first / CHUNK_LANES);
  return { position, head, first, chunk, count: Math.floor((first + size - 1) / CHUNK_LANES) - chunk + 1 };
}

/** The key-value head that query head h of `heads` reads. */
function kvHead(heads: number, { b, p }: Instruction, h: number): number {
  return Math.floor(h / (heads / (b.length / p[0])));
}

function attention(
  name: "fold_scores" | "fold_mix",
  instruction: Instruction,
  context: StepContext,
  out: CircuitRead,
  index: number,
  count: number,
): Statement {
  const [size, mul, shift] = instruction.p;
  let a = readOf(instruction.a, context, 0);
  let chunk: CachedChunk | undefined;
  let skip = 0;
  let lanes = 0;
  if (name === "fold_mix") {
    const head = Math.floor(out.first / size);
    const lane = kvHead(instruction.a.length, instruction, head) * size + (out.first % size);
    a = readOf(instruction.a, context, head * (context.t + 1) + index);
    chunk = { slot: instruction.b.count, position: index, index: Math.floor(lane / CHUNK_LANES) };
    skip = lane % CHUNK_LANES;
    lanes = 1;
  } else {
    const range = scoreRange(instruction, context, out.first);
    if (range !== undefined) {
      const from = Math.max((range.chunk + index) * CHUNK_LANES, range.first);
      const end = Math.min((range.chunk + index + 1) * CHUNK_LANES, range.first + size);
      a = readOf(instruction.a, context, range.head * size + from - range.first);
      chunk = { slot: instruction.b.count, position: range.position, index: range.chunk + index };
      skip = from % CHUNK_LANES;
      lanes = end - from;
    }
  }
  const params = packBits([
    [index, 24],
    [skip, 4],
    [lanes, 5],
    [Number(index === 0), 1],
    [Number(index === count - 1), 1],
    [Number(name === "fold_mix"), 1],
    [Number(chunk === undefined), 1],
    [name === "fold_mix" ? 0 : mul, 24],
    [name === "fold_mix" ? 0 : shift, 6],
  ]);
  const segment = { index, count, chunk };
  return { circuit: "attention", out, a, b: NO_READ, c: NO_READ, reads: packReads([out, a]), params, segment };
}
