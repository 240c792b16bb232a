import { TOKEN_OPERAND } from "../machine/instruction.ts";
import { type Program, validateProgram } from "../machine/program.ts";
import type { WeightStore } from "../machine/weights.ts";
import { emitAttention, type Tables } from "./attention.ts";
import type { Calibration } from "./calibration.ts";
import type { Activations, Compilation } from "./compilation.ts";
import { type LlamaConfigInput, parseLlamaConfig } from "./config.ts";
import { residualFormat } from "./formats.ts";
import { addVocabularyMatrix, emitEmbedding, emitHead } from "./head.ts";
import { emitMlp } from "./mlp.ts";
import { ProgramBuilder } from "./program-builder.ts";
import { exp2Table, ropeTable, sigmoidTable } from "./tables.ts";
import type { TensorSource } from "./tensors.ts";
import { WeightsBuilder } from "./weights-builder.ts";

export type CompileOptions = {
  /** Positions of the compiled program; `max_position_embeddings` by default. */
  readonly contextLength?: number;
  readonly activations?: Partial<Activations>;
  /** What enters the matrix products, from a run of the same model: rounds the weights with error feedback. */
  readonly calibration?: Calibration;
};

export type CompiledModel = {
  readonly program: Program;
  readonly weights: WeightStore;
  /** Instructions whose rows are the logits, one per segment of 2,048 tokens. */
  readonly logits: readonly number[];
};

/** One byte per activation, except behind the gate, whose outliers would otherwise drown the rest of the row. */
export const DEFAULT_ACTIVATIONS: Activations = {
  attention: "i8",
  mixed: "i8",
  mlp: "i8",
  gated: "i16",
  head: "i8",
};

/** Two bytes per activation everywhere: what trained models need to choose as their float weights do (docs/accuracy.md). */
export const PRECISE_ACTIVATIONS: Activations = {
  attention: "i16",
  mixed: "i16",
  mlp: "i16",
  gated: "i16",
  head: "i16",
};

/** A compiled program whose weights are not built yet. */
export type CompiledProgram = Omit<CompiledModel, "weights"> & { readonly weights: WeightsBuilder };

/**
 * Compiles a Llama-family model to a program (docs/machine.md, section 6) and int8 weights with one scale per output
 * channel.
 *
 * Weight rows, in this order:
 * - `exp2` (i32, 1 row), `sigmoid` (i16, 1 row), `rope` (i16, one row per position);
 * - `embedding` (i8, one row per token), `embedding.scale` (i32, rows of 2,048);
 * - per layer: `attention_norm`; `q`, `q.scale`, [`q.bias`], [`q.norm`]; the same for k, v; `o`, `o.scale`, [`o.bias`]; `mlp_norm`;
 *   `gate`, `gate.scale`; `up`, `up.scale`; `down`, `down.scale`;
 * - unless tied: `head` (i8, one row per token), `head.scale` (i32, rows of 2,048);
 * - `norm`, the final gain.
 */
export function compileLlama(
  configInput: LlamaConfigInput,
  tensors: TensorSource,
  options: CompileOptions = {},
): CompiledModel {
  const compiled = compileProgram(configInput, tensors, options);
  return { ...compiled, weights: compiled.weights.build() };
}

/** The same without the weights' bytes, which may be more than memory holds. */
export function compileProgram(
  configInput: LlamaConfigInput,
  tensors: TensorSource,
  options: CompileOptions = {},
): CompiledProgram {
  const parsed = parseLlamaConfig(configInput);
  const config = { ...parsed, contextLength: options.contextLength ?? parsed.contextLength };
  const compilation: Compilation = {
    config,
    activations: { ...DEFAULT_ACTIVATIONS, ...options.activations },
    residual: residualFormat(config.hiddenSize),
    tensors,
    program: new ProgramBuilder(),
    weights: new WeightsBuilder(),
    calibration: options.calibration,
  };
  const tables: Tables = addTables(compilation);
  const embedding = addVocabularyMatrix(compilation, "model.embed_tokens.weight", "embedding");
  let residual = emitEmbedding(compilation, TOKEN_OPERAND, embedding);
  for (let layer = 0; layer < config.layers; layer++) {
    residual = emitAttention(compilation, tables, layer, residual);
    residual = emitMlp(compilation, tables, layer, residual);
  }
  const head = config.tied ? embedding : addVocabularyMatrix(compilation, "lm_head.weight", "head");
  const logits = emitHead(compilation, tables.exp2, residual, head).map(({ index }) => index);
  const program: Program = {
    instructions: compilation.program.instructions,
    weightRows: compilation.weights.rows,
    contextLength: config.contextLength,
  };
  validateProgram(program);
  return { program, weights: compilation.weights, logits };
}

function addTables({ config, weights }: Compilation): Tables {
  return {
    exp2: weights.addRow("exp2", "i32", exp2Table()),
    gate: weights.addRow("sigmoid", "i16", sigmoidTable()),
    rope: weights.add("rope", "i16", config.headSize, config.contextLength, (out) => out.set(ropeTable(config))),
  };
}
