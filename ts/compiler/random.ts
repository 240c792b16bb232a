import { type LlamaConfigInput, parseLlamaConfig } from "./config.ts";
import { prng } from "./prng.ts";

/** A small configuration with odd sizes; every optional feature is on for some seeds. */
export function randomConfig(seed: number): LlamaConfigInput {
  const random = prng(seed);
  const kvHeads = random.int(1, 3);
  return {
    hidden_size: random.pick([20, 32, 36, 50, 64]),
    num_hidden_layers: random.int(1, 3),
    num_attention_heads: kvHeads * random.int(1, 3),
    num_key_value_heads: kvHeads,
    head_dim: random.pick([2, 6, 8, 10, 16]),
    intermediate_size: random.pick([37, 48, 91, 130]),
    vocab_size: random.pick([40, 129, 300, 2500]),
    rms_norm_eps: random.pick([1e-5, 1e-6]),
    rope_theta: random.pick([10_000, 500_000]),
    tie_word_embeddings: random.int(0, 1) === 1,
    max_position_embeddings: random.pick([24, 48]),
    attention_bias: random.int(0, 2) === 0,
    qk_norm: random.int(0, 2) === 0,
    sliding_window: random.int(0, 2) === 0 ? random.int(1, 12) : null,
  };
}

/** Random tensors for a configuration, by Hugging Face name: projections that keep variance, gains around 1. */
export function randomTensors(configInput: LlamaConfigInput, seed: number): Map<string, Float32Array> {
  const config = parseLlamaConfig(configInput);
  const { hiddenSize, headSize, heads, kvHeads, intermediateSize, vocabSize } = config;
  const random = prng(seed);
  const tensors = new Map<string, Float32Array>();
  const matrix = (name: string, outputs: number, inputs: number, scale = 1) => {
    const deviation = scale / Math.sqrt(inputs);
    tensors.set(
      name,
      Float32Array.from({ length: outputs * inputs }, () => random.normal() * deviation),
    );
  };
  const vector = (name: string, size: number, mean: number, deviation: number) =>
    tensors.set(
      name,
      Float32Array.from({ length: size }, () => mean + random.normal() * deviation),
    );

  matrix("model.embed_tokens.weight", vocabSize, hiddenSize, Math.sqrt(hiddenSize));
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    vector(`${prefix}.input_layernorm.weight`, hiddenSize, 1, 0.2);
    for (const [which, count] of [
      ["q", heads],
      ["k", kvHeads],
      ["v", kvHeads],
    ] as const) {
      matrix(`${prefix}.self_attn.${which}_proj.weight`, count * headSize, hiddenSize);
      if (config.attentionBias) vector(`${prefix}.self_attn.${which}_proj.bias`, count * headSize, 0, 0.3);
      if (config.qkNorm && which !== "v") vector(`${prefix}.self_attn.${which}_norm.weight`, headSize, 1, 0.2);
    }
    matrix(`${prefix}.self_attn.o_proj.weight`, hiddenSize, heads * headSize);
    if (config.outputBias) vector(`${prefix}.self_attn.o_proj.bias`, hiddenSize, 0, 0.3);
    vector(`${prefix}.post_attention_layernorm.weight`, hiddenSize, 1, 0.2);
    matrix(`${prefix}.mlp.gate_proj.weight`, intermediateSize, hiddenSize);
    matrix(`${prefix}.mlp.up_proj.weight`, intermediateSize, hiddenSize);
    matrix(`${prefix}.mlp.down_proj.weight`, hiddenSize, intermediateSize);
  }
  vector("model.norm.weight", hiddenSize, 1, 0.2);
  // Logits with a spread of a few units, as trained models have.
  if (!config.tied) matrix("lm_head.weight", vocabSize, hiddenSize, 3);
  return tensors;
}
