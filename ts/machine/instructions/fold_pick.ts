import { blockCount, blockRange, GROUP_BLOCK, previous } from "../blocks.ts";
import { SAFE, sat } from "../numbers.ts";
import type { Accumulator, FoldSemantics } from "../semantics.ts";
import { firstBroken, fixed, lengthAt, outShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

/**
 * Walks the weights a in order and picks the first token at which their running sum exceeds the threshold. The state
 * (token, threshold) comes from b and is passed on, so that segments of a vocabulary form a chain.
 */
export const foldPick: FoldSemantics = {
  name: "fold_pick",
  opcode: INSTRUCTIONS.fold_pick.opcode,
  kind: "fold",

  validate: (instruction) =>
    firstBroken(
      [fixed(outShape(instruction), 2), "the output has length 2"],
      [fixed(instruction.b, 2), "b has length 2"],
      [instruction.p[0] >= 0, "base >= 0"],
    ),

  run(instruction, _context, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i32");
    const [token, threshold] = dataOf(inputs.row(instruction.b), "i64");
    if (token >= 0n || threshold < 0n || threshold > BigInt(SAFE)) {
      const state = walk(Array.from(a, BigInt), instruction.p[0], [token, threshold]);
      return { type: "i64", data: BigInt64Array.from(state, (x) => sat(x, 63)) };
    }
    // The walk subtracts only what the threshold covers: it stays within 0..2^52, where doubles are exact.
    let left = Number(threshold);
    let k = 0;
    for (; k < a.length; k++) {
      const v = Math.max(a[k], 0);
      if (v > left) break;
      left -= v;
    }
    const picked = k < a.length ? BigInt(instruction.p[0] + k) : sat(token, 63);
    return { type: "i64", data: BigInt64Array.of(picked, BigInt(left)) };
  },

  blocks: (instruction, t) => blockCount(lengthAt(instruction.a, t), GROUP_BLOCK),

  evaluate(instruction, { t }, _element, block, accumulator, reader) {
    const [first, count] = blockRange(lengthAt(instruction.a, t), GROUP_BLOCK, block);
    const values = reader.row(instruction.a, first, count);
    const state = block === 0 ? reader.row(instruction.b, 0, 2) : previous(instruction, block, accumulator);
    return walk(values, instruction.p[0] + first, state);
  },

  finish: (_instruction, _t, element, accumulator) => sat(accumulator[element], 63),
};

/** The state after weights that belong to the tokens `base, base + 1, ...`. */
function walk(values: readonly bigint[], base: number, [token, threshold]: Accumulator): Accumulator {
  for (let k = 0; k < values.length && token < 0n; k++) {
    const v = values[k] > 0n ? values[k] : 0n;
    if (v > threshold) token = BigInt(base + k);
    else threshold -= v;
  }
  return [token, threshold];
}
