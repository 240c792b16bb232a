import { z } from "zod";
import { type LlamaConfigInput, parseLlamaConfig } from "../compiler/config.ts";
import { UnsupportedConfigError } from "../compiler/errors.ts";
import type { TensorSource } from "../compiler/tensors.ts";
import { GgufError } from "./errors.ts";
import { type GgufFile, openGguf } from "./gguf.ts";
import { ggufTokenizer } from "./gguf-tokenizer.ts";
import { type ModelSource, tally } from "./source.ts";

/** Architectures (`general.architecture`), and what their files differ in. Mistral's are `llama`. */
const ARCHITECTURES: Readonly<Record<string, { readonly pairsInterleaved: boolean }>> = {
  llama: { pairsInterleaved: true },
  qwen2: { pairsInterleaved: false },
  qwen3: { pairsInterleaved: false },
};

/** A GGUF file of a Llama-family model as the compiler wants it. */
export async function openGgufModel(path: string): Promise<ModelSource> {
  const file = await openGguf(path);
  try {
    const config = ggufConfig(file);
    const { vocabSize } = parseLlamaConfig(config);
    const { tokenizer, stopTokens } = ggufTokenizer(file.metadata, vocabSize, path);
    return {
      config,
      tensors: huggingFaceTensors(file, config),
      tokenizer,
      stopTokens,
      licence: z.string().catch("").parse(file.metadata["general.license"]),
      tensorTypes: tally([...file.tensors.values()].map(({ format }) => format.name)),
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

const count = z.union([z.number().int().positive(), z.bigint().positive().transform(Number)]);

/** The configuration that the metadata and the tensor table state. */
export function ggufConfig({ path, metadata, tensors, read }: GgufFile): LlamaConfigInput {
  const architecture = z.string().catch("none").parse(metadata["general.architecture"]);
  if (ARCHITECTURES[architecture] === undefined) {
    throw new UnsupportedConfigError("architecture", Object.keys(ARCHITECTURES).join(", "), architecture);
  }
  const value = <T>(key: string, type: z.ZodType<T>): T => {
    const parsed = type.safeParse(metadata[`${architecture}.${key}`]);
    if (!parsed.success) throw new GgufError(path, `Metadata ${architecture}.${key} is missing or malformed.`);
    return parsed.data;
  };
  const heads = value("attention.head_count", count);
  const hiddenSize = value("embedding_length", count);
  const headSize = value("attention.key_length", count.default(hiddenSize / heads));
  const require = (field: string, got: number, expected: number) => {
    if (got !== expected) throw new UnsupportedConfigError(`${architecture}.${field}`, String(expected), String(got));
  };
  require("attention.value_length", value("attention.value_length", count.default(headSize)), headSize);
  require("rope.dimension_count", value("rope.dimension_count", count.default(headSize)), headSize);
  require("expert_count", value("expert_count", z.number().default(0)), 0);
  const embedding = tensors.get("token_embd.weight");
  if (embedding === undefined) throw new GgufError(path, "It is missing.", { tensor: "token_embd.weight" });
  return {
    hidden_size: hiddenSize,
    num_hidden_layers: value("block_count", count),
    num_attention_heads: heads,
    num_key_value_heads: value("attention.head_count_kv", count.default(heads)),
    head_dim: headSize,
    intermediate_size: value("feed_forward_length", count),
    vocab_size: embedding.shape[0],
    rms_norm_eps: value("attention.layer_norm_rms_epsilon", z.number().positive()),
    rope_theta: value("rope.freq_base", z.number().positive().default(10_000)),
    rope_scaling: ropeScaling(architecture, metadata, read("rope_freqs.weight")),
    tie_word_embeddings: !tensors.has("output.weight"),
    max_position_embeddings: value("context_length", count),
    attention_bias: tensors.has("blk.0.attn_q.bias"),
    output_bias: tensors.has("blk.0.attn_output.bias"),
    qk_norm: tensors.has("blk.0.attn_q_norm.weight"),
    sliding_window: value("attention.sliding_window", z.number().int().nonnegative().default(0)) || null,
  };
}

/** llama.cpp writes Llama 3's scaling as a divisor for each frequency, others as a type and a factor. */
function ropeScaling(
  architecture: string,
  metadata: GgufFile["metadata"],
  divisors: Float32Array | undefined,
): LlamaConfigInput["rope_scaling"] {
  if (divisors !== undefined) return { rope_type: "divisors", divisors: [...divisors] };
  const type = z.string().catch("none").parse(metadata[`${architecture}.rope.scaling.type`]);
  if (type === "none") return null;
  const factor = z.number().positive().optional().catch(undefined);
  return { rope_type: type, factor: factor.parse(metadata[`${architecture}.rope.scaling.factor`]) };
}

/** llama.cpp's names of a layer's tensors by Hugging Face's. */
const LAYER_NAMES: Readonly<Record<string, string>> = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
const MODEL_NAMES: Readonly<Record<string, string>> = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
};

/** The name in the file of a tensor by its Hugging Face name. */
export function ggufName(name: string): string {
  const layer = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name);
  const known = layer === null ? MODEL_NAMES[name] : LAYER_NAMES[layer[2]];
  if (known === undefined) return name;
  return layer === null ? known : `blk.${layer[1]}.${known}.${layer[3]}`;
}

function huggingFaceTensors(file: GgufFile, config: LlamaConfigInput): TensorSource {
  const { pairsInterleaved } = ARCHITECTURES[String(file.metadata["general.architecture"])];
  const headSize = config.head_dim!;
  return {
    get(name) {
      const data = file.read(ggufName(name));
      const rotated = /\.self_attn\.[qk]_proj\.(weight|bias)$/.test(name);
      if (data === undefined || !pairsInterleaved || !rotated) return data;
      const inputs = name.endsWith("bias") ? 1 : config.hidden_size;
      if (data.length % (inputs * headSize) !== 0) {
        throw new GgufError(file.path, `It is no whole number of heads of ${headSize} rows.`, {
          tensor: ggufName(name),
        });
      }
      return halvesFromPairs(data, inputs, headSize);
    },
  };
}

/**
 * llama.cpp's converter reorders the rows of each head of q and k so that the two elements that rope turns lie side by
 * side; the compiler, like Hugging Face, wants them half a head apart.
 */
export function halvesFromPairs(data: Float32Array, inputs: number, headSize: number): Float32Array {
  const out = new Float32Array(data.length);
  const half = headSize / 2;
  for (let row = 0; row < data.length / inputs; row++) {
    const [head, i] = [row - (row % headSize), row % headSize];
    const to = head + (i % 2) * half + (i >> 1);
    out.set(data.subarray(row * inputs, (row + 1) * inputs), to * inputs);
  }
  return out;
}
