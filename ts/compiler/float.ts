import { type LlamaConfig, type LlamaConfigInput, parseLlamaConfig } from "./config.ts";
import { ropeFrequencies } from "./rope.ts";
import { type TensorSource, tensor } from "./tensors.ts";

/**
 * The same model in double precision: what the integer program approximates. Plain loops, for tests and quality
 * reports.
 */
export class FloatModel {
  readonly #config: LlamaConfig;
  readonly #tensors: TensorSource;
  /** Keys and values by layer and position. */
  readonly #keys: Float64Array[][];
  readonly #values: Float64Array[][];
  #t = 0;

  constructor(config: LlamaConfigInput, tensors: TensorSource) {
    this.#config = parseLlamaConfig(config);
    this.#tensors = tensors;
    this.#keys = Array.from({ length: this.#config.layers }, () => []);
    this.#values = Array.from({ length: this.#config.layers }, () => []);
  }

  /** Feeds the token of the next position; returns its logits. */
  step(token: number): Float64Array {
    const { hiddenSize, vocabSize, layers, tied } = this.#config;
    const embedding = this.#tensor("model.embed_tokens.weight", vocabSize * hiddenSize);
    const x = Float64Array.from(embedding.subarray(token * hiddenSize, (token + 1) * hiddenSize));
    for (let layer = 0; layer < layers; layer++) {
      addTo(x, this.#attention(layer, x));
      addTo(x, this.#mlp(layer, x));
    }
    this.#t++;
    const head = tied ? embedding : this.#tensor("lm_head.weight", vocabSize * hiddenSize);
    return product(head, this.#norm("model.norm.weight", x));
  }

  #attention(layer: number, x: Float64Array): Float64Array {
    const { heads, kvHeads, headSize, hiddenSize, window } = this.#config;
    const prefix = `model.layers.${layer}`;
    const y = this.#norm(`${prefix}.input_layernorm.weight`, x);
    const q = this.#rope(this.#heads(layer, "q", y, heads));
    const keys = this.#keys[layer];
    const values = this.#values[layer];
    keys.push(this.#rope(this.#heads(layer, "k", y, kvHeads)));
    values.push(this.#heads(layer, "v", y, kvHeads));
    const mixed = new Float64Array(heads * headSize);
    const first = window === 0 ? 0 : Math.max(0, this.#t - window + 1);
    for (let h = 0; h < heads; h++) {
      const offset = Math.floor(h / (heads / kvHeads)) * headSize;
      const scores: number[] = [];
      for (let p = first; p <= this.#t; p++) {
        let dot = 0;
        for (let i = 0; i < headSize; i++) dot += q[h * headSize + i] * keys[p][offset + i];
        scores.push(dot / Math.sqrt(headSize));
      }
      const max = Math.max(...scores);
      const weights = scores.map((s) => Math.exp(s - max));
      const sum = weights.reduce((a, b) => a + b, 0);
      weights.forEach((w, n) => {
        for (let i = 0; i < headSize; i++) mixed[h * headSize + i] += (w / sum) * values[first + n][offset + i];
      });
    }
    const out = product(this.#tensor(`${prefix}.self_attn.o_proj.weight`, hiddenSize * heads * headSize), mixed);
    if (this.#config.outputBias) addTo(out, this.#tensor(`${prefix}.self_attn.o_proj.bias`, hiddenSize));
    return out;
  }

  #heads(layer: number, which: "q" | "k" | "v", y: Float64Array, count: number): Float64Array {
    const { headSize, hiddenSize, attentionBias, qkNorm } = this.#config;
    const prefix = `model.layers.${layer}.self_attn.${which}`;
    const size = count * headSize;
    const out = product(this.#tensor(`${prefix}_proj.weight`, size * hiddenSize), y);
    if (attentionBias) addTo(out, this.#tensor(`${prefix}_proj.bias`, size));
    if (!qkNorm || which === "v") return out;
    for (let h = 0; h < size; h += headSize) {
      out.set(this.#norm(`${prefix}_norm.weight`, out.subarray(h, h + headSize)), h);
    }
    return out;
  }

  #mlp(layer: number, x: Float64Array): Float64Array {
    const { hiddenSize, intermediateSize } = this.#config;
    const prefix = `model.layers.${layer}`;
    const y = this.#norm(`${prefix}.post_attention_layernorm.weight`, x);
    const size = hiddenSize * intermediateSize;
    const gate = product(this.#tensor(`${prefix}.mlp.gate_proj.weight`, size), y);
    const up = product(this.#tensor(`${prefix}.mlp.up_proj.weight`, size), y);
    const gated = gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]);
    return product(this.#tensor(`${prefix}.mlp.down_proj.weight`, size), gated);
  }

  #norm(name: string, x: Float64Array): Float64Array {
    const gain = this.#tensor(name, x.length);
    const mean = x.reduce((sum, v) => sum + v * v, 0) / x.length;
    const reciprocal = 1 / Math.sqrt(mean + this.#config.normEps);
    return x.map((v, i) => v * reciprocal * gain[i]);
  }

  #rope(x: Float64Array): Float64Array {
    const frequencies = ropeFrequencies(this.#config);
    const half = frequencies.length;
    const out = new Float64Array(x.length);
    for (let h = 0; h < x.length; h += 2 * half) {
      for (let j = 0; j < half; j++) {
        const cos = Math.cos(this.#t * frequencies[j]);
        const sin = Math.sin(this.#t * frequencies[j]);
        out[h + j] = x[h + j] * cos - x[h + half + j] * sin;
        out[h + half + j] = x[h + half + j] * cos + x[h + j] * sin;
      }
    }
    return out;
  }

  #tensor(name: string, size: number): Float32Array {
    return tensor(this.#tensors, name, size);
  }
}

function product(matrix: Float32Array, x: Float64Array): Float64Array {
  const out = new Float64Array(matrix.length / x.length);
  for (let e = 0; e < out.length; e++) {
    let sum = 0;
    for (let k = 0; k < x.length; k++) sum += matrix[e * x.length + k] * x[k];
    out[e] = sum;
  }
  return out;
}

function addTo(x: Float64Array, y: Float64Array | Float32Array): void {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}
