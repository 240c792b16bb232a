import { groupBlocks, previous, readGroup } from "../blocks.ts";
import { sat, satNumber } from "../numbers.ts";
import type { FoldSemantics } from "../semantics.ts";
import { firstBroken, groupSize, groupsDivide, outShape, rowShape, sameShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

const LOWEST = -(2 ** 31);

/**
 * `out[e] = sat(max of b[e] and the group of a, 31)`: softmax's maximum, and the head's, chained over segments by b.
 */
export const foldMax: FoldSemantics = {
  name: "fold_max",
  opcode: INSTRUCTIONS.fold_max.opcode,
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
    const a = dataOf(inputs.row(instruction.a), "i32");
    const b = instruction.b.kind === "none" ? undefined : dataOf(inputs.row(instruction.b), "i32");
    const out = new Int32Array(rowShape(instruction, t).length);
    const size = groupSize(instruction.a, outShape(instruction), t);
    for (let e = 0; e < out.length; e++) {
      let max = b === undefined ? LOWEST : b[e];
      for (let i = e * size; i < (e + 1) * size; i++) if (a[i] > max) max = a[i];
      out[e] = satNumber(max, 31);
    }
    return { type: "i32", data: out };
  },

  blocks: groupBlocks,

  evaluate(instruction, { t }, element, block, accumulator, reader) {
    const values = readGroup(instruction, t, element, block, reader);
    let max: bigint;
    if (block > 0) [max] = previous(instruction, block, accumulator);
    else if (instruction.b.kind === "none") max = BigInt(LOWEST);
    else [max] = reader.row(instruction.b, element, 1);
    for (const x of values) if (x > max) max = x;
    return [max];
  },

  finish: (_instruction, _t, _element, [max]) => sat(max, 31),
};
