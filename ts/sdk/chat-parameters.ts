import { type Hex, toHex, word } from "../commit/bytes.ts";
import { type Request, SAMPLER } from "../commit/typed-data.ts";
import type { ChatMessage } from "../model/chat-template.ts";
import { type ChatBody, type ChatBodyMessage, chatBodySchema } from "./chat-body.ts";
import { InvalidChatError } from "./errors.ts";
import type { PromptModel } from "./prompt-model.ts";
import { firstIssue } from "./wire.ts";

/** What a chat body means for the request: the part that client and server compute alike. */
export interface ChatParameters extends Pick<Request, "sampler" | "temperature" | "stopTokens"> {
  readonly prompt: readonly number[];
  /** Undefined if the body leaves it open. */
  readonly maxOut: number | undefined;
  /** Undefined if the body leaves it open. */
  readonly seed: Hex | undefined;
}

/** Reads a chat body, naming the first field that is wrong. */
export function parseChatBody(json: unknown): ChatBody {
  const parsed = chatBodySchema.safeParse(json);
  if (!parsed.success) {
    const { path, message } = firstIssue(parsed.error);
    throw new InvalidChatError(path === "" ? `Invalid body: ${message}.` : `Invalid '${path}': ${message}.`, path);
  }
  if (parsed.data.stream_options && !parsed.data.stream)
    throw new InvalidChatError("'stream_options' is only allowed when 'stream' is true.", "stream_options");
  return parsed.data;
}

/** Temperature in 16.16 fixed point: `round(t * 2^16)`. What rounds to 0 is the greedy sampler. */
export function samplerOf(temperature: number): Pick<Request, "sampler" | "temperature"> {
  const fixed = Math.round(temperature * 65536);
  return fixed === 0
    ? { sampler: SAMPLER.greedy, temperature: 0 }
    : { sampler: SAMPLER.temperature, temperature: fixed };
}

/** Prompt tokens, sampler, stop tokens and limits of a chat body. */
export function chatParameters(model: PromptModel, body: ChatBody): ChatParameters {
  const { max_tokens, max_completion_tokens, seed, temperature } = body;
  if (max_tokens && max_completion_tokens && max_tokens !== max_completion_tokens)
    throw new InvalidChatError("'max_tokens' and 'max_completion_tokens' differ.", "max_tokens");
  const prompt = model.tokenizer.applyChatTemplate(body.messages.map(plainMessage));
  const maxOut = max_completion_tokens ?? max_tokens ?? undefined;
  const { contextLength } = model.manifest;
  if (prompt.length === 0) throw new InvalidChatError("The messages make an empty prompt.", "messages");
  if (prompt.length + (maxOut ?? 1) > contextLength)
    throw new InvalidChatError(
      `This model's context length is ${contextLength} tokens; ${prompt.length} in the messages and ` +
        `${maxOut ?? 1} in the completion do not fit.`,
      "messages",
      "context_length_exceeded",
    );
  return {
    prompt,
    maxOut,
    stopTokens: stopTokensOf(model, body),
    ...samplerOf(temperature ?? 1),
    // Two's complement, so that every integer that a client may send is a seed of its own.
    seed: typeof seed === "number" ? toHex(word(BigInt.asUintN(256, BigInt(seed)))) : undefined,
  };
}

/** Roles as templates know them: `developer` is what newer clients call `system`. Parts are joined without separator. */
function plainMessage({ role, content }: ChatBodyMessage): ChatMessage {
  return {
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map((part) => part.text).join(""),
  };
}

/**
 * The model's stop tokens and the body's. Requests commit to stop tokens, not to strings: a `stop` string must be exactly one token,
 * and the answer ends when that token is made (not when the string comes about inside or across other tokens).
 */
function stopTokensOf(model: PromptModel, body: ChatBody): number[] {
  const { vocabSize } = model.manifest;
  const strings = typeof body.stop === "string" ? [body.stop] : (body.stop ?? []);
  const ids = body.stop_token_ids ?? [];
  const unknown = ids.findIndex((id) => id >= vocabSize);
  if (unknown >= 0) throw new InvalidChatError(`The model has ${vocabSize} tokens.`, `stop_token_ids[${unknown}]`);
  const encoded = strings.map((string) => {
    const tokens = model.tokenizer.encode(string);
    if (tokens.length === 1) return tokens[0];
    throw new InvalidChatError(
      `'stop' is only supported for strings that are one token of this model; ${JSON.stringify(string)} is ${tokens.length}.`,
      "stop",
    );
  });
  return [...new Set([...model.stopTokens, ...encoded, ...ids])];
}
