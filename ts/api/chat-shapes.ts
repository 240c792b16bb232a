import { STOP_REASON } from "../commit/typed-data.ts";
import type { ServedModel } from "./backend.ts";

/** What all parts of one completion say. */
export interface CompletionHead {
  readonly chatId: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: ServedModel;
}

/** Token counts of a completion; the stop token counts as one of the answer's. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

export function usageOf(nIn: number, nOut: number): Usage {
  return { prompt_tokens: nIn, completion_tokens: nOut, total_tokens: nIn + nOut };
}

/** OpenAI's name for how an answer ended. */
export function finishReasonOf(stopReason: number): "stop" | "length" {
  return stopReason === STOP_REASON.stop ? "stop" : "length";
}

function base({ chatId, created, model }: CompletionHead, object: string) {
  return { id: chatId, object, created, model: model.name, system_fingerprint: fingerprintOf(model) };
}

/** Short commitment to what made the answer: the first bytes of `modelId`. */
export function fingerprintOf(model: Pick<ServedModel, "modelId">): string {
  return `otr_${model.modelId.slice(2, 18)}`;
}

/** A whole `chat.completion`. */
export function completion(head: CompletionHead, content: string, stopReason: number, usage: Usage) {
  const message = { role: "assistant", content, refusal: null };
  const choice = { index: 0, message, finish_reason: finishReasonOf(stopReason), logprobs: null };
  return { ...base(head, "chat.completion"), choices: [choice], usage };
}

type Delta = { readonly role?: "assistant"; readonly content?: string; readonly refusal?: null };

/** A `chat.completion.chunk` with text, or the last one with the reason why the answer ended. */
export function chunk(head: CompletionHead, delta: Delta, stopReason: number | undefined, withUsage: boolean) {
  const finish_reason = stopReason === undefined ? null : finishReasonOf(stopReason);
  const choice = { index: 0, delta, finish_reason, logprobs: null };
  return { ...base(head, "chat.completion.chunk"), choices: [choice], ...(withUsage ? { usage: null } : {}) };
}

/** The chunk after the last choice, for clients that asked for usage. */
export function usageChunk(head: CompletionHead, usage: Usage) {
  return { ...base(head, "chat.completion.chunk"), choices: [], usage };
}
