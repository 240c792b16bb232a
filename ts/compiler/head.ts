import type { Operand } from "../machine/instruction.ts";
import type { Compilation } from "./compilation.ts";
import { TensorRangeError } from "./errors.ts";
import { ACTIVATION, EXP2, SCALE_BITS, SEGMENT } from "./formats.ts";
import { emitLinear, emitQuantize, fillRows, type Matrix, scaleExponent } from "./linear.ts";
import { addGain, emitNorm } from "./norm.ts";
import { rowMagnitudes, tensor } from "./tensors.ts";

/**
 * A matrix over the vocabulary: an int8 row per token, and scales in rows of one segment each, the last one padded with
 * zeros.
 */
export type VocabularyMatrix = Matrix;

/**
 * Adds a matrix of one row per token. Its scales serve `embed` as well as the head: they carry the weights' own scale
 * only.
 */
export function addVocabularyMatrix(compilation: Compilation, tensorName: string, name: string): VocabularyMatrix {
  const { config, tensors, weights } = compilation;
  const { vocabSize, hiddenSize } = config;
  const load = () => tensor(tensors, tensorName, vocabSize * hiddenSize);
  const magnitudes = tensors.magnitudes?.(tensorName, vocabSize) ?? rowMagnitudes(tensorName, load(), vocabSize);
  const real = magnitudes.map((x) => x / 127);
  const exponent = scaleExponent(
    tensorName,
    real.reduce((x, y) => Math.max(x, y), 0),
  );
  return {
    rows: weights.add(name, "i8", hiddenSize, vocabSize, (out) => fillRows(compilation, name, load(), magnitudes, out)),
    scales: weights.add(`${name}.scale`, "i32", SEGMENT, Math.ceil(vocabSize / SEGMENT), (out) => {
      real.forEach((x, token) => {
        out[token] = Math.round(x * 2 ** exponent);
      });
    }),
    exponent,
    source: tensorName,
  };
}

/** Emits `embed`: the input token's row in the residual format. */
export function emitEmbedding({ program, residual }: Compilation, token: Operand, matrix: VocabularyMatrix): Operand {
  if (matrix.exponent < residual.fraction) {
    throw new TensorRangeError(matrix.source, 127 * 2 ** (SCALE_BITS - matrix.exponent));
  }
  return program.emit("embed", {
    type: "i32",
    length: matrix.rows.length,
    a: token,
    b: matrix.rows,
    c: matrix.scales,
    p: [matrix.exponent - residual.fraction, residual.bits],
  });
}

/**
 * Emits the final norm, the logits by segments, and the choice of the token. Returns the operands of the logits' rows.
 */
export function emitHead(
  compilation: Compilation,
  exp2: Operand,
  residual: Operand,
  matrix: VocabularyMatrix,
): Operand[] {
  const { config, program, activations } = compilation;
  // The head's scales carry no 1 / Q (they may be the embedding's). With a gain of 2^b / Q the row's scale is 2^b / Q
  // too large, and what is left to divide by is 2^b, an exponent; the quantised row is the same.
  const bits = activations.head === "i8" ? 7 : 15;
  const factor = 2 ** bits / (2 ** bits - 1);
  const gain = addGain(compilation, "model.norm.weight", "norm", config.hiddenSize, factor);
  const x = emitQuantize(
    compilation,
    emitNorm(compilation, residual, gain.row, compilation.residual),
    activations.head,
    gain.scaleBits,
  );

  const segments = Array.from({ length: matrix.scales.count }, (_, i) => i);
  const logits: Operand[] = [];
  let max: Operand | undefined;
  for (const i of segments) {
    const count = Math.min(SEGMENT, config.vocabSize - i * SEGMENT);
    const segment: Matrix = {
      rows: { ...matrix.rows, index: matrix.rows.index + i * SEGMENT, count },
      scales: { ...matrix.scales, index: matrix.scales.index + i, count: 1 },
      exponent: matrix.exponent + bits,
      source: matrix.source,
    };
    const row = emitLinear(compilation, x, segment, ACTIVATION);
    logits.push(row);
    max = program.emit("fold_max", { type: "i32", length: 1, a: row, ...(max === undefined ? {} : { b: max }) });
  }

  // Logits have 16 fraction bits and the table 2^12 entries an octave: `x * inverse / 2^16` with inverse = log2(e) 2^12
  // / temperature counts entries.
  const mul = Math.round(Math.LOG2E * 2 ** EXP2.tableBits);
  const p = [mul, EXP2.tableBits, EXP2.weightShift];
  const weighed: Operand[] = [];
  let sum: Operand | undefined;
  for (const row of logits) {
    const a = program.map("weigh", row, "i32", { a: row, b: max!, c: exp2, p });
    weighed.push(a);
    sum = program.emit("fold_sum", { type: "i64", length: 1, a, ...(sum === undefined ? {} : { b: sum }) });
  }
  let state = program.emit("draw", { type: "i64", length: 2, a: sum! });
  for (const i of segments) {
    const role = i === segments.length - 1 ? 2 : 0;
    state = program.emit("fold_pick", { type: "i64", length: 2, role, a: weighed[i], b: state, p: [i * SEGMENT] });
  }
  return logits;
}
