import { groupBlocks, previous, readGroup } from "../blocks.ts";
import { sat } from "../numbers.ts";
import type { FoldSemantics } from "../semantics.ts";
import { firstBroken, groupSize, groupsDivide, outShape, rowShape, sameShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/** Elements whose sum of 31-bit values is exact in a double: 2^21 * 2^31 = 2^52. */
const EXACT_RUN = 2 ** 21;

/**
 * `out[e] = sat(b[e] + sum of the group of a, 63)`: softmax's denominator, and the head's, chained over segments by b.
 */
export const foldSum: FoldSemantics = {
  name: "fold_sum",
  opcode: INSTRUCTIONS.fold_sum.opcode,
  kind: "fold",

  validate: (instruction) =>
    firstBroken(
      [instruction.outMode === 0, "the output has a fixed length"],
      [groupsDivide(instruction.a, outShape(instruction)), "outLength divides a"],
      [
        instruction.b.kind === "none" || sameShape(instruction.b, outShape(instruction)),
        "b has the shape of the output",
      ],
    ),

  run(instruction, { t }, inputs) {
    const row = inputs.row(instruction.a);
    const a = row.type === "i16" ? row.data : dataOf(row, "i32");
    const b = instruction.b.kind === "none" ? undefined : dataOf(inputs.row(instruction.b), "i64");
    const out = new BigInt64Array(rowShape(instruction, t).length);
    const size = groupSize(instruction.a, outShape(instruction), t);
    for (let e = 0; e < out.length; e++) {
      let total = b === undefined ? 0n : b[e];
      for (let first = 0; first < size; first += EXACT_RUN) {
        let sum = 0;
        const end = e * size + Math.min(first + EXACT_RUN, size);
        for (let i = e * size + first; i < end; i++) sum += a[i];
        total += BigInt(sum);
      }
      out[e] = sat(total, 63);
    }
    return { type: "i64", data: out };
  },

  blocks: groupBlocks,

  evaluate(instruction, { t }, element, block, accumulator, reader) {
    const values = readGroup(instruction, t, element, block, reader);
    let sum = 0n;
    if (block > 0) [sum] = previous(instruction, block, accumulator);
    else if (instruction.b.kind !== "none") [sum] = reader.row(instruction.b, element, 1);
    for (const x of values) sum += x;
    return [sum];
  },

  finish: (_instruction, _t, _element, [sum]) => sat(sum, 63),
};
