import type { Instruction } from "../instruction.ts";
import { bounded, fdiv, rshr, sat } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, groupSize, groupsDivide, outShape, sameShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/** Fraction bits of the reciprocal. */
const FRACTION = 47;
/** Low bits of the reciprocal that are multiplied apart, so that both partial products are exact. */
const LOW_BITS = 21;

/** `a * Q / b[group]`, Q = 127 or 32767: symmetric quantisation by the group's largest magnitude b. */
export const quantize: MapSemantics = {
  name: "quantize",
  opcode: INSTRUCTIONS.quantize.opcode,
  kind: "map",

  validate: (instruction) =>
    firstBroken(
      [sameShape(outShape(instruction), instruction.a), "the output has the shape of a"],
      [groupsDivide(instruction.a, instruction.b), "b's length divides a's"],
    ),

  run(instruction, { t }, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const b = dataOf(inputs.row(instruction.b), "i32");
    const size = groupSize(instruction.a, instruction.b, t);
    const bound = 2 ** resultBits(instruction) - 1;
    const out = instruction.outType === "i8" ? new Int8Array(a.length) : new Int16Array(a.length);
    for (let g = 0; g < b.length; g++) {
      const inverse = reciprocal(instruction, BigInt(b[g]));
      const high = Number(inverse >> BigInt(LOW_BITS));
      const low = Number(inverse & BigInt(2 ** LOW_BITS - 1));
      for (let e = g * size; e < (g + 1) * size; e++) {
        // a * inverse = (a * high) 2^21 + a * low with |a * low| <= 2^52. Where a * high reaches 2^50 the result is
        // beyond 2^23 and saturates, so rounding there does no harm; below it the sum is exact, and the final shift by
        // 47 - 21 drops the bits that the inner floor drops.
        const x = a[e] * high + Math.floor(a[e] * low * 2 ** -LOW_BITS);
        out[e] = bounded(Math.floor((x + 2 ** (FRACTION - LOW_BITS - 1)) * 2 ** (LOW_BITS - FRACTION)), bound);
      }
    }
    return out instanceof Int8Array ? { type: "i8", data: out } : { type: "i16", data: out };
  },

  evaluate(instruction, { t }, element, reader) {
    const [a] = reader.row(instruction.a, element, 1);
    const [b] = reader.row(instruction.b, Math.floor(element / groupSize(instruction.a, instruction.b, t)), 1);
    return sat(rshr(a * reciprocal(instruction, b), FRACTION), resultBits(instruction));
  },
};

const resultBits = ({ outType }: Instruction): number => (outType === "i8" ? 7 : 15);

/** `Q * 2^47 / b`, Q the largest value of the output type: at most 2^62. */
function reciprocal(instruction: Instruction, b: bigint): bigint {
  const largest = (1n << BigInt(resultBits(instruction))) - 1n;
  return fdiv(largest << BigInt(FRACTION), b);
}
