import type { Operand } from "../machine/instruction.ts";
import type { Compilation } from "./compilation.ts";
import { TensorRangeError } from "./errors.ts";
import { ACTIVATION, type Format, SCALE_BITS } from "./formats.ts";
import { roundRows } from "./rounding.ts";
import { quantizeRows, rowMagnitudes, tensor } from "./tensors.ts";

/**
 * A quantised row: i8 or i16 elements, and the scale row (its largest magnitude, 16 fraction bits) they are relative
 * to.
 */
export type Quantized = {
  readonly row: Operand;
  readonly scale: Operand;
  /** The scale is below `2^scaleBits`. */
  readonly scaleBits: number;
};

/** Type of the activations that enter a matrix product. */
export type ActivationType = "i8" | "i16";

/** Weights and channel scales of a matrix; a channel's real scale is `mantissa / 2^exponent`. */
export type Matrix = {
  readonly rows: Operand;
  readonly scales: Operand;
  readonly exponent: number;
  /** The tensor that it was made of, for errors. */
  readonly source: string;
};

/** Emits the quantisation of a whole row by its largest magnitude. */
export function emitQuantize({ program }: Compilation, a: Operand, type: ActivationType, scaleBits: number): Quantized {
  const scale = program.emit("fold_amax", { type: "i32", length: 1, a });
  return { row: program.map("quantize", a, type, { a, b: scale }), scale, scaleBits };
}

/** Largest exponent E for which `largest * 2^E` is below 2^30, at most 62. */
export function scaleExponent(name: string, largest: number): number {
  if (largest === 0) return SCALE_BITS;
  const exponent = Math.min(SCALE_BITS - 1 - Math.floor(Math.log2(largest)), 62);
  // Rounding may reach 2^30 itself; one bit less is then enough.
  const fitting = Math.round(largest * 2 ** exponent) < 2 ** SCALE_BITS ? exponent : exponent - 1;
  if (fitting < 0) throw new TensorRangeError(name, largest);
  return fitting;
}

/**
 * Adds a matrix's int8 rows and, in one row, its channel scales: the real weight is `w * magnitude / 127`, and the
 * quantised activation is `x * Q / amax`, so the scale row carries `magnitude / (127 * Q)`.
 */
export function addMatrix(
  compilation: Compilation,
  tensorName: string,
  name: string,
  outputs: number,
  inputs: number,
  activation: ActivationType,
): Matrix {
  const { weights, tensors } = compilation;
  const load = () => tensor(tensors, tensorName, outputs * inputs);
  const magnitudes = tensors.magnitudes?.(tensorName, outputs) ?? rowMagnitudes(tensorName, load(), outputs);
  const real = magnitudes.map((x) => x / 127 / (activation === "i8" ? 127 : 32_767));
  const exponent = scaleExponent(
    tensorName,
    real.reduce((x, y) => Math.max(x, y), 0),
  );
  return {
    rows: weights.add(name, "i8", inputs, outputs, (out) => fillRows(compilation, name, load(), magnitudes, out)),
    scales: weights.addRow(
      `${name}.scale`,
      "i32",
      Int32Array.from(real, (x) => Math.round(x * 2 ** exponent)),
    ),
    exponent,
    source: tensorName,
  };
}

/** Writes a matrix's int8 rows, with error feedback if its inputs are known. */
export function fillRows(
  { calibration }: Compilation,
  name: string,
  data: Float32Array,
  magnitudes: Float64Array,
  out: Int8Array,
): void {
  const moments = calibration?.moments(name);
  if (moments === undefined) quantizeRows(data, magnitudes, out);
  else roundRows(data, magnitudes, moments, out);
}

/** Emits `fold_dot` and `dequant`: the product of a quantised row with a matrix, in the given format. */
export function emitLinear({ program }: Compilation, x: Quantized, matrix: Matrix, format: Format): Operand {
  const type = x.row.type === "i8" ? "i32" : "i64";
  const outputs = matrix.rows.count;
  const sums = program.emit("fold_dot", { type, length: outputs, a: x.row, b: matrix.rows });
  return program.emit("dequant", {
    type: "i32",
    length: outputs,
    a: sums,
    b: x.scale,
    c: matrix.scales,
    p: dequantParameters(x, matrix, format),
  });
}

/**
 * `[k, mbits, abits, s, bits]` of `dequant`. The sums are below `K 2^14` (i8) or `K 2^22` (i16), which gives abits, and
 * the multiplier may take the other of 62 bits, 31 at most. `m = scale * mantissa / 2^k` is below
 * `2^(scaleBits + 30 - k)`: the smallest k that makes it fit keeps most precision. With `scale` in 16 fraction bits and the mantissa in E,
 * the product `sum * m` has `16 + E - k` fraction bits, of which s leaves the format's.
 */
function dequantParameters(x: Quantized, matrix: Matrix, { fraction, bits }: Format): readonly number[] {
  const type = x.row.type === "i8" ? "i8" : "i16";
  const abits = Math.min((type === "i8" ? 14 : 22) + Math.ceil(Math.log2(x.row.length)), type === "i8" ? 31 : 38);
  const mbits = Math.min(31, 62 - abits);
  const fractionOf = (k: number) => ACTIVATION.fraction + matrix.exponent - k - fraction;
  let k = Math.max(0, x.scaleBits + SCALE_BITS - mbits);
  // Tiny or huge weights: keep the final shift in 0..62, at the cost of precision or of saturation.
  if (fractionOf(k) > 62) k += fractionOf(k) - 62;
  if (fractionOf(k) < 0) k += fractionOf(k);
  if (k < 0) throw new TensorRangeError(matrix.source, 2 ** (SCALE_BITS - matrix.exponent));
  return [k, mbits, abits, fractionOf(k), bits];
}
