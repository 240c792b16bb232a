import type { Operand } from "../machine/instruction.ts";
import type { Compilation } from "./compilation.ts";
import {
  ACTIVATION,
  EXP2,
  type Format,
  HEAD,
  QUERY_KEY_FRACTION,
  ROPE_FRACTION,
  SCORE_FRACTION,
  VALUE,
} from "./formats.ts";
import { addMatrix, emitLinear, emitQuantize, type Quantized } from "./linear.ts";
import { addGain, emitNorm } from "./norm.ts";
import { fixedPoint, tensor } from "./tensors.ts";

/** Tables that all layers share. */
export type Tables = { readonly exp2: Operand; readonly gate: Operand; readonly rope: Operand };

/** Emits the attention block of a layer: residual row in, residual row out. */
export function emitAttention(compilation: Compilation, tables: Tables, layer: number, residual: Operand): Operand {
  const { config, program, activations, residual: residualFormat } = compilation;
  const { heads, kvHeads, headSize, hiddenSize } = config;
  const tensorPrefix = `model.layers.${layer}`;
  const prefix = `layers.${layer}`;
  const gain = addGain(compilation, `${tensorPrefix}.input_layernorm.weight`, `${prefix}.attention_norm`, hiddenSize);
  const x = emitQuantize(
    compilation,
    emitNorm(compilation, residual, gain.row, residualFormat),
    activations.attention,
    gain.scaleBits,
  );

  const rotate = (a: Operand, role: 0 | 1) =>
    program.map("rope", a, "i16", {
      role,
      a,
      b: tables.rope,
      p: [ACTIVATION.fraction + ROPE_FRACTION - QUERY_KEY_FRACTION],
    });
  const q = rotate(emitHeads(compilation, layer, "q", x, heads), 0);
  const k = rotate(emitHeads(compilation, layer, "k", x, kvHeads), 1);
  const values = emitHeads(compilation, layer, "v", x, kvHeads);
  const v = program.map("rescale", values, "i16", { role: 1, a: values, p: [1, ACTIVATION.fraction - VALUE.fraction] });

  const [mul, shift] = scoreScale(headSize);
  const scores = program.emit("fold_scores", {
    type: "i32",
    length: heads,
    mode: 1,
    a: q,
    b: k,
    p: [headSize, mul, shift, config.window],
  });
  const max = program.emit("fold_max", { type: "i32", length: heads, a: scores });
  const numerators = program.map("exp2", scores, "i16", {
    a: scores,
    b: max,
    c: tables.exp2,
    p: [SCORE_FRACTION, EXP2.tableBits, EXP2.numeratorShift],
  });
  const sum = program.emit("fold_sum", { type: "i64", length: heads, a: numerators });
  const mix = program.emit("fold_mix", { type: "i64", length: heads * headSize, a: numerators, b: v, p: [headSize] });
  // Numerators and their sum are both Q15: the quotient has v's fraction bits, and k adds the rest.
  const mixed = program.map("divide", mix, "i32", { a: mix, b: sum, p: [ACTIVATION.fraction - VALUE.fraction] });

  // An average of values of 15 bits with 10 fraction bits, in 16 fraction bits.
  const scaleBits = VALUE.bits + ACTIVATION.fraction - VALUE.fraction;
  const y = emitQuantize(compilation, mixed, activations.mixed, scaleBits);
  const output = addMatrix(
    compilation,
    `${tensorPrefix}.self_attn.o_proj.weight`,
    `${prefix}.o`,
    hiddenSize,
    heads * headSize,
    activations.mixed,
  );
  let projected = emitLinear(compilation, y, output, residualFormat);
  if (config.outputBias) {
    projected = emitBias(
      compilation,
      projected,
      `${tensorPrefix}.self_attn.o_proj.bias`,
      `${prefix}.o.bias`,
      residualFormat,
    );
  }
  return program.map("add", residual, "i32", { a: residual, b: projected, p: [residualFormat.bits] });
}

/** Emits the projection of x to heads, with bias and per-head norm where the model has them: 16 fraction bits out. */
function emitHeads(
  compilation: Compilation,
  layer: number,
  which: "q" | "k" | "v",
  x: Quantized,
  count: number,
): Operand {
  const { config, activations } = compilation;
  const { headSize, hiddenSize, qkNorm, attentionBias } = config;
  const tensorPrefix = `model.layers.${layer}.self_attn.${which}`;
  const name = `layers.${layer}.${which}`;
  const size = count * headSize;
  const normed = qkNorm && which !== "v";
  // The square sum of a norm must fit.
  const format: Format = normed ? HEAD : ACTIVATION;
  const matrix = addMatrix(compilation, `${tensorPrefix}_proj.weight`, name, size, hiddenSize, activations.attention);
  let row = emitLinear(compilation, x, matrix, format);
  if (attentionBias) row = emitBias(compilation, row, `${tensorPrefix}_proj.bias`, `${name}.bias`, format);
  if (normed) {
    const gain = addGain(compilation, `${tensorPrefix}_norm.weight`, `${name}.norm`, headSize);
    row = emitNorm(compilation, row, gain.row, format);
  }
  return row;
}

/** Emits the addition of a bias to a row of the given format. */
function emitBias(
  { program, tensors, weights }: Compilation,
  a: Operand,
  tensorName: string,
  name: string,
  { fraction, bits }: Format,
): Operand {
  const b = weights.addRow(name, "i32", fixedPoint(tensorName, tensor(tensors, tensorName, a.length), fraction));
  return program.map("add", a, "i32", { a, b, p: [bits] });
}

/**
 * `[mul, shift]` with `mul / 2^shift = log2(e) / sqrt(headSize)` and mul below 2^24 as large as possible. q and k have
 * 8 fraction bits each, so their product has the 16 of the scores, and the base-2 exponential of the result is
 * softmax's base-e one.
 */
function scoreScale(headSize: number): [mul: number, shift: number] {
  const factor = Math.LOG2E / Math.sqrt(headSize);
  let shift = 23 - Math.floor(Math.log2(factor));
  shift += 2 * QUERY_KEY_FRACTION - SCORE_FRACTION;
  const mul = Math.round(factor * 2 ** shift);
  return mul < 2 ** 24 ? [mul, shift] : [Math.round(factor * 2 ** (shift - 1)), shift - 1];
}
