import { concat, toHex, word } from "../commit/bytes.ts";
import { type Instruction, nameOf } from "../machine/instruction.ts";
import type { Accumulator } from "../machine/semantics.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import { partCount, partSize } from "./parts.ts";
import { blocksOf } from "./witness.ts";

/** An accumulator as on the wire: signed big-endian integers that share the fold's `accumulatorBytes`. */
export function encodeAccumulator(instruction: Instruction, accumulator: Accumulator): Uint8Array {
  const size = accumulatorBytes(instruction) / accumulator.length;
  return concat(accumulator.map((value) => word(BigInt.asUintN(8 * size, value)).subarray(32 - size)));
}

/** The inverse of `encodeAccumulator`. */
export function decodeAccumulator(instruction: Instruction, bytes: Uint8Array): Accumulator {
  const count = nameOf(instruction) === "fold_pick" ? 2 : 1;
  const size = bytes.length / count;
  return Array.from({ length: count }, (_, i) =>
    BigInt.asIntN(8 * size, BigInt(toHex(bytes.subarray(i * size, (i + 1) * size)))),
  );
}

/** Bytes of one accumulator on the wire. */
export function accumulatorBytes(instruction: Instruction): number {
  return INSTRUCTIONS[nameOf(instruction)].accumulatorBytes;
}

/**
 * Blocks whose accumulators one post shows, as indices of the last block of each part: the whole fold's parts, or the
 * blocks of part `part`.
 */
export function postedBlocks(instruction: Instruction, step: number, part: number | undefined): number[] {
  const blocks = blocksOf(instruction, step);
  const size = partSize(blocks);
  if (part === undefined)
    return Array.from({ length: partCount(blocks) }, (_, i) => Math.min((i + 1) * size, blocks) - 1);
  const first = part * size;
  return Array.from({ length: Math.min(size, blocks - first) }, (_, i) => first + i);
}

/** The bytes of one post. */
export function encodePost(
  instruction: Instruction,
  accumulators: readonly Accumulator[],
  posted: readonly number[],
): Uint8Array {
  return concat(posted.map((block) => encodeAccumulator(instruction, accumulators[block])));
}
