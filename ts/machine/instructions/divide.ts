import { bounded, fdiv, floorDivNumber, readWord, SAFE, sat, words } from "../numbers.ts";
import type { MapSemantics } from "../semantics.ts";
import { firstBroken, groupSize, groupsDivide, isShift, outShape, sameShape } from "../shape.ts";
import { INSTRUCTIONS } from "../table.ts";
import { dataOf } from "../types.ts";

const BOUND = 2 ** 31 - 1;

/** `a * 2^k / b[group]`, rounded: softmax's division, once per output. */
export const divide: MapSemantics = {
  name: "divide",
  opcode: INSTRUCTIONS.divide.opcode,
  kind: "map",

  validate: (instruction) =>
    firstBroken(
      [sameShape(outShape(instruction), instruction.a), "the output has the shape of a"],
      [groupsDivide(instruction.a, instruction.b), "b's length divides a's"],
      [isShift(instruction.p[0]), "k in 0..62"],
    ),

  run(instruction, { t }, inputs) {
    const a = dataOf(inputs.row(instruction.a), "i64");
    const b = dataOf(inputs.row(instruction.b), "i64");
    const pairs = words(a);
    const size = groupSize(instruction.a, instruction.b, t);
    const [k] = instruction.p;
    const scale = 2 ** k;
    const out = new Int32Array(a.length);
    for (let g = 0; g < b.length; g++) {
      const divisor = Math.max(Number(b[g]), 1);
      const half = Math.floor(divisor / 2);
      for (let e = g * size; e < (g + 1) * size; e++) {
        const x = readWord(pairs, e);
        if (divisor <= SAFE && Math.abs(x) <= SAFE) {
          // x = q d + r: floor((x 2^k + h) / d) = q 2^k + floor((r 2^k + h) / d).
          const q = floorDivNumber(x, divisor);
          const rest = (x - q * divisor) * scale + half;
          if (rest <= SAFE) {
            // A q 2^k that rounds is beyond 2^53, and the result saturates.
            out[e] = bounded(q * scale + floorDivNumber(rest, divisor), BOUND);
            continue;
          }
        }
        out[e] = Number(quotient(a[e], b[g], k));
      }
    }
    return { type: "i32", data: out };
  },

  evaluate(instruction, { t }, element, reader) {
    const [a] = reader.row(instruction.a, element, 1);
    const [b] = reader.row(instruction.b, Math.floor(element / groupSize(instruction.a, instruction.b, t)), 1);
    return quotient(a, b, instruction.p[0]);
  },
};

function quotient(a: bigint, b: bigint, k: number): bigint {
  const divisor = b > 1n ? b : 1n;
  return sat(fdiv((a << BigInt(k)) + (divisor >> 1n), divisor), 31);
}
