import type { Instruction } from "../instruction.ts";
import { mulRshr, rshr, sat, satNumber } from "../numbers.ts";
import type { FoldSemantics } from "../semantics.ts";
import { firstBroken, isShift, rowShape, within } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/** Score of a position outside the attention window. */
const MASKED = -(2 ** 31 - 1);

/** Attention scores of the query a against the cached keys b, head-major: element `h * (t + 1) + p`. */
export const foldScores: FoldSemantics = {
  name: "fold_scores",
  opcode: INSTRUCTIONS.fold_scores.opcode,
  kind: "fold",

  validate(instruction) {
    const { a, b, outLength, outMode } = instruction;
    const [headSize, mul, shift, window] = instruction.p;
    return firstBroken(
      [within(headSize, 1, 256), "D in 1..256"],
      [outMode === 1, "the output is per position"],
      [a.mode === 0 && a.length === outLength * headSize, "a has length outLength * D"],
      [
        b.length % headSize === 0 && outLength % (b.length / headSize) === 0,
        "b has length Hkv * D, Hkv divides outLength",
      ],
      [within(mul, 1, 2 ** 24 - 1), "mul in 1..2^24-1"],
      [isShift(shift), "shift in 0..62"],
      [window >= 0, "window >= 0"],
    );
  },

  run(instruction, { t }, inputs) {
    const q = dataOf(inputs.row(instruction.a), "i16");
    const keys = dataOf(inputs.cache(instruction.b), "i16");
    const out = new Int32Array(rowShape(instruction, t).length);
    const [headSize, mul, shift] = instruction.p;
    for (let h = 0; h < instruction.outLength; h++) {
      const kvOffset = kvHead(instruction, h) * headSize;
      for (let p = 0; p <= t; p++) {
        const e = h * (t + 1) + p;
        if (isMasked(instruction, t, p)) {
          out[e] = MASKED;
          continue;
        }
        // At most 256 products of 2^30: below 2^38.
        let acc = 0;
        const key = p * instruction.b.length + kvOffset;
        for (let i = 0; i < headSize; i++) acc += q[h * headSize + i] * keys[key + i];
        out[e] = satNumber(mulRshr(acc, mul, shift), 31);
      }
    }
    return { type: "i32", data: out };
  },

  blocks: () => 1,

  evaluate(instruction, { t }, element, _block, _accumulator, reader) {
    const [headSize] = instruction.p;
    if (isMasked(instruction, t, element % (t + 1))) return [0n];
    const h = Math.floor(element / (t + 1));
    const q = reader.row(instruction.a, h * headSize, headSize);
    const k = reader.cache(instruction.b, element % (t + 1), kvHead(instruction, h) * headSize, headSize);
    let acc = 0n;
    for (let i = 0; i < headSize; i++) acc += q[i] * k[i];
    return [acc];
  },

  finish(instruction, t, element, [acc]) {
    if (isMasked(instruction, t, element % (t + 1))) return BigInt(MASKED);
    return sat(rshr(acc * BigInt(instruction.p[1]), instruction.p[2]), 31);
  },
};

/** True if position p lies outside the attention window of position t. */
function isMasked(instruction: Instruction, t: number, p: number): boolean {
  const window = instruction.p[3];
  return window > 0 && p + window <= t;
}

/** The key-value head that query head h reads. */
function kvHead({ outLength, b, p }: Instruction, h: number): number {
  return Math.floor(h / (outLength / (b.length / p[0])));
}
