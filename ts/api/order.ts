import { recoverAddress } from "viem";
import { type Hex, toHex } from "../commit/bytes.ts";
import { type Salting, saltKey, secretOf, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { type Domain, hashRequest, NOBODY, type Request } from "../commit/typed-data.ts";
import type { Random } from "../executor/ports.ts";
import type { Order } from "../executor/receipts.ts";
import type { ChatParameters } from "../sdk/chat-parameters.ts";
import type { PromptModel } from "../sdk/prompt-model.ts";
import { type CarriedRequest, REQUEST_HEADER } from "../sdk/request-header.ts";
import { invalidRequest } from "./errors.ts";

/** What orders are made with. */
export interface OrderContext {
  readonly domain: Domain;
  readonly random: Random;
  /** Output limit of requests that name none. */
  readonly defaultMaxOut: number;
  /** Seconds since 1970. */
  readonly now: bigint;
}

/** Deadline of requests that the server makes: none. Below 2^40, so that no contract's sum with it overflows. */
const NO_DEADLINE = 2n ** 40n - 1n;

/**
 * The request for a client that brought none: requester nobody. Without a seed it gets a random one, so it is unique and its salts hide
 * its content. With a seed it is a function of the body and `nonce`: asked again, the same request has the same answer.
 */
export function unsignedOrder(
  model: PromptModel,
  parameters: ChatParameters,
  nonce: bigint,
  context: OrderContext,
): Order {
  const { prompt, sampler, temperature, stopTokens } = parameters;
  const room = model.manifest.contextLength - prompt.length;
  const seed = parameters.seed ?? toHex(context.random(32));
  const request: Request = {
    requester: NOBODY,
    modelId: model.modelId,
    inputRoot: inputRootOf({ requester: NOBODY, secret: seed, nonce }, prompt),
    nIn: prompt.length,
    maxOut: parameters.maxOut ?? Math.min(context.defaultMaxOut, room),
    stopTokens,
    sampler,
    temperature,
    seed,
    nonce,
    deadline: NO_DEADLINE,
    confidential: false,
    watchers: [],
  };
  return { request, requestHash: hashRequest(context.domain, request), prompt };
}

/** The order of a client that brought its own request: every field must say what the body says. */
export async function carriedOrder(
  model: PromptModel,
  parameters: ChatParameters,
  { request, signature, secret: carriedSecret }: CarriedRequest,
  context: OrderContext,
): Promise<Order> {
  const { prompt, maxOut, seed, stopTokens, sampler, temperature } = parameters;
  const same = (field: keyof Request, expected: unknown, got: unknown = request[field]) => {
    if (String(expected) === String(got)) return;
    throw invalidRequest(
      `The ${field} of ${REQUEST_HEADER} is not what the body says.`,
      `${REQUEST_HEADER}.${field}`,
      "request_mismatch",
    );
  };
  const secret = secretOf(request, carriedSecret);
  if (secret === undefined)
    throw invalidRequest(
      "A confidential request brings the secret that its seed commits to, any other none.",
      `${REQUEST_HEADER}.secret`,
      "request_mismatch",
    );
  same("modelId", model.modelId);
  same("nIn", prompt.length);
  same("inputRoot", inputRootOf({ ...request, secret }, prompt));
  same("stopTokens", stopTokens);
  same("sampler", sampler);
  same("temperature", temperature);
  if (maxOut !== undefined) same("maxOut", maxOut);
  if (seed !== undefined) same("seed", seed);
  if (request.maxOut < 1 || request.nIn + request.maxOut > model.manifest.contextLength)
    throw invalidRequest("maxOut does not fit the model's context.", `${REQUEST_HEADER}.maxOut`);
  if (request.deadline <= context.now)
    throw invalidRequest("The request's deadline has passed.", `${REQUEST_HEADER}.deadline`, "deadline_passed");
  const requestHash = hashRequest(context.domain, request);
  const order = { request, requestHash, prompt, ...(request.confidential ? { secret } : {}) };
  if (request.requester === NOBODY) {
    if (signature !== undefined)
      throw invalidRequest("A request of nobody cannot be signed.", `${REQUEST_HEADER}.signature`);
    return order;
  }
  if (signature === undefined)
    throw invalidRequest("A request that names a requester must be signed.", `${REQUEST_HEADER}.signature`);
  const signer = await recoverAddress({ hash: requestHash, signature }).catch(() => undefined);
  if (signer?.toLowerCase() !== request.requester)
    throw invalidRequest(
      "The signature is not the requester's for this chain and rollup.",
      `${REQUEST_HEADER}.signature`,
      "invalid_signature",
    );
  return { ...order, requestSignature: signature };
}

function inputRootOf(salting: Salting, prompt: readonly number[]): Hex {
  return toHex(tokenTree(saltKey(salting), "input", prompt).root(TAGS.input));
}
