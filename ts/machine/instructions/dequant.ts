import type { Parameters8 } from "../instruction.ts";
import { bounded, mulRshr, readWord, rshr, sat, words } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, fixed, isBits, isShift, oneRow, outShape, sameShape, within } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/**
 * A matrix product's sums back to fixed point: `a * m`, m the product of the row's scale b and the channel's scale c.
 */
export const dequant: MapSemantics = {
  name: "dequant",
  opcode: INSTRUCTIONS.dequant.opcode,
  kind: "map",

  validate(instruction) {
    const { a, b, c } = instruction;
    const [k, mbits, abits, s, bits] = instruction.p;
    return firstBroken(
      [a.mode === 0 && sameShape(outShape(instruction), a), "the output has the fixed shape of a"],
      [fixed(b, 1), "b has length 1"],
      [oneRow(c) && c.length >= a.length, "c is one row of at least a's length"],
      [isShift(k), "k in 0..62"],
      [within(mbits, 1, 61), "mbits in 1..61"],
      [within(abits, 1, 61), "abits in 1..61"],
      [mbits + abits <= 62, "abits + mbits <= 62"],
      [isShift(s), "s in 0..62"],
      [isBits(bits), "bits in 1..31"],
    );
  },

  run(instruction, _context, inputs) {
    const row = inputs.row(instruction.a);
    const [scale] = dataOf(inputs.row(instruction.b), "i32");
    const channel = dataOf(inputs.weights(instruction.c), "i32");
    const [k, mbits, abits, s, bits] = instruction.p;
    const out = new Int32Array(instruction.outLength);
    // Beyond these widths `mulRshr` is not exact.
    if (mbits > 31 || abits > 38) {
      for (let e = 0; e < out.length; e++) {
        out[e] = Number(scaled(BigInt(row.data[e]), BigInt(scale), BigInt(channel[e]), instruction.p));
      }
      return { type: "i32", data: out };
    }
    const mBound = 2 ** mbits - 1;
    const aBound = 2 ** abits - 1;
    const bound = 2 ** bits - 1;
    // An i64 beyond 2^53 is read rounded, but saturates to abits <= 38 all the same.
    const pairs = row.type === "i64" ? words(row.data) : undefined;
    const a = row.type === "i64" ? undefined : dataOf(row, "i32");
    for (let e = 0; e < out.length; e++) {
      const x = pairs === undefined ? a![e] : readWord(pairs, e);
      const m = bounded(mulRshr(scale, channel[e], k), mBound);
      out[e] = bounded(mulRshr(bounded(x, aBound), m, s), bound);
    }
    return { type: "i32", data: out };
  },

  evaluate(instruction, _context, element, reader) {
    const [a] = reader.row(instruction.a, element, 1);
    const [b] = reader.row(instruction.b, 0, 1);
    const [c] = reader.weights(instruction.c, 0, element, 1);
    return scaled(a, b, c, instruction.p);
  },
};

function scaled(a: bigint, b: bigint, c: bigint, [k, mbits, abits, s, bits]: Parameters8): bigint {
  const m = sat(rshr(b * c, k), mbits);
  return sat(rshr(sat(a, abits) * m, s), bits);
}
