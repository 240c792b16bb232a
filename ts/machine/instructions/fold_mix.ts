import { previous } from "../blocks.ts";
import type { Instruction } from "../instruction.ts";
import { sat, words, writeWord } from "../numbers.ts";
import type { FoldSemantics } from "../semantics.ts";
import { firstBroken, fixed, outShape, within } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/**
 * The cached values b, weighed over all positions by a, head-major `h * (t + 1) + p`; not yet divided by the weights'
 * sum.
 */
export const foldMix: FoldSemantics = {
  name: "fold_mix",
  opcode: INSTRUCTIONS.fold_mix.opcode,
  kind: "fold",

  validate(instruction) {
    const { a, b } = instruction;
    const [headSize] = instruction.p;
    return firstBroken(
      [within(headSize, 1, 2 ** 24), "D >= 1"],
      [a.mode === 1, "a is per position"],
      [fixed(outShape(instruction), a.length * headSize), "outLength is H * D"],
      [b.length % headSize === 0 && a.length % (b.length / headSize) === 0, "b has length Hkv * D, Hkv divides H"],
    );
  },

  run(instruction, { t }, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i16");
    const values = dataOf(inputs.cache(instruction.b), "i16");
    const [headSize] = instruction.p;
    // At most 2^22 positions (contextLength) of 2^30: 2^52.
    const sums = new Float64Array(instruction.outLength);
    for (let h = 0; h < instruction.a.length; h++) {
      const kvOffset = kvHead(instruction, h) * headSize;
      for (let p = 0; p <= t; p++) {
        const weight = a[h * (t + 1) + p];
        if (weight === 0) continue;
        const value = p * instruction.b.length + kvOffset;
        for (let i = 0; i < headSize; i++) sums[h * headSize + i] += weight * values[value + i];
      }
    }
    const out = new BigInt64Array(sums.length);
    const pairs = words(out);
    for (let e = 0; e < sums.length; e++) writeWord(pairs, e, sums[e]);
    return { type: "i64", data: out };
  },

  blocks: (_instruction, t) => t + 1,

  evaluate(instruction, { t }, element, block, accumulator, reader) {
    const [headSize] = instruction.p;
    const h = Math.floor(element / headSize);
    const [sum] = block === 0 ? [0n] : previous(instruction, block, accumulator);
    const [weight] = reader.row(instruction.a, h * (t + 1) + block, 1);
    const [value] = reader.cache(instruction.b, block, kvHead(instruction, h) * headSize + (element % headSize), 1);
    return [sum + weight * value];
  },

  finish: (_instruction, _t, _element, [sum]) => sat(sum, 63),
};

/** The key-value head that query head h reads. */
function kvHead({ a, b, p }: Instruction, h: number): number {
  return Math.floor(h / (a.length / (b.length / p[0])));
}
