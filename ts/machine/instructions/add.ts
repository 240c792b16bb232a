import { bounded, sat } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, fixed, isBits, oneRow, outShape, sameShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/** `sat(a + b, bits)`: residual sums, and biases where b is a weight row. */
export const add: MapSemantics = {
  name: "add",
  opcode: INSTRUCTIONS.add.opcode,
  kind: "map",

  validate(instruction) {
    const { a, b, p } = instruction;
    return firstBroken(
      [sameShape(outShape(instruction), a), "the output has the shape of a"],
      b.kind === "weights"
        ? [oneRow(b) && fixed(a, b.length), "b is one row of a's fixed length"]
        : [sameShape(a, b), "b has the shape of a"],
      [isBits(p[0]), "bits in 1..31"],
    );
  },

  run(instruction, _context, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const b = dataOf(
      instruction.b.kind === "weights" ? inputs.weights(instruction.b) : inputs.row(instruction.b),
      "i32",
    );
    const out = new Int32Array(a.length);
    const bound = 2 ** instruction.p[0] - 1;
    for (let e = 0; e < out.length; e++) out[e] = bounded(a[e] + b[e], bound);
    return { type: "i32", data: out };
  },

  evaluate(instruction, _context, element, reader) {
    const [a] = reader.row(instruction.a, element, 1);
    const [b] =
      instruction.b.kind === "weights"
        ? reader.weights(instruction.b, 0, element, 1)
        : reader.row(instruction.b, element, 1);
    return sat(a + b, instruction.p[0]);
  },
};
