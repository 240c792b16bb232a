import { bounded, rshr, rshrNumber, sat } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, fixed, groupSize, groupsDivide, isShift, oneRow, outShape, sameShape, within } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/**
 * `2^(a - b[group])`: softmax's numerators, from a table c of one octave whose entries are shifted right by whole
 * octaves.
 */
export const exp2: MapSemantics = {
  name: "exp2",
  opcode: INSTRUCTIONS.exp2.opcode,
  kind: "map",

  validate(instruction) {
    const { a, b, c } = instruction;
    const [f, tb, s] = instruction.p;
    return firstBroken(
      [sameShape(outShape(instruction), a), "the output has the shape of a"],
      [groupsDivide(a, b), "b's length divides a's"],
      [within(tb, 1, 16), "tb in 1..16"],
      [oneRow(c) && fixed(c, 2 ** tb), "c is one row of 2^tb entries"],
      [isShift(f) && f >= tb, "f in tb..62"],
      [isShift(s), "s in 0..62"],
    );
  },

  run(instruction, { t }, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const b = dataOf(inputs.row(instruction.b), "i32");
    const table = dataOf(inputs.weights(instruction.c), "i32");
    const [f, tb, s] = instruction.p;
    const size = groupSize(instruction.a, instruction.b, t);
    const octave = 2 ** tb;
    const out = instruction.outType === "i16" ? new Int16Array(a.length) : new Int32Array(a.length);
    const bound = instruction.outType === "i16" ? 2 ** 15 - 1 : 2 ** 31 - 1;
    for (let e = 0; e < out.length; e++) {
      // x < 2^32 and every table entry is below 2^31: all of it exact.
      const x = Math.max(b[Math.floor(e / size)] - a[e], 0);
      const i = rshrNumber(x, f - tb);
      const whole = Math.floor(i / octave);
      if (whole + s <= 62) out[e] = bounded(rshrNumber(table[i - whole * octave], whole + s), bound);
    }
    return out instanceof Int16Array ? { type: "i16", data: out } : { type: "i32", data: out };
  },

  evaluate(instruction, { t }, element, reader) {
    const [f, tb, s] = instruction.p;
    const [a] = reader.row(instruction.a, element, 1);
    const [b] = reader.row(instruction.b, Math.floor(element / groupSize(instruction.a, instruction.b, t)), 1);
    const x = b > a ? b - a : 0n;
    const i = rshr(x, f - tb);
    const n = (i >> BigInt(tb)) + BigInt(s);
    if (n > 62n) return 0n;
    const [entry] = reader.weights(instruction.c, 0, Number(i % (1n << BigInt(tb))), 1);
    return sat(rshr(entry, Number(n)), instruction.outType === "i16" ? 15 : 31);
  },
};
