import { z } from "zod";
import { GgufError, UnsupportedTokenizerError } from "./errors.ts";
import { spmMerges } from "./spm-merges.ts";
import type { TokenizerFiles } from "./tokenizer.ts";

/** What a model's metadata say of its text. */
export type GgufTokenizer = { readonly tokenizer: TokenizerFiles; readonly stopTokens: readonly number[] };

/** `tokenizer.ggml.token_type` (llama.h, `enum llama_token_type`). */
const TYPE = { control: 3, userDefined: 4 } as const;

const isolated = (pattern: string) => ({
  type: "Split",
  pattern: { Regex: pattern },
  behavior: "Isolated",
  invert: false,
});
const byteLevel = (useRegex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
/** The pattern of Llama 3 and Qwen 2, which differ in how many digits go together. */
const cl100k = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const sequence = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers });
const NFC = { type: "NFC" };

/** How byte-level BPE cuts text into words, by `tokenizer.ggml.pre`; as the `tokenizer.json` of these models has it. */
const PRE_TOKENIZERS: Readonly<Record<string, { pre: object; normalizer: object | null; ignoreMerges: boolean }>> = {
  "gpt-2": { pre: byteLevel(true), normalizer: null, ignoreMerges: false },
  smollm: {
    pre: sequence({ type: "Digits", individual_digits: true }, byteLevel(true)),
    normalizer: null,
    ignoreMerges: false,
  },
  "llama-bpe": {
    pre: sequence(isolated(cl100k("\\p{N}{1,3}")), byteLevel(false)),
    normalizer: null,
    ignoreMerges: true,
  },
  qwen2: { pre: sequence(isolated(cl100k("\\p{N}")), byteLevel(false)), normalizer: NFC, ignoreMerges: false },
};

const id = z.union([z.number().int().nonnegative(), z.bigint().nonnegative().transform(Number)]);
const schema = z.object({
  model: z.string(),
  pre: z.string().default("missing"),
  tokens: z.array(z.string()).min(1),
  token_type: z.array(z.number().int()).optional(),
  scores: z.array(z.number()).optional(),
  merges: z.array(z.string()).optional(),
  bos_token_id: id.optional(),
  eos_token_id: id.optional(),
  eot_token_id: id.optional(),
  eom_token_id: id.optional(),
  padding_token_id: id.optional(),
  unknown_token_id: id.optional(),
  add_bos_token: z.boolean().optional(),
  add_space_prefix: z.boolean().default(true),
});
type Metadata = z.output<typeof schema>;

/** `tokenizer.json`, its configuration, the chat template and stop tokens that a GGUF file's metadata amount to. */
export function ggufTokenizer(
  metadata: Readonly<Record<string, unknown>>,
  vocabSize: number,
  file: string,
): GgufTokenizer {
  const fields = Object.fromEntries(
    Object.keys(schema.shape).map((key) => [key, metadata[`tokenizer.ggml.${key}`] ?? undefined]),
  );
  const parsed = schema.safeParse(fields);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new GgufError(file, `Metadata tokenizer.ggml.${String(issue.path[0])}: ${issue.message}`);
  }
  const found = parsed.data;
  if (found.tokens.length > vocabSize) {
    throw new GgufError(file, `It has ${found.tokens.length} tokens and embeddings for ${vocabSize}.`);
  }
  const nameOf = (token: number | undefined) => (token === undefined ? undefined : found.tokens[token]);
  const named = {
    bos_token: nameOf(found.bos_token_id),
    eos_token: nameOf(found.eos_token_id),
    pad_token: nameOf(found.padding_token_id),
    unk_token: nameOf(found.unknown_token_id),
  };
  const stopTokens = [...new Set([found.eos_token_id, found.eot_token_id, found.eom_token_id])].filter(
    (token) => token !== undefined,
  );
  if (stopTokens.length === 0) throw new GgufError(file, "Metadata tokenizer.ggml.eos_token_id is missing.");
  return {
    tokenizer: {
      tokenizerJson: JSON.stringify(tokenizerJson(found)),
      tokenizerConfigJson: JSON.stringify({ tokenizer_class: "PreTrainedTokenizerFast", ...named }),
      chatTemplate: z.string().catch("").parse(metadata["tokenizer.chat_template"]),
    },
    stopTokens,
  };
}

