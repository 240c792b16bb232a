import { z } from "zod";
import type { LlamaConfigInput } from "../compiler/config.ts";
import { UnsupportedConfigError } from "../compiler/errors.ts";

const positive = z.number().int().positive();

/** Fields of a Hugging Face `config.json` whose meaning depends on the architecture. */
const schema = z.looseObject({
  model_type: z.string().default("llama"),
  num_hidden_layers: positive.optional(),
  attention_bias: z.boolean().optional(),
  mlp_bias: z.boolean().default(false),
  use_sliding_window: z.boolean().optional(),
  sliding_window: positive.nullish(),
  max_window_layers: z.number().int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
  partial_rotary_factor: z.number().nullish(),
  quantization_config: z.unknown().optional(),
  rope_parameters: z.looseObject({ rope_theta: z.number().optional() }).nullish(),
});
type Raw = z.output<typeof schema>;

/**
 * What transformers' models of each `model_type` do that their configuration does not say: defaults, and which
 * projections the bias is for.
 */
const ARCHITECTURES: Readonly<Record<string, (raw: Raw) => Partial<LlamaConfigInput>>> = {
  llama: ({ attention_bias: bias = false }) => ({ attention_bias: bias, output_bias: bias, sliding_window: null }),
  mistral: ({ sliding_window: window }) => ({ attention_bias: false, sliding_window: window ?? null }),
  qwen2: (raw) => ({ attention_bias: true, sliding_window: qwenWindow(raw) }),
  qwen3: (raw) => {
    const bias = raw.attention_bias ?? false;
    return { attention_bias: bias, output_bias: bias, qk_norm: true, sliding_window: qwenWindow(raw) };
  },
};

/**
 * The compiler's configuration of a Hugging Face `config.json`. @throws UnsupportedConfigError for what the compiler has
 * no program for.
 */
export function huggingFaceConfig(config: unknown): LlamaConfigInput {
  const parsed = schema.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UnsupportedConfigError(issue.path.join(".") || "configuration", issue.message, "see config.json");
  }
  const raw = parsed.data;
  const refine = Object.hasOwn(ARCHITECTURES, raw.model_type) ? ARCHITECTURES[raw.model_type] : undefined;
  if (refine === undefined) {
    throw new UnsupportedConfigError("model_type", Object.keys(ARCHITECTURES).join(", "), raw.model_type);
  }
  if (raw.mlp_bias) throw new UnsupportedConfigError("mlp_bias", "false", "true");
  if ((raw.partial_rotary_factor ?? 1) !== 1) {
    throw new UnsupportedConfigError("partial_rotary_factor", "1", String(raw.partial_rotary_factor));
  }
  if (raw.quantization_config !== undefined && raw.quantization_config !== null) {
    throw new UnsupportedConfigError("quantization_config", "float weights", "quantised ones");
  }
  const { rope_parameters: rope } = raw;
  // Newer files keep theta and scaling together.
  const rotary = rope
    ? { rope_scaling: rope, ...(rope.rope_theta === undefined ? {} : { rope_theta: rope.rope_theta }) }
    : {};
  // The compiler checks the fields that it reads.
  return { ...(raw as unknown as LlamaConfigInput), ...rotary, ...refine(raw) };
}

/** Qwen's window counts only if it is switched on, and then for the layers from `max_window_layers` on. */
function qwenWindow(raw: Raw): number | null {
  if (raw.use_sliding_window !== true || raw.sliding_window === null || raw.sliding_window === undefined) return null;
  const kinds = new Set(raw.layer_types ?? []);
  const mixed = raw.layer_types ? kinds.size > 1 : (raw.max_window_layers ?? 0) > 0;
  const layers = raw.num_hidden_layers ?? 0;
  if (!raw.layer_types && (raw.max_window_layers ?? 0) >= layers) return null;
  if (mixed) throw new UnsupportedConfigError("sliding_window", "one window for all layers", "a window in some layers");
  return kinds.has("full_attention") ? null : raw.sliding_window;
}
