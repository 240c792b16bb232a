import { bounded, rshr, rshrNumber, sat } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, isShift, outShape, sameShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

const BOUND = 2 ** 15 - 1;

/**
 * Rotary embedding: rotates the pairs (i, i + D/2) of every head by the angles of row t of the table b (cosines, then
 * sines).
 */
export const rope: MapSemantics = {
  name: "rope",
  opcode: INSTRUCTIONS.rope.opcode,
  kind: "map",

  validate(instruction) {
    const { a, b, p } = instruction;
    return firstBroken(
      [sameShape(outShape(instruction), a), "the output has the shape of a"],
      [b.length % 2 === 0 && a.length % b.length === 0, "D is even and divides a"],
      [isShift(p[0]), "shift in 0..62"],
    );
  },

  run(instruction, { t }, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const { length, count } = instruction.b;
    const first = Math.min(t, count - 1) * length;
    const table = dataOf(inputs.weights(instruction.b), "i16").subarray(first, first + length);
    const [shift] = instruction.p;
    const half = length / 2;
    const out = new Int16Array(a.length);
    for (let head = 0; head < a.length; head += length) {
      for (let j = 0; j < half; j++) {
        const cos = table[j];
        const sin = table[half + j];
        const x = a[head + j];
        const y = a[head + half + j];
        // Sums of two products of at most 2^46.
        out[head + j] = bounded(rshrNumber(x * cos - y * sin, shift), BOUND);
        out[head + half + j] = bounded(rshrNumber(y * cos + x * sin, shift), BOUND);
      }
    }
    return { type: "i16", data: out };
  },

  evaluate(instruction, { t }, element, reader) {
    const { length, count } = instruction.b;
    const half = length / 2;
    const i = element % length;
    const j = i % half;
    const row = Math.min(t, count - 1);
    const [x] = reader.row(instruction.a, element, 1);
    const [partner] = reader.row(instruction.a, i < half ? element + half : element - half, 1);
    const [cos] = reader.weights(instruction.b, row, j, 1);
    const [sin] = reader.weights(instruction.b, row, half + j, 1);
    const v = i < half ? x * cos - partner * sin : x * cos + partner * sin;
    return sat(rshr(v, instruction.p[0]), 15);
  },
};
