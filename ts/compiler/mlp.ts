import type { Operand } from "../machine/instruction.ts";
import type { Tables } from "./attention.ts";
import type { Compilation } from "./compilation.ts";
import { ACTIVATION, GATE } from "./formats.ts";
import { addMatrix, emitLinear, emitQuantize } from "./linear.ts";
import { addGain, emitNorm } from "./norm.ts";

/** Emits the gated feed-forward block of a layer: residual row in, residual row out. */
export function emitMlp(compilation: Compilation, tables: Tables, layer: number, residual: Operand): Operand {
  const { config, program, activations, residual: format } = compilation;
  const { hiddenSize, intermediateSize } = config;
  const tensorPrefix = `model.layers.${layer}`;
  const prefix = `layers.${layer}`;
  const gain = addGain(
    compilation,
    `${tensorPrefix}.post_attention_layernorm.weight`,
    `${prefix}.mlp_norm`,
    hiddenSize,
  );
  const x = emitQuantize(
    compilation,
    emitNorm(compilation, residual, gain.row, format),
    activations.mlp,
    gain.scaleBits,
  );

  const project = (which: "gate" | "up") => {
    const tensorName = `${tensorPrefix}.mlp.${which}_proj.weight`;
    const name = `${prefix}.${which}`;
    const matrix = addMatrix(compilation, tensorName, name, intermediateSize, hiddenSize, activations.mlp);
    return emitLinear(compilation, x, matrix, { fraction: GATE.inputFraction, bits: ACTIVATION.bits });
  };
  const gateRow = project("gate");
  const up = project("up");
  // The table's step is 2^-9, the gate's 2^-12: s1 = 3. The weighed gate keeps 16 fraction bits (s2 = 12 + 15 - 16),
  // and so does the product with up (s3 = 12).
  const gated = program.map("gate", gateRow, "i32", {
    a: gateRow,
    b: up,
    c: tables.gate,
    p: [
      GATE.inputFraction - GATE.entriesPerUnitBits,
      GATE.inputFraction + GATE.tableFraction - ACTIVATION.fraction,
      GATE.inputFraction,
    ],
  });

  const y = emitQuantize(compilation, gated, activations.gated, ACTIVATION.bits);
  const down = addMatrix(
    compilation,
    `${tensorPrefix}.mlp.down_proj.weight`,
    `${prefix}.down`,
    hiddenSize,
    intermediateSize,
    activations.gated,
  );
  const projected = emitLinear(compilation, y, down, format);
  return program.map("add", residual, "i32", { a: residual, b: projected, p: [format.bits] });
}
