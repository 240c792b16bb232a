import { toHex } from "../commit/bytes.ts";
import { saltKey, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { type Domain, hashRequest, NOBODY, type Request } from "../commit/typed-data.ts";
import { chatParameters, parseChatBody } from "./chat-parameters.ts";
import type { PreparedRequest } from "./prepare-request.ts";
import type { PromptModel } from "./prompt-model.ts";

export interface AdoptRequestParameters {
  readonly model: PromptModel;
  readonly domain: Domain;
  /** The body that was sent. */
  readonly body: unknown;
  /** The request that the executor made of it, from the bundle. */
  readonly request: Request;
}

/**
 * For clients that sent a plain body: the request as it must be. Only what the body leaves open (seed, nonce, deadline, output limit) is
 * taken from the executor's; everything else is made anew, so that any other change shows as another `requestHash`.
 */
export function adoptRequest({ model, domain, body, request: theirs }: AdoptRequestParameters): PreparedRequest {
  const parsed = parseChatBody(body);
  const { prompt, sampler, temperature, stopTokens, maxOut, seed } = chatParameters(model, parsed);
  const { nonce } = theirs;
  const secret = seed ?? theirs.seed;
  const key = saltKey({ requester: NOBODY, secret, nonce });
  const request: Request = {
    requester: NOBODY,
    seed: secret,
    nonce,
    modelId: model.modelId,
    inputRoot: toHex(tokenTree(key, "input", prompt).root(TAGS.input)),
    nIn: prompt.length,
    maxOut: maxOut ?? theirs.maxOut,
    stopTokens,
    sampler,
    temperature,
    deadline: theirs.deadline,
    confidential: false,
    watchers: [],
  };
  const requestHash = hashRequest(domain, request);
  return { domain, request, requestHash, tokens: prompt, saltKey: key, body: parsed, headers: {} };
}
