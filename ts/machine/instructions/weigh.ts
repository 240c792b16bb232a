import { bounded, fdiv, rshr, rshrNumber, SAFE, sat } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, fixed, isShift, oneRow, outShape, sameShape, within } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

const BOUND = 2 ** 31 - 1;

/**
 * Sampling weights `exp((a - b) / temperature)` of logits a below their maximum b; at temperature 0, 1 for the maxima
 * and 0 for the rest.
 */
export const weigh: MapSemantics = {
  name: "weigh",
  opcode: INSTRUCTIONS.weigh.opcode,
  kind: "map",

  validate(instruction) {
    const { a, b, c } = instruction;
    const [mul, tb, s] = instruction.p;
    return firstBroken(
      [sameShape(outShape(instruction), a), "the output has the shape of a"],
      [fixed(b, 1), "b has length 1"],
      [within(mul, 1, 2 ** 24 - 1), "mul in 1..2^24-1"],
      [within(tb, 1, 16), "tb in 1..16"],
      [oneRow(c) && fixed(c, 2 ** tb), "c is one row of 2^tb entries"],
      [isShift(s), "s in 0..62"],
    );
  },

  run(instruction, { temperature }, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const [max] = dataOf(inputs.row(instruction.b), "i32");
    const table = dataOf(inputs.weights(instruction.c), "i32");
    const [mul, tb, s] = instruction.p;
    const octave = 2 ** tb;
    const out = new Int32Array(a.length);
    if (temperature === 0) {
      for (let e = 0; e < out.length; e++) out[e] = a[e] >= max ? 1 : 0;
      return { type: "i32", data: out };
    }
    const inverse = Number(inverseTemperature(mul, temperature));
    for (let e = 0; e < out.length; e++) {
      const product = Math.max(max - a[e], 0) * inverse;
      // Beyond 2^52 the index is beyond 2^36, hence n beyond 2^20: weight 0.
      if (product > SAFE) continue;
      const i = rshrNumber(product, 16);
      const whole = Math.floor(i / octave);
      if (whole + s <= 62) out[e] = bounded(rshrNumber(table[i - whole * octave], whole + s), BOUND);
    }
    return { type: "i32", data: out };
  },

  evaluate(instruction, { temperature }, element, reader) {
    const [mul, tb, s] = instruction.p;
    const [a] = reader.row(instruction.a, element, 1);
    const [max] = reader.row(instruction.b, 0, 1);
    if (temperature === 0) return a >= max ? 1n : 0n;
    const x = max > a ? max - a : 0n;
    const i = rshr(x * inverseTemperature(mul, temperature), 16);
    const n = (i >> BigInt(tb)) + BigInt(s);
    if (n > 62n) return 0n;
    const [entry] = reader.weights(instruction.c, 0, Number(i % (1n << BigInt(tb))), 1);
    return sat(rshr(entry, Number(n)), 31);
  },
};

/** `mul / temperature` with 16 fraction bits of the temperature removed, at most 2^31 - 1. */
function inverseTemperature(mul: number, temperature: number): bigint {
  const inverse = fdiv(BigInt(mul) << 16n, BigInt(temperature));
  return inverse < BigInt(BOUND) ? inverse : BigInt(BOUND);
}
