import { z } from "zod";
import { type Hex, toHex } from "../commit/bytes.ts";
import { rowsTree } from "../commit/model-trees.ts";
import { TAGS } from "../commit/tags.ts";
import { UnsupportedTokenizerError } from "./errors.ts";

/** The bytes of every token, by id; ids that the tokenizer does not define have none. */
export type TokenBytes = readonly Uint8Array[];

type Component = {
  type: string;
  decoders?: Component[] | undefined;
  start?: number | undefined;
  prepend_scheme?: string | undefined;
};
const component: z.ZodType<Component> = z.lazy(() =>
  z.looseObject({
    type: z.string(),
    decoders: z.array(component).optional(),
    start: z.number().optional(),
    prepend_scheme: z.string().optional(),
  }),
);

/** The parts of `tokenizer.json` that say how tokens become bytes. */
export const tokenizerJsonSchema = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ id: z.number().int().nonnegative(), content: z.string(), special: z.boolean().optional() }))
    .nullish(),
  decoder: component.nullish(),
  model: z.looseObject({ type: z.string().optional(), vocab: z.record(z.string(), z.number().int().nonnegative()) }),
});
export type TokenizerJson = z.infer<typeof tokenizerJsonSchema>;

/**
 * GPT-2's printable stand-ins of the 256 bytes, which byte-level vocabularies are written in: printable Latin-1 stands
 * for itself, the other bytes for U+0100 onwards in order.
 */
function byteLevelAlphabet(): Map<string, number> {
  const out = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    out.set(String.fromCodePoint(printable ? byte : next++), byte);
  }
  return out;
}

/** How a tokenizer writes bytes in its vocabulary. */
export type TokenStyle = {
  readonly kind: "byte-level" | "byte-fallback";
  /** The first token's leading space is the tokenizer's, not the text's. */
  readonly stripsFirstSpace: boolean;
};

/** Reads the decoder of `tokenizer.json`. */
export function tokenStyleOf(json: TokenizerJson): TokenStyle {
  const type = json.model.type ?? "BPE";
  if (type !== "BPE") throw new UnsupportedTokenizerError(`Its model is ${type}.`);
  if (json.decoder === null || json.decoder === undefined) throw new UnsupportedTokenizerError("It has no decoder.");
  const parts = json.decoder.type === "Sequence" ? (json.decoder.decoders ?? []) : [json.decoder];
  const find = (name: string) => parts.find((part) => part.type === name);
  if (find("ByteLevel") !== undefined) return { kind: "byte-level", stripsFirstSpace: false };
  const metaspace = find("Metaspace");
  if (find("ByteFallback") === undefined && metaspace === undefined) {
    throw new UnsupportedTokenizerError(`Its decoder is ${parts.map((part) => part.type).join(", ")}.`);
  }
  const strips = (find("Strip")?.start ?? 0) > 0 || (metaspace !== undefined && metaspace.prepend_scheme !== "never");
  return { kind: "byte-fallback", stripsFirstSpace: strips };
}

const utf8 = new TextEncoder();

/** Bytes of each of `vocabSize` tokens. */
export function tokenBytesOf(json: TokenizerJson, vocabSize: number): TokenBytes {
  const { kind } = tokenStyleOf(json);
  const alphabet = byteLevelAlphabet();
  const out: Uint8Array[] = Array.from({ length: vocabSize }, () => new Uint8Array(0));
  const put = (id: number, token: string, bytes: Uint8Array) => {
    if (id >= vocabSize)
      throw new UnsupportedTokenizerError(
        `Token ${JSON.stringify(token)} has id ${id}, the model ${vocabSize} tokens.`,
      );
    out[id] = bytes;
  };
  for (const [token, id] of Object.entries(json.model.vocab)) {
    put(id, token, kind === "byte-level" ? fromAlphabet(token, alphabet) : fromFallback(token));
  }
  for (const { id, content } of json.added_tokens ?? []) put(id, content, utf8.encode(content));
  return out;
}

/** A token with a character outside the alphabet stands for itself, as in the reference decoders. */
function fromAlphabet(token: string, alphabet: Map<string, number>): Uint8Array {
  const bytes: number[] = [];
  for (const char of token) {
    const byte = alphabet.get(char);
    if (byte === undefined) return utf8.encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function fromFallback(token: string): Uint8Array {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
  return byte === null ? utf8.encode(token.replaceAll("\u2581", " ")) : Uint8Array.of(Number.parseInt(byte[1], 16));
}

/** `tokenBytesRoot`: what binds output tokens to the text they stand for; docs/protocol.md, section 1. */
export function tokenBytesRootOf(tokens: TokenBytes): Hex {
  const tree = rowsTree(tokens.length, (id) => ({ typeCode: 0, length: tokens[id].length, bytes: tokens[id] }));
  return toHex(tree.root(TAGS.tokenBytes));
}
