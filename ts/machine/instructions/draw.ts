import { fromHex, hashWords } from "../../commit/bytes.ts";
import { sat } from "../numbers.ts";
import type { MapSemantics, StepContext } from "../semantics.ts";
import { firstBroken, fixed, outShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/**
 * The initial state of `fold_pick`: no token yet, and a threshold below the weights' sum a, drawn by the request's
 * hash.
 */
export const draw: MapSemantics = {
  name: "draw",
  opcode: INSTRUCTIONS.draw.opcode,
  kind: "map",

  validate: (instruction) =>
    firstBroken(
      [fixed(outShape(instruction), 2), "the output has length 2"],
      [fixed(instruction.a, 1), "a has length 1"],
    ),

  run(instruction, context, inputs) {
    const [total] = dataOf(inputs.row(instruction.a), "i64");
    return { type: "i64", data: BigInt64Array.of(-1n, threshold(total, context)) };
  },

  evaluate(instruction, context, element, reader) {
    if (element === 0) return -1n;
    const [total] = reader.row(instruction.a, 0, 1);
    return threshold(total, context);
  },
};

function threshold(total: bigint, { requestHash, outputIndex, temperature }: StepContext): bigint {
  if (temperature === 0 || total <= 0n) return 0n;
  const hash = hashWords(fromHex(requestHash), outputIndex);
  const random = new DataView(hash.buffer, hash.byteOffset, 8).getBigUint64(0);
  return sat((random * total) >> 64n, 63);
}
