import { bounded, rshr, rshrNumber, sat } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, fixed, isBits, isShift, outShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/**
 * The embedding row of the input token, scaled to fixed point: i8 weights b times one i32 scale per token, rows of c.
 */
export const embed: MapSemantics = {
  name: "embed",
  opcode: INSTRUCTIONS.embed.opcode,
  kind: "map",

  validate(instruction) {
    const { b, c, p } = instruction;
    return firstBroken(
      [fixed(outShape(instruction), b.length), "outLength is the length of b's rows"],
      [c.length * c.count >= b.count, "c has a scale for every row of b"],
      [isShift(p[0]), "shift in 0..62"],
      [isBits(p[1]), "bits in 1..31"],
    );
  },

  run(instruction, { token }, inputs) {
    const { b, c } = instruction;
    const [shift, bits] = instruction.p;
    const tok = Math.min(token, b.count - 1);
    const scale = dataOf(inputs.weights(c), "i32")[tok];
    const row = dataOf(inputs.weights(b), "i8").subarray(tok * b.length, (tok + 1) * b.length);
    const out = new Int32Array(instruction.outLength);
    const bound = 2 ** bits - 1;
    // |row * scale| <= 2^38.
    for (let e = 0; e < out.length; e++) out[e] = bounded(rshrNumber(row[e] * scale, shift), bound);
    return { type: "i32", data: out };
  },

  evaluate(instruction, _context, element, reader) {
    const { b, c } = instruction;
    const [shift, bits] = instruction.p;
    const token = reader.token();
    const tok = token < BigInt(b.count) ? Number(token) : b.count - 1;
    const [x] = reader.weights(b, tok, element, 1);
    const [scale] = reader.weights(c, Math.min(Math.floor(tok / c.length), c.count - 1), tok % c.length, 1);
    return sat(rshr(x * scale, shift), bits);
  },
};
