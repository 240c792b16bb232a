import { blockCount, blockRange, DOT_BLOCK, DOT_WHOLE, previous } from "../blocks.ts";
import { dotRowsI8, dotRowsI16 } from "../dot.ts";
import type { Instruction } from "../instruction.ts";
import { sat, satNumber, words, writeWord } from "../numbers.ts";
import type { FoldSemantics } from "../semantics.ts";
import { firstBroken, fixed, outShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/** Longest i8 row whose sums fit i32 without saturation: 2^16 * 2^14 = 2^30. */
const LONGEST_I8 = 2 ** 16;

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
      [instruction.a.type !== "i8" || instruction.b.length <= LONGEST_I8, "K <= 2^16 for i8"],
    ),

  run(instruction, _context, inputs) {
    const a = inputs.row(instruction.a);
    const b = dataOf(inputs.weights(instruction.b), "i8");
    const sums = new Float64Array(instruction.outLength);
    if (a.type === "i8") {
      dotRowsI8(a.data, b, sums);
      return { type: "i32", data: Int32Array.from(sums, (x) => satNumber(x, 31)) };
    }
    dotRowsI16(dataOf(a, "i16"), b, sums);
    const out = new BigInt64Array(sums.length);
    const pairs = words(out);
    // At most 2^46 in magnitude: never saturated to 63 bits.
    for (let e = 0; e < sums.length; e++) writeWord(pairs, e, sums[e]);
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
