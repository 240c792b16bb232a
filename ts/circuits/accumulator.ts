// SPDX-License-Identifier: GPL-3.0-only
import { type Instruction, nameOf } from "../machine/instruction.ts";
import type { StepContext } from "../machine/semantics.ts";
import { groupSize, lengthAt, outShape } from "../machine/shape.ts";
import { ELEMENT_BYTES, elementAt, type Row } from "../machine/types.ts";
import { DOT_SEGMENT, FOLD_SEGMENT, type Statement } from "./statement.ts";

/** What a fold takes in: its operands' rows. `b` is the initial row, or the weight row of fold_dot. */
export type FoldRows = {
  readonly a: Row;
  readonly b: Row | undefined;
  /** The row of a cached instruction at a position. */
  cached(slot: number, position: number): Row;
};

/** State of a fold between segments; the second value is fold_pick's threshold, else 0. */
export type SegmentState = readonly [bigint, bigint];

/**
 * The accumulators before the first segment, and after each: one more than there are segments. Plain loops over exact
 * integers, as docs/machine.md, section 3, has them; nothing saturates before the fold is finished.
 */
export function segmentStates(
  statements: readonly Statement[],
  instruction: Instruction,
  context: StepContext,
  rows: FoldRows,
): SegmentState[] {
  const states: SegmentState[] = [initialState(statements[0], instruction, rows)];
  for (const statement of statements) {
    states.push(advance(states[states.length - 1], statement, instruction, context, rows));
  }
  return states;
}

function initialState({ out }: Statement, instruction: Instruction, { b }: FoldRows): SegmentState {
  const name = nameOf(instruction);
  if (name === "fold_pick") return [elementAt(b!, 0), elementAt(b!, 1)];
  if (instruction.b.kind === "row") return [elementAt(b!, out.first), 0n];
  return [name === "fold_max" ? -(2n ** 31n) : 0n, 0n];
}

function advance(
  [acc, threshold]: SegmentState,
  statement: Statement,
  instruction: Instruction,
  { t }: StepContext,
  { a, b, cached }: FoldRows,
): SegmentState {
  const { segment, out } = statement;
  const name = nameOf(instruction);
  if (name === "fold_dot") {
    let sum = acc;
    const end = Math.min((segment.index + 1) * DOT_SEGMENT, a.data.length);
    for (let k = segment.index * DOT_SEGMENT; k < end; k++) sum += elementAt(a, k) * elementAt(b!, k);
    return [sum, 0n];
  }
  if (name === "fold_scores" || name === "fold_mix") {
    if (segment.chunk === undefined) return [acc, 0n];
    const { slot, position, index } = segment.chunk;
    const { skip, count } = chunkLanes(statement);
    let sum = acc;
    const row = cached(slot, position);
    for (let i = 0; i < count; i++) {
      sum += elementAt(a, statement.a.first + i) * elementAt(row, index * 16 + skip + i);
    }
    return [sum, 0n];
  }
  const bytes = ELEMENT_BYTES[a.type];
  const whole = name === "fold_pick";
  const size = whole ? lengthAt(instruction.a, t) : groupSize(instruction.a, outShape(instruction), t);
  const first = whole ? 0 : out.first * size;
  const from = Math.floor((first * bytes) / FOLD_SEGMENT) * FOLD_SEGMENT + segment.index * FOLD_SEGMENT;
  let state: [bigint, bigint] = [acc, threshold];
  for (let k = Math.max(first, from / bytes); k < Math.min(first + size, (from + FOLD_SEGMENT) / bytes); k++) {
    state = takeIn(name, state, elementAt(a, k), BigInt(instruction.p[0]) + BigInt(k));
  }
  return state;
}

function takeIn(name: string, [acc, threshold]: SegmentState, x: bigint, token: bigint): [bigint, bigint] {
  const magnitude = x < 0n ? -x : x;
  const weight = x < 0n ? 0n : x;
  switch (name) {
    case "fold_sumsq":
      return [acc + x * x, 0n];
    case "fold_amax":
      return [magnitude > acc ? magnitude : acc, 0n];
    case "fold_max":
      return [x > acc ? x : acc, 0n];
    case "fold_sum":
      return [acc + x, 0n];
    default:
      if (acc >= 0n) return [acc, threshold];
      return weight > threshold ? [token, threshold] : [acc, threshold - weight];
  }
}

/** Lanes of the chunk that a segment of attention takes in: fields of its word of parameters. */
export function chunkLanes({ params }: Statement): { skip: number; count: number } {
  return { skip: Number((params >> 24n) & 15n), count: Number((params >> 28n) & 31n) };
}
