import { describe, expect, it } from "vitest";
import { ggufTokenizer } from "./gguf-tokenizer.ts";
import { spmMerges } from "./spm-merges.ts";
import { BYTE_CHARS } from "./testing/packages.ts";
import { Tokenizer } from "./tokenizer.ts";

/** A byte-level tokenizer with two special tokens and the given merged tokens. */
function byteLevel(pre: string, merges: [string, string][]): Tokenizer {
  const tokens = ["<|bos|>", "<|end|>", ...BYTE_CHARS, ...merges.map((pair) => pair.join(""))];
  const metadata = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": pre,
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.token_type": tokens.map((_, i) => (i < 2 ? 3 : 1)),
    "tokenizer.ggml.merges": merges.map((pair) => pair.join(" ")),
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.eos_token_id": 1,
    "tokenizer.ggml.add_bos_token": true,
  };
  return new Tokenizer(ggufTokenizer(metadata, tokens.length, "test").tokenizer, tokens.length);
}

const pieces = (tokenizer: Tokenizer, text: string) =>
  tokenizer.encode(text).map((token) => new TextDecoder().decode(tokenizer.tokenBytes[token]));

describe("tokenizers of GGUF files", () => {
  const numbers: [string, string][] = [
    ["1", "2"],
    ["12", "3"],
    ["123", "4"],
  ];

  it.each([
    ["gpt-2", ["1234"]],
    ["smollm", ["1", "2", "3", "4"]],
    ["llama-bpe", ["123", "4"]],
    ["qwen2", ["1", "2", "3", "4"]],
  ])("%s cuts numbers as the model was trained", (pre, expected) => {
    expect(pieces(byteLevel(pre, numbers), "1234")).toEqual(expected);
  });

  it("llama-bpe takes a word that is a token as a whole, whatever the merges", () => {
    // "abc" is a token, but no merge leads to it from "a" "b" "c" in their order.
    const merges: [string, string][] = [
      ["b", "c"],
      ["ab", "c"],
    ];
    expect(pieces(byteLevel("llama-bpe", merges), "abc")).toEqual(["abc"]);
    expect(pieces(byteLevel("gpt-2", merges), "abc")).toEqual(["a", "bc"]);
  });

  it("reads and adds special tokens, and gives every text back", () => {
    for (const pre of ["gpt-2", "smollm", "llama-bpe", "qwen2"]) {
      const tokenizer = byteLevel(pre, numbers);
      expect([...tokenizer.specialIds]).toEqual([0, 1]);
      expect(tokenizer.encode("12<|end|>", { addSpecialTokens: true })[0]).toBe(0);
      expect(tokenizer.encode("12<|end|>").at(-1)).toBe(1);
      for (const text of ["Hé! it's  42\n\n\tmöwe 🦤", "  x ", "\r\n'S"])
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
  });

  const spm = () => {
    const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
    const words = ["\u2581", "h", "e", "l", "o", "he", "ll", "hell", "hello", "\u2581hello"];
    const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...words];
    const scores = tokens.map((token) => (words.indexOf(token) < 0 ? 0 : words.indexOf(token) - 100));
    const metadata = {
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.scores": scores,
      "tokenizer.ggml.token_type": tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)),
      "tokenizer.ggml.unknown_token_id": 0,
      "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": 2,
    };
    return new Tokenizer(ggufTokenizer(metadata, tokens.length, "test").tokenizer, tokens.length);
  };

  it("SentencePiece vocabularies merge by score, fall back to bytes and begin with a space of their own", () => {
    const tokenizer = spm();
    expect(pieces(tokenizer, "hello")).toEqual([" hello"]);
    expect(tokenizer.encode("hello", { addSpecialTokens: true })[0]).toBe(1);
    expect(tokenizer.encode("é").slice(1)).toEqual([3 + 0xc3, 3 + 0xa9]);
    for (const text of ["hello hello", "é hello 🦤", "olleh"])
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it("makes the merges that transformers makes", () => {
    // generate_merges of transformers 4.57 for this vocabulary and these scores.
    expect(spmMerges(["a", "b", "ab", "abb", "bb"], [-1, -2, -3, -5, -3])).toEqual([
      ["a", "b"],
      ["b", "b"],
      ["ab", "b"],
      ["a", "bb"],
    ]);
  });
});
