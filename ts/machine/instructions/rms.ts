import type { Parameters8 } from "../instruction.ts";
import { fdiv, isqrt } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, isShift, outShape, sameShape, within } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/** `2^c / sqrt((a / n + eps) * 2^2u)`: the reciprocal root mean square of a group, from its sum of squares. */
export const rms: MapSemantics = {
  name: "rms",
  opcode: INSTRUCTIONS.rms.opcode,
  kind: "map",

  validate(instruction) {
    const [n, eps, u, c] = instruction.p;
    return firstBroken(
      [sameShape(outShape(instruction), instruction.a), "the output has the shape of a"],
      [n >= 1, "n >= 1"],
      [eps >= 1, "eps >= 1"],
      [within(u, 0, 16), "u in 0..16"],
      [isShift(c), "c in 0..62"],
    );
  },

  run(instruction, _context, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i64");
    // One element per group: BigInt is cheap enough here, and needed, since the radicand reaches 2^95.
    return { type: "i64", data: a.map((sum) => reciprocal(sum, instruction.p)) };
  },

  evaluate(instruction, _context, element, reader) {
    const [sum] = reader.row(instruction.a, element, 1);
    return reciprocal(sum, instruction.p);
  },
};

function reciprocal(sum: bigint, [n, eps, u, c]: Parameters8): bigint {
  const mean = fdiv(sum > 0n ? sum : 0n, BigInt(n)) + BigInt(eps);
  return fdiv(1n << BigInt(c), isqrt(mean << BigInt(2 * u)));
}
