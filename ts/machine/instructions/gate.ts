import { bounded, clamp, mulRshr, rshr, rshrNumber, sat } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, isShift, oneRow, outShape, sameShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

const BOUND = 2 ** 31 - 1;

/** `a * w(a) * b` with w from the table c, centred on zero: the gated activation (for SiLU, w is the sigmoid). */
export const gate: MapSemantics = {
  name: "gate",
  opcode: INSTRUCTIONS.gate.opcode,
  kind: "map",

  validate(instruction) {
    const { a, b, c, p } = instruction;
    return firstBroken(
      [sameShape(outShape(instruction), a), "the output has the shape of a"],
      [sameShape(a, b), "b has the shape of a"],
      [oneRow(c) && c.length % 2 === 0, "c is one row of even length"],
      [isShift(p[0]), "s1 in 0..62"],
      [isShift(p[1]), "s2 in 0..62"],
      [isShift(p[2]), "s3 in 0..62"],
    );
  },

  run(instruction, _context, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const b = dataOf(inputs.row(instruction.b), "i32");
    const table = dataOf(inputs.weights(instruction.c), "i16");
    const [s1, s2, s3] = instruction.p;
    const last = instruction.c.length - 1;
    const middle = instruction.c.length / 2;
    const out = new Int32Array(a.length);
    for (let e = 0; e < out.length; e++) {
      const weight = table[Math.min(Math.max(rshrNumber(a[e], s1) + middle, 0), last)];
      // |a * weight| <= 2^46.
      const x = bounded(rshrNumber(a[e] * weight, s2), BOUND);
      out[e] = bounded(mulRshr(x, b[e], s3), BOUND);
    }
    return { type: "i32", data: out };
  },

  evaluate(instruction, _context, element, reader) {
    const [s1, s2, s3] = instruction.p;
    const [a] = reader.row(instruction.a, element, 1);
    const [b] = reader.row(instruction.b, element, 1);
    const length = BigInt(instruction.c.length);
    const place = clamp(rshr(a, s1) + length / 2n, 0n, length - 1n);
    const [weight] = reader.weights(instruction.c, 0, Number(place), 1);
    const x = sat(rshr(a * weight, s2), 31);
    return sat(rshr(x * b, s3), 31);
  },
};
