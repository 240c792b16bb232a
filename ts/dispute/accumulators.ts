import { concat } from "../commit/bytes.ts";
import type { Instruction } from "../machine/instruction.ts";
import type { Accumulator } from "../machine/semantics.ts";
import { partCount, partSize } from "./parts.ts";
import { blocksOf } from "./witness.ts";

/** An accumulator as on the wire: each integer signed, 64 bits, big-endian. */
export function encodeAccumulator(accumulator: Accumulator): Uint8Array {
  const out = new Uint8Array(8 * accumulator.length);
  const view = new DataView(out.buffer);
  accumulator.forEach((value, i) => {
    view.setBigInt64(8 * i, value);
  });
  return out;
}

/** The inverse of `encodeAccumulator`. */
export function decodeAccumulator(bytes: Uint8Array): Accumulator {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 8 }, (_, i) => view.getBigInt64(8 * i));
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
export function encodePost(accumulators: readonly Accumulator[], posted: readonly number[]): Uint8Array {
  return concat(posted.map((block) => encodeAccumulator(accumulators[block])));
}
