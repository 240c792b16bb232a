import { groupBlocks, previous, readGroup } from "../blocks.ts";
import { SAFE, sat } from "../numbers.ts";
import type { FoldSemantics } from "../semantics.ts";
import { firstBroken, groupSize, groupsDivide, outShape, rowShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/** So many squares of 24-bit values fit int64. */
const LONGEST_GROUP = 2 ** 14;

/** `out[e] = sat(sum over the group of a^2, 63)`: the mean square of RMSNorm before its division. */
export const foldSumsq: FoldSemantics = {
  name: "fold_sumsq",
  opcode: INSTRUCTIONS.fold_sumsq.opcode,
  kind: "fold",

  validate: (instruction, contextLength) =>
    firstBroken(
      [instruction.outMode === 0, "the output has a fixed length"],
      [groupsDivide(instruction.a, outShape(instruction)), "outLength divides a"],
      // The longest group over positions is that of the last one.
      [groupSize(instruction.a, outShape(instruction), contextLength - 1) <= LONGEST_GROUP, "g <= 2^14"],
    ),

  run(instruction, { t }, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const out = new BigInt64Array(rowShape(instruction, t).length);
    const size = groupSize(instruction.a, outShape(instruction), t);
    for (let e = 0; e < out.length; e++) {
      // `total` holds what has left the exact range of `sum`: both addends are at most 2^52, so no addition rounds.
      let total = 0n;
      let sum = 0;
      for (let i = e * size; i < (e + 1) * size; i++) {
        const square = a[i] * a[i];
        if (square > SAFE) {
          total += BigInt(a[i]) * BigInt(a[i]);
          continue;
        }
        sum += square;
        if (sum > SAFE) {
          total += BigInt(sum);
          sum = 0;
        }
      }
      out[e] = sat(total + BigInt(sum), 63);
    }
    return { type: "i64", data: out };
  },

  blocks: groupBlocks,

  evaluate(instruction, { t }, element, block, accumulator, reader) {
    let [sum] = block === 0 ? [0n] : previous(instruction, block, accumulator);
    for (const x of readGroup(instruction, t, element, block, reader)) sum += x * x;
    return [sum];
  },

  finish: (_instruction, _t, _element, [sum]) => sat(sum, 63),
};
