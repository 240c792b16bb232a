import type { TokenizerFiles } from "./tokenizer.ts";

/** GPT-2's stand-in of each byte, written down a second time for the tests. */
export const BYTE_CHARS: readonly string[] = (() => {
  const shown = new Set<number>();
  for (const [from, to] of [
    ["!", "~"],
    ["¡", "¬"],
    ["®", "ÿ"],
  ]) {
    for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) shown.add(code);
  }
  const hidden = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !shown.has(byte));
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(shown.has(byte) ? byte : 256 + hidden.indexOf(byte)),
  );
})();

export const TEST_TEMPLATE =
  "{% for m in messages %}{{ '<|' + m['role'] + '|>' }}{{ m['content'] }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

const SPECIALS = ["<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"];

/** A byte-level BPE tokenizer: 4 special tokens, 256 bytes, and the tokens of `merges`. */
export function byteLevelTokenizer(merges: readonly (readonly [string, string])[] = [["h", "e"]]): TokenizerFiles {
  const tokens = [...SPECIALS, ...BYTE_CHARS, ...merges.map(([left, right]) => left + right)];
  return {
    tokenizerJson: JSON.stringify({
      version: "1.0",
      added_tokens: SPECIALS.map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: null,
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: merges.map(([left, right]) => `${left} ${right}`),
      },
    }),
    tokenizerConfigJson: JSON.stringify({
      tokenizer_class: "PreTrainedTokenizerFast",
      eos_token: "<|end|>",
      pad_token: "<|pad|>",
    }),
    chatTemplate: TEST_TEMPLATE,
  };
}
