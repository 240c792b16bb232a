import type { Hex } from "../commit/bytes.ts";
import { STOP_REASON } from "../commit/typed-data.ts";
import type { Manifest } from "../model/manifest.ts";
import type { Tokenizer } from "../model/tokenizer.ts";

/** The part of a model that turns conversations into prompts and answers into text; no weights. */
export interface PromptModel {
  /** Short name that clients send as `model`. */
  readonly name: string;
  readonly modelId: Hex;
  readonly manifest: Pick<Manifest, "machineVersion" | "contextLength" | "vocabSize">;
  /** Tokens that end every answer. */
  readonly stopTokens: readonly number[];
  readonly tokenizer: Pick<Tokenizer, "encode" | "applyChatTemplate" | "stream">;
}

/** Text of an answer as clients see it: the stop token that ended it is not part of it. */
export function answerText(
  model: Pick<PromptModel, "tokenizer">,
  outputs: readonly number[],
  stopReason: number,
): string {
  const shown = stopReason === STOP_REASON.stop ? outputs.slice(0, -1) : outputs;
  const stream = model.tokenizer.stream();
  let text = "";
  for (const token of shown) text += stream.push(token);
  return text + stream.end();
}
