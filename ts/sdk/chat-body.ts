import { z } from "zod";
import { uint32Schema } from "./wire.ts";

const text = z.strictObject({ type: z.literal("text", "only text parts are supported"), text: z.string() });
const content = z.union([z.string(), z.array(text).min(1)], "expected a string or a list of text parts");
/** Fields of a message that this server does not act on: they may be there, but only empty. */
const unused = z.null("is not supported").optional();

const role = <R extends string>(name: R) => ({ role: z.literal(name), content });
const messageSchema = z.discriminatedUnion(
  "role",
  [
    z.strictObject(role("system")),
    z.strictObject(role("developer")),
    z.strictObject(role("user")),
    z.strictObject({
      ...role("assistant"),
      refusal: unused,
      audio: unused,
      tool_calls: z.union([unused, z.array(z.never()).max(0)]),
      function_call: unused,
      annotations: z.union([unused, z.array(z.never()).max(0)]),
    }),
  ],
  "expected one of system, developer, user, assistant",
);

const streamOptionsSchema = z.strictObject({
  include_usage: z.boolean().nullish(),
  /** OTR: a comment line with the receipt's place and hash before `[DONE]`. */
  include_otr: z.boolean().nullish(),
  include_obfuscation: z.literal(false, "is not supported").nullish(),
});

/** A parameter of OpenAI's API that would change the answer in a way that no receipt states: only its neutral value is taken. */
const only = <T extends string | number | boolean>(neutral: T) =>
  z.literal(neutral, `is not supported; only ${JSON.stringify(neutral)} is accepted`).nullish();

/**
 * Body of `POST /v1/chat/completions`. Everything that changes an answer is either in the request that gets signed, or refused:
 * nothing is ignored. Parameters that only label a request (`user`, `metadata`, ...) are accepted.
 */
export const chatBodySchema = z.strictObject({
  model: z.string(),
  messages: z.array(messageSchema).min(1),
  stream: z.boolean().nullish(),
  stream_options: streamOptionsSchema.nullish(),
  max_tokens: uint32Schema.min(1).nullish(),
  max_completion_tokens: uint32Schema.min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  /** Not OpenAI's; as in vLLM: further tokens that end the answer. */
  stop_token_ids: z.array(uint32Schema).max(16).nullish(),
  // Labels: no effect on the answer.
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  service_tier: z.enum(["auto", "default"]).nullish(),
  // Neutral values only.
  n: only(1),
  top_p: only(1),
  presence_penalty: only(0),
  frequency_penalty: only(0),
  logprobs: only(false),
  store: only(false),
  response_format: z.strictObject({ type: z.literal("text", "only text is supported") }).nullish(),
  modalities: z.tuple([z.literal("text")], "only text is supported").nullish(),
  logit_bias: z
    .record(z.string(), z.unknown())
    .refine((bias) => Object.keys(bias).length === 0, "is not supported")
    .nullish(),
});

/** A valid chat body. */
export type ChatBody = z.output<typeof chatBodySchema>;
export type ChatBodyMessage = ChatBody["messages"][number];
