import { bounded, mulRshr, rshr, sat } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, fixed, groupSize, groupsDivide, isShift, oneRow, outShape, sameShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

const BOUND = 2 ** 31 - 1;

/** `a * b[group] * c[place in the group]`: RMSNorm's multiplication by the reciprocal b and the gain c. */
export const norm: MapSemantics = {
  name: "norm",
  opcode: INSTRUCTIONS.norm.opcode,
  kind: "map",

  validate(instruction) {
    const { a, b, c, p } = instruction;
    return firstBroken(
      [sameShape(outShape(instruction), a), "the output has the shape of a"],
      [a.mode === b.mode && groupsDivide(a, b), "a and b have one mode, b's length divides a's"],
      [oneRow(c) && fixed(c, a.length / b.length), "c is one row of the group's length"],
      [isShift(p[0]), "s1 in 0..62"],
      [isShift(p[1]), "s2 in 0..62"],
    );
  },

  run(instruction, { t }, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const b = dataOf(inputs.row(instruction.b), "i64");
    const gain = dataOf(inputs.weights(instruction.c), "i32");
    const [s1, s2] = instruction.p;
    const size = groupSize(instruction.a, instruction.b, t);
    const out = new Int32Array(a.length);
    for (let g = 0; g < b.length; g++) {
      const factor = Number(b[g]);
      const exact = Number.isSafeInteger(factor);
      for (let i = 0; i < size; i++) {
        const e = g * size + i;
        const x = exact ? bounded(mulRshr(a[e], factor, s1), BOUND) : Number(sat(rshr(BigInt(a[e]) * b[g], s1), 31));
        out[e] = bounded(mulRshr(x, gain[i], s2), BOUND);
      }
    }
    return { type: "i32", data: out };
  },

  evaluate(instruction, { t }, element, reader) {
    const size = groupSize(instruction.a, instruction.b, t);
    const [a] = reader.row(instruction.a, element, 1);
    const [b] = reader.row(instruction.b, Math.floor(element / size), 1);
    const [gain] = reader.weights(instruction.c, 0, element % size, 1);
    const x = sat(rshr(a * b, instruction.p[0]), 31);
    return sat(rshr(x * gain, instruction.p[1]), 31);
  },
};
