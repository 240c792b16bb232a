import { blockCount, blockRange, DOT_BLOCK, DOT_WHOLE, previous } from "../blocks.ts";
import type { Instruction } from "../instruction.ts";
import { sat, satNumber, words, writeWord } from "../numbers.ts";
import type { FoldSemantics } from "../semantics.ts";
import { firstBroken, fixed, outShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/** Terms whose int32 sum cannot overflow: 2^16 * 2^14 and 2^8 * 2^22 are both 2^30. */
const EXACT_RUN = { i8: 2 ** 16, i16: 2 ** 8 } as const;

/** `out[e] = sat(a . row e of b)`: a matrix product; i8 activations make i32 rows, i16 activations i64 rows. */
export const foldDot: FoldSemantics = {
  name: "fold_dot",
  opcode: INSTRUCTIONS.fold_dot.opcode,
  kind: "fold",

  validate: (instruction) =>
    firstBroken(
      [instruction.outType === (instruction.a.type === "i8" ? "i32" : "i64"), "i8 makes i32, i16 makes i64"],
      [fixed(instruction.a, instruction.b.length), "a has the length of b's rows"],
      [fixed(outShape(instruction), instruction.b.count), "outLength is the number of b's rows"],
      [instruction.a.type !== "i8" || instruction.b.length <= EXACT_RUN.i8, "K <= 2^16 for i8"],
    ),

  run(instruction, _context, inputs) {
    const row = inputs.row(instruction.a);
    const b = dataOf(inputs.weights(instruction.b), "i8");
    const size = instruction.b.length;
    const count = instruction.outLength;
    if (row.type === "i8") {
      const out = new Int32Array(count);
      for (let e = 0; e < count; e++) out[e] = satNumber(dot(row.data, b, e * size, EXACT_RUN.i8), 31);
      return { type: "i32", data: out };
    }
    const a = dataOf(row, "i16");
    const out = new BigInt64Array(count);
    const pairs = words(out);
    // At most 2^24 * 2^22 = 2^46: exact, and never saturated to 63 bits.
    for (let e = 0; e < count; e++) writeWord(pairs, e, dot(a, b, e * size, EXACT_RUN.i16));
    return { type: "i64", data: out };
  },

  blocks: (instruction) => blockCount(instruction.b.length, blockSize(instruction)),

  evaluate(instruction, _context, element, block, accumulator, reader) {
    let [sum] = block === 0 ? [0n] : previous(instruction, block, accumulator);
    const [first, count] = blockRange(instruction.b.length, blockSize(instruction), block);
    const a = reader.row(instruction.a, first, count);
    const b = reader.weights(instruction.b, element, first, count);
    for (let k = 0; k < count; k++) sum += a[k] * b[k];
    return [sum];
  },

  finish: (instruction, _t, _element, [sum]) => sat(sum, instruction.outType === "i32" ? 31 : 63),
};

function blockSize({ a, b }: Instruction): number {
  const whole = DOT_WHOLE[a.type === "i8" ? "i8" : "i16"];
  return b.length <= whole ? b.length : DOT_BLOCK;
}

/** Dot product of a with the elements of b from `offset`: int32 sums over runs that cannot overflow, added as doubles below 2^46. */
function dot(a: Int8Array | Int16Array, b: Int8Array, offset: number, run: number): number {
  let total = 0;
  for (let first = 0; first < a.length; first += run) {
    const end = Math.min(first + run, a.length);
    let s0 = 0;
    let s1 = 0;
    let k = first;
    for (; k + 3 < end; k += 4) {
      s0 = (s0 + a[k] * b[offset + k] + a[k + 1] * b[offset + k + 1]) | 0;
      s1 = (s1 + a[k + 2] * b[offset + k + 2] + a[k + 3] * b[offset + k + 3]) | 0;
    }
    for (; k < end; k++) s0 = (s0 + a[k] * b[offset + k]) | 0;
    total += s0 + s1;
  }
  return total;
}
