import { bounded, mulRshr, rshr, sat } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, isShift, outShape, sameShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf, ELEMENT_BITS, newRow } from "../types.ts";

/** `a * mul / 2^s` in another type: moves the binary point. */
export const rescale: MapSemantics = {
  name: "rescale",
  opcode: INSTRUCTIONS.rescale.opcode,
  kind: "map",

  validate(instruction) {
    const [mul, s] = instruction.p;
    return firstBroken(
      [sameShape(outShape(instruction), instruction.a), "the output has the shape of a"],
      [mul >= 1, "mul in 1..2^31-1"],
      [isShift(s), "s in 0..62"],
    );
  },

  run(instruction, _context, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const [mul, s] = instruction.p;
    const bound = 2 ** ELEMENT_BITS[instruction.outType] - 1;
    const out = newRow(instruction.outType, a.length);
    for (let e = 0; e < a.length; e++) out.data[e] = bounded(mulRshr(a[e], mul, s), bound);
    return out;
  },

  evaluate(instruction, _context, element, reader) {
    const [a] = reader.row(instruction.a, element, 1);
    return sat(rshr(a * BigInt(instruction.p[0]), instruction.p[1]), ELEMENT_BITS[instruction.outType]);
  },
};
