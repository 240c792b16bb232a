import { BlockError } from "./errors.ts";
import { type Instruction, nameOf } from "./instruction.ts";
import type { Accumulator, Reader } from "./semantics.ts";
import { groupSize, outShape } from "./shape.ts";

/** Elements of a block of the folds over groups. */
export const GROUP_BLOCK = 128;
/** Longest dot product decided whole, by type of a. */
export const DOT_WHOLE = { i8: 1024, i16: 512 } as const;
/** Elements of a block of a longer dot product. */
export const DOT_BLOCK = 512;

/** Number of blocks of `size` that cover `length` elements. */
export function blockCount(length: number, size: number): number {
  return Math.ceil(length / size);
}

/** Elements `[first, count]` of block `block` of `length` elements in blocks of `size`, the last one shorter. */
export function blockRange(length: number, size: number, block: number): [first: number, count: number] {
  const first = block * size;
  return [first, Math.min(size, length - first)];
}

/** Checks that `block` exists and that the accumulator before it is given, and returns that accumulator. */
export function previous(instruction: Instruction, block: number, accumulator: Accumulator | undefined): Accumulator {
  if (accumulator === undefined) throw new BlockError(nameOf(instruction), block);
  return accumulator;
}

/** Blocks behind one element of a fold over groups of a. */
export function groupBlocks(instruction: Instruction, t: number): number {
  return blockCount(groupSize(instruction.a, outShape(instruction), t), GROUP_BLOCK);
}

/** Reads the elements of a in block `block` of group `element`. */
export function readGroup(
  instruction: Instruction,
  t: number,
  element: number,
  block: number,
  reader: Reader,
): readonly bigint[] {
  const size = groupSize(instruction.a, outShape(instruction), t);
  const [first, count] = blockRange(size, GROUP_BLOCK, block);
  return reader.row(instruction.a, element * size + first, count);
}
