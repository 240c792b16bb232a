import type { Operand } from "../machine/instruction.ts";
import type { Compilation } from "./compilation.ts";
import { type Format, NORM } from "./formats.ts";
import { fixedPoint, tensor } from "./tensors.ts";

/** A gain row, and how large a normalised element can become. */
export type Gain = { readonly row: Operand; readonly scaleBits: number };

/** Adds a norm's gains in 16 fraction bits, each times `factor`. */
export function addGain(
  { tensors, weights }: Compilation,
  tensorName: string,
  name: string,
  size: number,
  factor = 1,
): Gain {
  const data = tensor(tensors, tensorName, size);
  const row = weights.addRow(name, "i32", fixedPoint(tensorName, data, NORM.gainFraction, factor));
  // A normalised element is at most sqrt(size) in magnitude (all of the square sum in one place); one bit covers all
  // rounding.
  const largest = data.reduce((x, y) => Math.max(x, Math.abs(y)), 0) * factor * Math.sqrt(size);
  const bits = NORM.gainFraction + 1 + Math.ceil(Math.log2(Math.max(largest, 1)));
  return { row, scaleBits: Math.min(bits, 31) };
}

/** Emits RMSNorm over groups of the gain's length: rows in this format in, 16 fraction bits out. */
export function emitNorm({ program, config }: Compilation, a: Operand, gain: Operand, format: Format): Operand {
  const groups = a.length / gain.length;
  const squares = program.emit("fold_sumsq", { type: "i64", length: groups, a });
  const eps = Math.max(1, Math.round(config.normEps * 2 ** (2 * format.fraction)));
  const reciprocal = program.map("rms", squares, "i64", { a: squares, p: [gain.length, eps, NORM.u, NORM.c] });
  return program.map("norm", a, "i32", { a, b: reciprocal, c: gain, p: [NORM.s1, NORM.s2] });
}
