import { type Instruction, NO_OPERAND, type Operand, TOKEN_OPERAND } from "../../machine/instruction.ts";
import { INSTRUCTIONS, type InstructionName } from "../../machine/table.ts";
import { dataOf, type ElementType } from "../../machine/types.ts";
import { type WeightSection, WeightStore } from "../../machine/weights.ts";
import type { ModelContent } from "../pack.ts";
import type { TokenizerFiles } from "../tokenizer.ts";

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

const VOCAB = 262;

/** A whole model in six instructions: the embedding of a token is the row of scores of its successor. */
export function bigramModel(): ModelContent {
  const memory = new ArrayBuffer(VOCAB * VOCAB + 4 + VOCAB * 4 + 8 * 4);
  const scaleOffset = Math.ceil((VOCAB * VOCAB) / 4) * 4;
  const sections: WeightSection[] = [
    { name: "embedding", type: "i8", length: VOCAB, first: 0, count: VOCAB, byteOffset: 0 },
    { name: "scales", type: "i32", length: VOCAB, first: VOCAB, count: 1, byteOffset: scaleOffset },
    { name: "exp2", type: "i32", length: 8, first: VOCAB + 1, count: 1, byteOffset: scaleOffset + VOCAB * 4 },
  ];
  const weights = new WeightStore(memory, sections);
  const scores = dataOf(weights.range(0, VOCAB), "i8");
  for (let i = 0; i < scores.length; i++) scores[i] = ((i * 37) ^ (i >> 5)) & 0xff;
  dataOf(weights.row(VOCAB), "i32").fill(256);
  dataOf(weights.row(VOCAB + 1), "i32").set([256, 235, 215, 197, 181, 166, 152, 140]);

  const row = (type: ElementType, index: number, length: number): Operand => ({
    ...NO_OPERAND,
    kind: "row",
    type,
    index,
    length,
  });
  const range = (section: WeightSection): Operand => ({
    kind: "weights",
    type: section.type,
    mode: 0,
    index: section.first,
    length: section.length,
    count: section.count,
  });
  const instruction = (
    name: InstructionName,
    outType: ElementType,
    outLength: number,
    operands: Partial<Pick<Instruction, "a" | "b" | "c" | "role">>,
    [p0 = 0, p1 = 0, p2 = 0]: readonly number[] = [],
  ): Instruction => ({
    opcode: INSTRUCTIONS[name].opcode,
    outType,
    outMode: 0,
    role: 0,
    outLength,
    cacheSlot: 0,
    a: NO_OPERAND,
    b: NO_OPERAND,
    c: NO_OPERAND,
    p: [p0, p1, p2, 0, 0, 0, 0, 0],
    ...operands,
  });
  const [embedding, scales, table] = sections.map(range);
  return {
    name: "bigram",
    program: {
      instructions: [
        instruction("embed", "i32", VOCAB, { a: TOKEN_OPERAND, b: embedding, c: scales }, [8, 24]),
        instruction("fold_max", "i32", 1, { a: row("i32", 0, VOCAB) }),
        instruction("weigh", "i32", VOCAB, { a: row("i32", 0, VOCAB), b: row("i32", 1, 1), c: table }, [1, 3, 0]),
        instruction("fold_sum", "i64", 1, { a: row("i32", 2, VOCAB) }),
        instruction("draw", "i64", 2, { a: row("i64", 3, 1) }),
        instruction("fold_pick", "i64", 2, { a: row("i32", 2, VOCAB), b: row("i64", 4, 2), role: 2 }),
      ],
      weightRows: weights.count,
      contextLength: 32,
    },
    weights,
    vocabSize: VOCAB,
    tokenizer: byteLevelTokenizer([
      ["h", "e"],
      [BYTE_CHARS[0x20], "he"],
    ]),
    stopTokens: [3],
    about: { licence: "MIT", source: "made by a test", notes: [] },
  };
}
