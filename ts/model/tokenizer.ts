import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { z } from "zod";
import { type ChatMessage, ChatTemplate } from "./chat-template.ts";
import { UnknownTokenError, UnsupportedTokenizerError } from "./errors.ts";
import { type TokenBytes, type TokenStyle, tokenBytesOf, tokenizerJsonSchema, tokenStyleOf } from "./token-bytes.ts";

/** The text files of a package that a tokenizer is made of. */
export type TokenizerFiles = {
  readonly tokenizerJson: string;
  readonly tokenizerConfigJson: string;
  /** Empty if the model has no chat template. */
  readonly chatTemplate: string;
};

/** What is used of the library's tokenizer; its own declarations do not resolve under Node's ESM rules. */
type Encoder = {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[]; tokens: string[] };
};

const configSchema = z.looseObject({});
const namedToken = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const specialsSchema = z.looseObject({
  bos_token: namedToken,
  eos_token: namedToken,
  pad_token: namedToken,
  unk_token: namedToken,
});

export type DecodeOptions = {
  /** Leave special tokens (`<|end|>` and the like) out of the text. Default true. */
  skipSpecial?: boolean;
};

/**
 * Text to tokens and back. Decoding concatenates the bytes that `tokenBytesRoot` commits to, so no host can show other
 * text.
 */
export class Tokenizer {
  /** Bytes of each token, by id. */
  readonly tokenBytes: TokenBytes;
  /** Ids of the special tokens. */
  readonly specialIds: ReadonlySet<number>;
  readonly #encoder: Encoder;
  readonly #style: TokenStyle;
  readonly #chat: ChatTemplate;
  readonly #specials: readonly string[];

  /** @param vocabSize Tokens of the model: ids that the tokenizer leaves undefined have no bytes. */
  constructor(files: TokenizerFiles, vocabSize: number) {
    const json = parse("tokenizer.json", files.tokenizerJson, tokenizerJsonSchema);
    const config = parse("tokenizer_config.json", files.tokenizerConfigJson, configSchema);
    this.#style = tokenStyleOf(json);
    this.tokenBytes = tokenBytesOf(json, vocabSize);
    const specials = (json.added_tokens ?? []).filter((token) => token.special === true);
    this.specialIds = new Set(specials.map((token) => token.id));
    this.#specials = specials.map((token) => token.content).filter((content) => content !== "");
    try {
      this.#encoder = new HuggingFaceTokenizer({ ...json, added_tokens: json.added_tokens ?? [] }, config);
    } catch (cause) {
      throw new UnsupportedTokenizerError("tokenizer.json cannot be loaded.", cause);
    }
    const named = parse("tokenizer_config.json", files.tokenizerConfigJson, specialsSchema);
    this.#chat = new ChatTemplate(files.chatTemplate, {
      bos_token: contentOf(named.bos_token),
      eos_token: contentOf(named.eos_token),
      pad_token: contentOf(named.pad_token),
      unk_token: contentOf(named.unk_token),
    });
  }

  get vocabSize(): number {
    return this.tokenBytes.length;
  }

  /** True if the model comes with a chat template. */
  get hasChatTemplate(): boolean {
    return !this.#chat.empty;
  }

  /**
   * Tokens of a text. Special tokens written in the text become special.
   * @param addSpecialTokens Adds what the tokenizer's post-processor adds (a begin token, for some models). Default
   * false.
   */
  encode(text: string, { addSpecialTokens = false }: { addSpecialTokens?: boolean } = {}): number[] {
    if (text === "" && !addSpecialTokens) return [];
    const { ids, tokens } = this.#encoder.encode(text, { add_special_tokens: addSpecialTokens });
    return ids.map((id, i) => {
      if (id === undefined || id >= this.vocabSize) {
        throw new UnknownTokenError(JSON.stringify(tokens[i]), this.vocabSize);
      }
      return id;
    });
  }

  /** Text of the tokens; bytes that are not UTF-8 become U+FFFD. */
  decode(tokens: readonly number[], options: DecodeOptions = {}): string {
    const stream = this.stream(options);
    let text = "";
    for (const token of tokens) text += stream.push(token);
    return text + stream.end();
  }

  /** A decoder for tokens that arrive one by one. */
  stream(options: DecodeOptions = {}): TokenStream {
    const skip = (options.skipSpecial ?? true) ? this.specialIds : new Set<number>();
    return new TokenStream(this.tokenBytes, skip, this.#style.stripsFirstSpace);
  }

  /** The prompt of a conversation, as text: what the template makes of it. */
  renderChat(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    return this.#chat.render(messages, options.addGenerationPrompt ?? true);
  }

  /**
   * The prompt of a conversation, as tokens. A special token that is written in a message's content is kept as plain
   * text there, so no message can close itself and speak as another role.
   */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatOptions = {}): number[] {
    const pieces = this.#chat.renderGuarded(messages, options.addGenerationPrompt ?? true, this.#specials);
    return pieces.flatMap((piece) => this.encode(piece));
  }
}

export type ChatOptions = {
  /** End with the head of the assistant's answer. Default true. */
  addGenerationPrompt?: boolean;
};

/**
 * Decodes tokens one by one and never emits half a UTF-8 character: what is pushed joins to exactly what `decode`
 * gives.
 */
export class TokenStream {
  // ignoreBOM: a decoder would otherwise swallow a leading U+FEFF of the answer.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #tokens: TokenBytes;
  readonly #skip: ReadonlySet<number>;
  #stripSpace: boolean;

  constructor(tokens: TokenBytes, skip: ReadonlySet<number>, stripFirstSpace: boolean) {
    this.#tokens = tokens;
    this.#skip = skip;
    this.#stripSpace = stripFirstSpace;
  }

  /** The text that this token completes; empty while a character is incomplete. */
  push(token: number): string {
    const bytes = this.#tokens[token];
    if (bytes === undefined) throw new UnknownTokenError(String(token), this.#tokens.length);
    if (this.#skip.has(token) || bytes.length === 0) return "";
    const strip = this.#stripSpace && bytes[0] === 0x20;
    this.#stripSpace = false;
    return this.#decoder.decode(strip ? bytes.subarray(1) : bytes, { stream: true });
  }

  /** The rest: U+FFFD if the last character never became whole. */
  end(): string {
    return this.#decoder.decode();
  }
}

function contentOf(token: z.infer<typeof namedToken>): string | undefined {
  return typeof token === "string" ? token : token?.content;
}

function parse<T>(file: string, text: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new UnsupportedTokenizerError(`${file} is malformed.`, cause);
  }
}
