import type { ServerResponse } from "node:http";
import type { Clock } from "../chain/time.ts";
import type { Hex } from "../commit/bytes.ts";
import { STOP_REASON } from "../commit/typed-data.ts";
import type { Chat } from "../executor/answerer.ts";
import type { EnclaveStep } from "../executor/enclave.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { receiptComment, stepComment } from "../sdk/stream-comments.ts";
import type { ServedModel } from "./backend.ts";
import { type CompletionHead, chunk, completion, usageChunk, usageOf } from "./chat-shapes.ts";
import { ApiError, apiErrorOf } from "./errors.ts";
import { ResponseStream } from "./response-stream.ts";

/** How a chat is answered. */
export interface ChatReplyOptions {
  readonly chat: Chat;
  readonly model: ServedModel;
  readonly clock: Clock;
  readonly includeUsage: boolean;
  readonly includeOtr: boolean;
  /** The signed answer, once the chat has ended. */
  readonly bundle: () => Bundle;
  /** Headers of every response to this request. */
  readonly headers: Record<string, string>;
  /** Milliseconds of silence after which something harmless is written. */
  readonly heartbeatMs: number;
  /** Signs the exchange whose response has this SHA-256, before its last bytes leave. */
  readonly sign: (responseHash: string) => Promise<void>;
  /** Told of a failure that the client is told of too. */
  readonly onError: (error: unknown) => void;
}

/** Path under which a chat's receipt is found. */
export function receiptPath(chatId: string): string {
  return `/v1/otr/receipt/${chatId}`;
}

interface Ended {
  readonly nOut: number;
  readonly receiptHash: Hex;
  readonly stopReason: number;
}

/** Follows a chat to its end; `onStep` gets the text that each step completes, and once more what is left at the end. */
async function follow(
  { chat, model }: ChatReplyOptions,
  onStep: (text: string, step?: EnclaveStep) => Promise<void>,
): Promise<Ended> {
  const stops = new Set(chat.order.request.stopTokens);
  const decoder = model.tokenizer.stream();
  const steps = chat.steps();
  for (let nOut = 0; ; nOut++) {
    const next = await steps.next();
    if (next.done) {
      await onStep(decoder.end());
      return { nOut, ...next.value };
    }
    // A stop token ends the answer and is not part of its text.
    const { token } = next.value;
    await onStep(stops.has(token) ? "" : decoder.push(token), next.value);
  }
}

function headOf({ chat, model, clock }: ChatReplyOptions): CompletionHead {
  return { chatId: chat.chatId, created: Math.floor(clock.now() / 1000), model };
}

/**
 * Answers as server-sent events. Headers leave at once. A failure after that is an event with `error`, on which OpenAI's clients
 * throw. The `otr` comment is invisible to them: parsers skip lines that begin with a colon.
 */
export async function streamReply(response: ServerResponse, options: ChatReplyOptions): Promise<void> {
  const { chat, clock, includeUsage, includeOtr, headers, heartbeatMs } = options;
  const stream = new ResponseStream(response, () => chat.leave());
  const head = headOf(options);
  const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
  const send = (value: object) => stream.write(event(value));
  stream.start(200, { ...headers, "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  void stream.heartbeat(clock, heartbeatMs, () => stream.write(": waiting\n\n"));
  try {
    await send(chunk(head, { role: "assistant", content: "", refusal: null }, undefined, includeUsage));
    const ended = await follow(options, async (text, step) => {
      const comment = includeOtr && step !== undefined ? stepComment(step) : "";
      const data = text === "" ? "" : event(chunk(head, { content: text }, undefined, includeUsage));
      if (comment + data !== "") await stream.write(comment + data);
    });
    if (ended.stopReason === STOP_REASON.cancelled) throw cutShort();
    await send(chunk(head, {}, ended.stopReason, includeUsage));
    if (includeUsage) await send(usageChunk(head, usageOf(chat.order.prompt.length, ended.nOut)));
    const last = `${includeOtr ? receiptComment(chat.chatId, options.bundle()) : ""}data: [DONE]\n\n`;
    await options.sign(stream.hashWith(last));
    stream.end(last);
  } catch (error) {
    options.onError(error);
    stream.end(event(apiErrorOf(error).body));
  } finally {
    chat.leave();
  }
}

/**
 * Answers with one JSON object. Errors have their status as long as the answer comes within a heartbeat; after that status 200 is on its
 * way, kept alive with white space, which JSON allows, and a failure breaks the connection.
 */
export async function jsonReply(response: ServerResponse, options: ChatReplyOptions): Promise<void> {
  const { chat, clock, headers, heartbeatMs } = options;
  const stream = new ResponseStream(response, () => chat.leave());
  const json = { ...headers, "content-type": "application/json; charset=utf-8" };
  void stream.heartbeat(clock, heartbeatMs, async () => {
    if (!stream.started) stream.start(200, json);
    await stream.write(" ");
  });
  try {
    let content = "";
    const ended = await follow(options, async (text) => {
      content += text;
    });
    if (ended.stopReason === STOP_REASON.cancelled) throw cutShort();
    const usage = usageOf(chat.order.prompt.length, ended.nOut);
    const body = JSON.stringify(completion(headOf(options), content, ended.stopReason, usage));
    await options.sign(stream.hashWith(body));
    if (!stream.started) stream.start(200, { ...json, "content-length": String(Buffer.byteLength(body)) });
    stream.end(body);
  } catch (error) {
    options.onError(error);
    const shown = apiErrorOf(error);
    if (stream.started) return stream.break();
    stream.start(shown.status, { ...json, ...shown.headers });
    stream.end(JSON.stringify(shown.body));
  } finally {
    chat.leave();
  }
}

/** The executor stopped before the answer was done. What was emitted has a receipt, so the client must decide to ask again. */
function cutShort(): ApiError {
  return new ApiError("The executor stopped before the answer was complete; its receipt covers what was sent.", {
    status: 503,
    type: "server_error",
    code: "answer_cut_short",
    shouldRetry: false,
  });
}
