import { concat } from "../../commit/bytes.ts";
import type { LlamaConfigInput } from "../../compiler/config.ts";
import { randomTensors } from "../../compiler/random.ts";
import { huggingFaceConfig } from "../architectures.ts";
import { bytesOf, type GgufValue, type WrittenTensor, writeGguf } from "./gguf-writer.ts";
import { BYTE_CHARS, TEST_TEMPLATE } from "./packages.ts";

/** For tests: a small model of a family as its `config.json` says it, random weights, and both file formats. */
export type Family = {
  readonly name: string;
  /** `config.json`. */
  readonly config: Record<string, unknown>;
  /** `general.architecture` and how its GGUF files order q and k. */
  readonly gguf: { readonly architecture: string; readonly interleaved: boolean };
};

const SIZES = {
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 64,
  vocab_size: 320,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 48,
  hidden_act: "silu",
  eos_token_id: 3,
};
const llama = { architecture: "llama", interleaved: true };

export const FAMILIES: readonly Family[] = [
  {
    name: "Llama 2",
    config: { ...SIZES, model_type: "llama", num_key_value_heads: 4, rope_scaling: null },
    gguf: llama,
  },
  {
    name: "Llama 3.1",
    config: {
      ...SIZES,
      model_type: "llama",
      rope_theta: 500_000,
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 24,
      },
    },
    gguf: llama,
  },
  {
    name: "SmolLM2",
    config: { ...SIZES, model_type: "llama", rope_theta: 100_000, tie_word_embeddings: true },
    gguf: llama,
  },
  { name: "Mistral", config: { ...SIZES, model_type: "mistral", sliding_window: 7 }, gguf: llama },
  { name: "Llama with biases", config: { ...SIZES, model_type: "llama", attention_bias: true }, gguf: llama },
  {
    name: "Qwen 2.5",
    config: {
      ...SIZES,
      model_type: "qwen2",
      tie_word_embeddings: true,
      use_sliding_window: false,
      sliding_window: 16,
      max_window_layers: 2,
    },
    gguf: { architecture: "qwen2", interleaved: false },
  },
  {
    name: "Qwen 3",
    config: {
      ...SIZES,
      model_type: "qwen3",
      head_dim: 16,
      attention_bias: false,
      use_sliding_window: false,
      rope_parameters: { rope_type: "default", rope_theta: 1_000_000 },
    },
    gguf: { architecture: "qwen3", interleaved: false },
  },
];

/** Random float tensors by Hugging Face name. */
export function familyTensors({ config }: Family, seed: number): Map<string, Float32Array> {
  return randomTensors(huggingFaceConfig(config), seed);
}

/** A safetensors file of the tensors, F32; the compiler asks for sizes only. */
export function safetensorsOf(tensors: Iterable<readonly [string, Float32Array]>): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = {};
  const data: Uint8Array[] = [];
  for (const [name, values] of tensors) {
    header[name] = { dtype: "F32", shape: [values.length], data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
    data.push(bytesOf(values));
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  return concat([bytesOf(BigUint64Array.of(BigInt(json.length))), json, ...data]);
}

/** Names as llama.cpp has them, written down a second time. */
const GGUF_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens/, "token_embd"],
  [/^model\.norm/, "output_norm"],
  [/^lm_head/, "output"],
  [/^model\.layers\.(\d+)\.input_layernorm/, "blk.$1.attn_norm"],
  [/^model\.layers\.(\d+)\.post_attention_layernorm/, "blk.$1.ffn_norm"],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj/, "blk.$1.attn_output"],
  [/^model\.layers\.(\d+)\.self_attn\.([qkv])_proj/, "blk.$1.attn_$2"],
  [/^model\.layers\.(\d+)\.self_attn\.([qk])_norm/, "blk.$1.attn_$2_norm"],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj/, "blk.$1.ffn_$2"],
];

