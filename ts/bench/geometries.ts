import type { Activations } from "../compiler/compilation.ts";
import type { LlamaConfigInput } from "../compiler/config.ts";
import { compileProgram } from "../compiler/llama.ts";
import type { TensorSource } from "../compiler/tensors.ts";
import type { Shape } from "./sparse-answer.ts";

/** A model's dimensions, and the steps of an answer by it. */
export interface Geometry {
  readonly config: LlamaConfigInput;
  readonly steps: number;
  /** By default one byte each. */
  readonly activations?: Activations;
}

/** 2^24 leaves: 512 steps of 1,019 rows of 32 to 64 chunks. */
export const LEAVES_24: Geometry = {
  steps: 512,
  config: {
    num_hidden_layers: 25,
    hidden_size: 256,
    num_attention_heads: 8,
    num_key_value_heads: 2,
    intermediate_size: 512,
    vocab_size: 4096,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 512,
    tie_word_embeddings: true,
  },
};

/** SmolLM2-135M, 512 tokens. */
export const SMOL_135M: Geometry = {
  steps: 512,
  config: {
    num_hidden_layers: 30,
    hidden_size: 576,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    intermediate_size: 1536,
    vocab_size: 49_152,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 512,
    tie_word_embeddings: true,
  },
};

/** Llama 70B, 8,192 tokens. */
export const LLAMA_70B: Geometry = {
  steps: 8192,
  config: {
    num_hidden_layers: 80,
    hidden_size: 8192,
    num_attention_heads: 64,
    num_key_value_heads: 8,
    intermediate_size: 28_672,
    vocab_size: 128_256,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 8192,
  },
};

/** The program of a geometry, compiled without any weights, and how an answer is made of steps. */
export function shapeOf({ config, steps, activations }: Geometry): Shape {
  const options = activations === undefined ? {} : { activations };
  const { program, weights } = compileProgram(config, unknownTensors(config.hidden_size), options);
  const nIn = steps / 2;
  return { program, sections: weights.sections, nIn, steps, vocabSize: config.vocab_size };
}

/** Tensors nobody holds: gains are one, and all matrices have rows of the same magnitude. */
function unknownTensors(hiddenSize: number): TensorSource {
  return {
    get: (name) => (name.includes("norm") ? new Float32Array(hiddenSize).fill(1) : undefined),
    magnitudes: (_, rows) => new Float64Array(rows).fill(1),
  };
}
