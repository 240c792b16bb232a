import { type Hex, toHex } from "../commit/bytes.ts";
import { saltKey, seedOf, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { type Domain, hashRequest, NOBODY, type Request, requestTypedData } from "../commit/typed-data.ts";
import type { ChatBody } from "./chat-body.ts";
import { chatParameters, parseChatBody } from "./chat-parameters.ts";
import { InvalidChatError } from "./errors.ts";
import type { PromptModel } from "./prompt-model.ts";
import { encodeRequestHeader, REQUEST_HEADER } from "./request-header.ts";
import { secretProblem } from "./secret-problem.ts";

/** Who pays and may be compensated: any viem account. */
export interface RequesterAccount {
  readonly address: Hex;
  signTypedData(parameters: ReturnType<typeof requestTypedData>): Promise<Hex>;
}

export interface PrepareRequestParameters {
  readonly model: PromptModel;
  readonly domain: Domain;
  /** Body of the chat completion, as `openai` takes it. */
  readonly body: Omit<ChatBody, "model"> & { readonly model?: string };
  /** Signs the request; left out, nobody can be compensated for a wrong answer. */
  readonly account?: RequesterAccount;
  /**
   * 32 random bytes; they seed sampling and hide the content of the commitments, if the body names no seed. Of a confidential request they
   * are the secret that its seed commits to.
   */
  readonly seed: Hex;
  /** Tells requests with one seed apart. Default 0. */
  readonly nonce?: bigint;
  /** Seconds since 1970 after which the answer is not wanted any more. */
  readonly deadline: bigint;
  /** Output limit if the body names none. Default: what the context has room for. */
  readonly maxOut?: number;
  /** Hides tokens from everybody but requester and watchers. Default false. */
  readonly confidential?: boolean;
  /** Who else may see and dispute a confidential answer. */
  readonly watchers?: readonly Hex[];
}

/** A request ready to be sent, and what its receipt is checked against. */
export interface PreparedRequest {
  readonly domain: Domain;
  readonly request: Request;
  readonly requestHash: Hex;
  readonly signature?: Hex;
  /** Prompt tokens, made here and not by the executor. */
  readonly tokens: readonly number[];
  readonly saltKey: Uint8Array;
  /** What the seed of a confidential request commits to: for executor and watchers only. Absent of any other. */
  readonly secret?: Hex;
  /** Goes to `client.chat.completions.create(body, { headers })` of an unmodified `openai` client. */
  readonly body: ChatBody;
  readonly headers: Record<string, string>;
}

/**
 * Turns a chat body into a request: tokens by the model's template and tokenizer, the input's root, a signature if there is an account.
 * @throws InvalidChatError if the body asks for something that this protocol does not offer.
 */
export async function prepareRequest(parameters: PrepareRequestParameters): Promise<PreparedRequest> {
  const { model, domain, account, nonce = 0n, deadline, confidential = false, watchers = [] } = parameters;
  const body = parseChatBody({ ...parameters.body, model: parameters.body.model ?? model.name });
  const { prompt, sampler, temperature, stopTokens, ...open } = chatParameters(model, body);
  // A seed that the body names is no secret, and a seed that commits to one cannot be named.
  if (confidential && open.seed !== undefined)
    throw new InvalidChatError("'seed' cannot be chosen in a confidential request.", "seed");
  const requester = lower(account?.address ?? NOBODY);
  const secret = open.seed ?? lower(parameters.seed);
  const key = saltKey({ requester, secret, nonce });
  const request: Request = {
    requester,
    seed: seedOf(confidential, secret),
    nonce,
    modelId: model.modelId,
    inputRoot: toHex(tokenTree(key, "input", prompt).root(TAGS.input)),
    nIn: prompt.length,
    maxOut: open.maxOut ?? parameters.maxOut ?? model.manifest.contextLength - prompt.length,
    stopTokens,
    sampler,
    temperature,
    deadline,
    confidential,
    watchers: watchers.map(lower),
  };
  const problem = confidential ? secretProblem({ request, secret }) : undefined;
  if (problem !== undefined) throw new InvalidChatError(`A confidential request is refused: ${problem}.`, "seed");
  const signature = await account?.signTypedData(requestTypedData(domain, request));
  const carried = {
    request,
    ...(signature === undefined ? {} : { signature }),
    ...(confidential ? { secret } : {}),
  };
  return {
    domain,
    ...carried,
    requestHash: hashRequest(domain, request),
    tokens: prompt,
    saltKey: key,
    body,
    headers: { [REQUEST_HEADER]: encodeRequestHeader(carried) },
  };
}

function lower(hex: Hex): Hex {
  return hex.toLowerCase() as Hex;
}