function tokenizerJson(found: Metadata): object {
  const special = (type: number) => type === TYPE.control;
  const addedTokens = found.tokens.flatMap((content, token) => {
    const type = found.token_type?.[token];
    if (type !== TYPE.control && type !== TYPE.userDefined) return [];
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return [{ id: token, content, ...flags, special: special(type) }];
  });
  // A Map: vocabularies have tokens such as "__proto__", and of equal ones the last counts.
  const vocab = Object.fromEntries(new Map(found.tokens.map((token, i) => [token, i])));
  const common = {
    version: "1.0",
    added_tokens: addedTokens,
    // Llama models of SentencePiece kind begin with a token unless they say otherwise.
    post_processor: addsBos(found) ? bosTemplate(found.tokens[found.bos_token_id!], found.bos_token_id!) : null,
  };
  if (found.model === "gpt2") return { ...common, ...byteLevelParts(found), model: bpe(found, vocab) };
  if (found.model === "llama") return { ...common, ...sentencePieceParts(found), model: spm(found, vocab) };
  throw new UnsupportedTokenizerError(`tokenizer.ggml.model is ${found.model}; supported are gpt2 and llama.`);
}

function addsBos({ add_bos_token: states, bos_token_id: bos, model }: Metadata): boolean {
  return bos !== undefined && (states ?? model === "llama");
}

function preTokenizer({ pre }: Metadata) {
  const known = PRE_TOKENIZERS[pre];
  if (known === undefined) {
    const names = Object.keys(PRE_TOKENIZERS).join(", ");
    throw new UnsupportedTokenizerError(`tokenizer.ggml.pre is ${pre}; supported are ${names}.`);
  }
  return known;
}

function byteLevelParts(found: Metadata): object {
  const { pre, normalizer } = preTokenizer(found);
  return { normalizer, pre_tokenizer: pre, decoder: byteLevel(true) };
}

function bpe(found: Metadata, vocab: Record<string, number>): object {
  if (found.merges === undefined) throw new UnsupportedTokenizerError("tokenizer.ggml.merges is missing.");
  return bpeModel(vocab, found.merges, {
    unk: null,
    byteFallback: false,
    ignoreMerges: preTokenizer(found).ignoreMerges,
  });
}

function sentencePieceParts({ add_space_prefix: prefix }: Metadata): object {
  const spaces = { type: "Replace", pattern: { String: " " }, content: "\u2581" };
  const back = { type: "Replace", pattern: { String: "\u2581" }, content: " " };
  const strip = prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [];
  return {
    normalizer: {
      type: "Sequence",
      normalizers: [...(prefix ? [{ type: "Prepend", prepend: "\u2581" }] : []), spaces],
    },
    pre_tokenizer: null,
    decoder: { type: "Sequence", decoders: [back, { type: "ByteFallback" }, { type: "Fuse" }, ...strip] },
  };
}

function spm(found: Metadata, vocab: Record<string, number>): object {
  if (found.scores === undefined || found.scores.length !== found.tokens.length) {
    throw new UnsupportedTokenizerError("tokenizer.ggml.scores is missing or too short.");
  }
  const unk = found.unknown_token_id === undefined ? null : found.tokens[found.unknown_token_id];
  return bpeModel(vocab, spmMerges(found.tokens, found.scores), { unk, byteFallback: true, ignoreMerges: false });
}

function bpeModel(
  vocab: Record<string, number>,
  merges: readonly (string | readonly [string, string])[],
  { unk, byteFallback, ignoreMerges }: { unk: string | null; byteFallback: boolean; ignoreMerges: boolean },
): object {
  return {
    type: "BPE",
    dropout: null,
    unk_token: unk,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: byteFallback,
    byte_fallback: byteFallback,
    ignore_merges: ignoreMerges,
    vocab,
    merges,
  };
}

function bosTemplate(name: string, token: number): object {
  const bos = { SpecialToken: { id: name, type_id: 0 } };
  return {
    type: "TemplateProcessing",
    single: [bos, { Sequence: { id: "A", type_id: 0 } }],
    pair: [bos, { Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { [name]: { id: name, ids: [token], tokens: [name] } },
  };
}
