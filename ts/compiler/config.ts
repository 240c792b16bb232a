import { z } from "zod";
import { UnsupportedConfigError } from "./errors.ts";

const positive = z.number().int().positive();

const ropeScaling = z
  .object({
    rope_type: z.string().optional(),
    type: z.string().optional(),
    factor: z.number().positive().optional(),
    low_freq_factor: z.number().positive().optional(),
    high_freq_factor: z.number().positive().optional(),
    original_max_position_embeddings: positive.optional(),
    /** What each frequency is divided by (`rope_type` is `divisors`): how GGUF files express Llama 3's scaling. */
    divisors: z.array(z.number().positive()).optional(),
  })
  .nullish();

/** The fields of a Hugging Face `config.json` that the compiler reads. */
const schema = z.object({
  hidden_size: positive,
  num_hidden_layers: positive,
  num_attention_heads: positive,
  num_key_value_heads: positive.optional(),
  head_dim: positive.nullish(),
  intermediate_size: positive,
  vocab_size: positive,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().default(10_000),
  rope_scaling: ropeScaling,
  tie_word_embeddings: z.boolean().default(false),
  max_position_embeddings: positive,
  hidden_act: z.string().default("silu"),
  attention_bias: z.boolean().default(false),
  /** The attention's output projection has a bias. */
  output_bias: z.boolean().default(false),
  /** Normalise every head of q and k (Qwen 3). */
  qk_norm: z.boolean().default(false),
  /** Attend to this many last positions only. */
  sliding_window: positive.nullish(),
});

/** A configuration as people write it: optional fields have defaults. */
export type LlamaConfigInput = z.input<typeof schema>;

/** A Llama-family configuration with every choice made. */
export type LlamaConfig = {
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly normEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | undefined;
  readonly tied: boolean;
  readonly contextLength: number;
  /** q, k and v projections have a bias. */
  readonly attentionBias: boolean;
  /** So does the attention's output projection. */
  readonly outputBias: boolean;
  readonly qkNorm: boolean;
  /** Positions that a query sees, 0 for all. */
  readonly window: number;
};

export type RopeScaling =
  | { readonly kind: "divisors"; readonly divisors: readonly number[] }
  | { readonly kind: "linear"; readonly factor: number }
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContext: number;
    };

/**
 * Reads a Hugging Face style configuration; throws `UnsupportedConfigError` where the machine has no program for it.
 */
export function parseLlamaConfig(input: LlamaConfigInput): LlamaConfig {
  const parsed = schema.safeParse(input);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new UnsupportedConfigError(issue.path.join(".") || "configuration", issue.message, "see config.json");
  }
  const raw = parsed.data;
  if (raw.hidden_act !== "silu") throw new UnsupportedConfigError("hidden_act", "silu", raw.hidden_act);
  const kvHeads = raw.num_key_value_heads ?? raw.num_attention_heads;
  if (raw.num_attention_heads % kvHeads !== 0) {
    throw new UnsupportedConfigError("num_key_value_heads", "a divisor of num_attention_heads", String(kvHeads));
  }
  const headSize = raw.head_dim ?? raw.hidden_size / raw.num_attention_heads;
  if (headSize % 2 !== 0 || headSize > 256) {
    throw new UnsupportedConfigError("head_dim", "an even number up to 256", String(headSize));
  }
  return {
    hiddenSize: raw.hidden_size,
    layers: raw.num_hidden_layers,
    heads: raw.num_attention_heads,
    kvHeads,
    headSize,
    intermediateSize: raw.intermediate_size,
    vocabSize: raw.vocab_size,
    normEps: raw.rms_norm_eps,
    ropeTheta: raw.rope_theta,
    ropeScaling: parseRopeScaling(raw.rope_scaling, headSize),
    tied: raw.tie_word_embeddings,
    contextLength: raw.max_position_embeddings,
    attentionBias: raw.attention_bias,
    outputBias: raw.output_bias,
    qkNorm: raw.qk_norm,
    // A window of the whole context hides nothing.
    window: (raw.sliding_window ?? 0) >= raw.max_position_embeddings ? 0 : (raw.sliding_window ?? 0),
  };
}

function parseRopeScaling(raw: z.output<typeof ropeScaling>, headSize: number): RopeScaling | undefined {
  const kind = raw?.rope_type ?? raw?.type ?? "default";
  if (raw === null || raw === undefined || kind === "default") return undefined;
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = raw;
  if (kind === "divisors" && raw.divisors?.length === headSize / 2) return { kind, divisors: raw.divisors };
  if (kind === "linear" && factor !== undefined) return { kind, factor };
  if (kind === "llama3" && factor !== undefined && low !== undefined && high !== undefined && original !== undefined) {
    return { kind, factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: original };
  }
  throw new UnsupportedConfigError("rope_scaling", "default, linear or a complete llama3", JSON.stringify(raw));
}