/** The GGUF file (F32) that llama.cpp's converter would write, with a byte-level tokenizer. */
export function familyGguf(
  { config, gguf: { architecture, interleaved } }: Family,
  tensors: ReadonlyMap<string, Float32Array>,
  changes: Readonly<Record<string, GgufValue | undefined>> = {},
): Uint8Array {
  const input = huggingFaceConfig(config);
  const { hidden_size: hidden, num_attention_heads: heads } = input;
  const headSize = input.head_dim ?? hidden / heads;
  const written: WrittenTensor[] = [];
  for (const [name, values] of tensors) {
    const isMatrix = name.endsWith("_proj.weight") || /embed_tokens|lm_head/.test(name);
    const inputs = /down_proj/.test(name) ? input.intermediate_size : /o_proj/.test(name) ? heads * headSize : hidden;
    const [pattern, replacement] = GGUF_NAMES.find(([known]) => known.test(name))!;
    const rotated = interleaved && /self_attn\.[qk]_proj/.test(name);
    const bytes = bytesOf(rotated ? interleave(values, isMatrix ? inputs : 1, headSize) : values);
    const shape = isMatrix ? [values.length / inputs, inputs] : [values.length];
    written.push({ name: name.replace(pattern, replacement), type: 0, shape, bytes });
  }
  const scaling = input.rope_scaling;
  if (scaling?.rope_type === "llama3") {
    const divisors = llama3Divisors(headSize, input.rope_theta!, scaling);
    written.push({
      name: "rope_freqs.weight",
      type: 0,
      shape: [headSize / 2],
      bytes: bytesOf(Float32Array.from(divisors)),
    });
  }
  const a = architecture;
  const metadata: Record<string, GgufValue | undefined> = {
    "general.architecture": { text: a },
    "general.license": { text: "mit" },
    [`${a}.context_length`]: { u32: input.max_position_embeddings },
    [`${a}.embedding_length`]: { u32: hidden },
    [`${a}.block_count`]: { u32: input.num_hidden_layers },
    [`${a}.feed_forward_length`]: { u32: input.intermediate_size },
    [`${a}.attention.head_count`]: { u32: heads },
    [`${a}.attention.head_count_kv`]: { u32: input.num_key_value_heads! },
    [`${a}.attention.key_length`]: { u32: headSize },
    [`${a}.attention.layer_norm_rms_epsilon`]: { f32: input.rms_norm_eps },
    [`${a}.rope.freq_base`]: { f32: input.rope_theta ?? 10_000 },
    ...(input.sliding_window ? { [`${a}.attention.sliding_window`]: { u32: input.sliding_window } } : {}),
    ...TOKENIZER_METADATA,
    ...changes,
  };
  const stated = Object.entries(metadata).filter((entry): entry is [string, GgufValue] => entry[1] !== undefined);
  return writeGguf(Object.fromEntries(stated), written);
}

const SPECIALS = ["<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"];
const TOKENIZER_METADATA: Readonly<Record<string, GgufValue>> = {
  "tokenizer.ggml.model": { text: "gpt2" },
  "tokenizer.ggml.pre": { text: "gpt-2" },
  "tokenizer.ggml.tokens": { texts: [...SPECIALS, ...BYTE_CHARS, "he"] },
  "tokenizer.ggml.token_type": { i32s: [3, 3, 3, 3, ...BYTE_CHARS.map(() => 1), 1] },
  "tokenizer.ggml.merges": { texts: ["h e"] },
  "tokenizer.ggml.eos_token_id": { u32: 3 },
  "tokenizer.ggml.padding_token_id": { u32: 0 },
  "tokenizer.chat_template": { text: TEST_TEMPLATE },
};

/** Rows of each head from (first half, second half) to pairs, as `permute` of llama.cpp's converter does. */
function interleave(values: Float32Array, inputs: number, headSize: number): Float32Array {
  const out = new Float32Array(values.length);
  const heads = values.length / inputs / headSize;
  let to = 0;
  for (let head = 0; head < heads; head++) {
    for (let pair = 0; pair < headSize / 2; pair++) {
      for (const half of [0, 1]) {
        const from = (head * headSize + half * (headSize / 2) + pair) * inputs;
        out.set(values.subarray(from, from + inputs), to);
        to += inputs;
      }
    }
  }
  return out;
}

type Scaling = NonNullable<LlamaConfigInput["rope_scaling"]>;

/** As `generate_extra_tensors` of llama.cpp's converter. */
function llama3Divisors(headSize: number, theta: number, scaling: Scaling): number[] {
  const { factor = 0, low_freq_factor: low = 0, high_freq_factor: high = 0 } = scaling;
  const context = scaling.original_max_position_embeddings ?? 0;
  return Array.from({ length: headSize / 2 }, (_, j) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * j) / headSize);
    if (wavelength < context / high) return 1;
    if (wavelength > context / low) return factor;
    const smooth = (context / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
