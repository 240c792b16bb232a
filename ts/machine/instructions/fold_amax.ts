import { groupBlocks, previous, readGroup } from "../blocks.ts";
import { sat, satNumber } from "../numbers.ts";
import type { FoldSemantics } from "../semantics.ts";
import { firstBroken, groupSize, groupsDivide, outShape, rowShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/** `out[e] = sat(max over the group of |a|, 31)`: the scale of a row that is about to be quantised. */
export const foldAmax: FoldSemantics = {
  name: "fold_amax",
  opcode: INSTRUCTIONS.fold_amax.opcode,
  kind: "fold",

  validate: (instruction) =>
    firstBroken(
      [instruction.outMode === 0, "the output has a fixed length"],
      [groupsDivide(instruction.a, outShape(instruction)), "outLength divides a"],
    ),

  run(instruction, { t }, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const out = new Int32Array(rowShape(instruction, t).length);
    const size = groupSize(instruction.a, outShape(instruction), t);
    for (let e = 0; e < out.length; e++) {
      let max = 0;
      for (let i = e * size; i < (e + 1) * size; i++) {
        const x = a[i] < 0 ? -a[i] : a[i];
        if (x > max) max = x;
      }
      out[e] = satNumber(max, 31);
    }
    return { type: "i32", data: out };
  },

  blocks: groupBlocks,

  evaluate(instruction, { t }, element, block, accumulator, reader) {
    let [max] = block === 0 ? [0n] : previous(instruction, block, accumulator);
    for (const x of readGroup(instruction, t, element, block, reader)) {
      const magnitude = x < 0n ? -x : x;
      if (magnitude > max) max = magnitude;
    }
    return [max];
  },

  finish: (_instruction, _t, _element, [max]) => sat(max, 31),
};
