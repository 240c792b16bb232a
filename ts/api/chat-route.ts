import { keccak_256 } from "@noble/hashes/sha3.js";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Clock, unixSeconds } from "../chain/time.ts";
import { toHex } from "../commit/bytes.ts";
import type { Chat, IdempotencyKey } from "../executor/answerer.ts";
import type { Random } from "../executor/ports.ts";
import type { Order } from "../executor/receipts.ts";
import type { ChatBody } from "../sdk/chat-body.ts";
import { chatParameters, parseChatBody } from "../sdk/chat-parameters.ts";
import { decodeRequestHeader, REQUEST_HEADER } from "../sdk/request-header.ts";
import type { ApiBackend, ServedModel } from "./backend.ts";
import { bodyHash } from "./body-hash.ts";
import { jsonReply, receiptPath, streamReply } from "./chat-reply.ts";
import { apiErrorOf, invalidRequest, notFound } from "./errors.ts";
import { carriedOrder, type OrderContext, unsignedOrder } from "./order.ts";
import { signedReceipt } from "./otr-routes.ts";

export interface ChatRouteOptions {
  readonly backend: ApiBackend;
  readonly clock: Clock;
  readonly random: Random;
  readonly defaultMaxOut: number;
  readonly heartbeatMs: number;
}

const IDEMPOTENCY_HEADER = "idempotency-key";

/** `POST /v1/chat/completions`. Logs name requests by hash, not by chat id: the id entitles to the answer. */
export function chatRoute(app: FastifyInstance, options: ChatRouteOptions): void {
  const { backend, clock, heartbeatMs } = options;
  app.post("/v1/chat/completions", async (request, reply) => {
    const body = parseChatBody(request.body);
    const model = findModel(backend, body.model);
    const chat = await chatOf(request, body, model, options);
    request.log.debug(
      { requestHash: chat.order.requestHash, nIn: chat.order.prompt.length, stream: body.stream === true },
      "chat",
    );
    reply.hijack();
    await (body.stream ? streamReply : jsonReply)(reply.raw, {
      chat,
      model,
      clock,
      heartbeatMs,
      includeUsage: body.stream_options?.include_usage === true,
      includeOtr: body.stream_options?.include_otr === true,
      bundle: () => signedReceipt(backend, chat.chatId).bundle,
      sign: (responseHash) => backend.signExchange(chat.chatId, model.modelId, `${bodyHash(request)}:${responseHash}`),
      headers: { "x-request-id": request.id, "x-otr-receipt": receiptPath(chat.chatId) },
      onError: (error) => {
        const { status, apiCode } = apiErrorOf(error);
        request.log.warn({ requestHash: chat.order.requestHash, status, code: apiCode }, "chat failed");
      },
    });
  });
}

/** The model of that name or `modelId`. */
export function findModel(backend: ApiBackend, id: string): ServedModel {
  const model = backend.models.find(({ name, modelId }) => name === id || modelId === id.toLowerCase());
  if (model === undefined)
    throw notFound(`The model ${JSON.stringify(id)} does not exist here.`, "model_not_found", "model");
  return model;
}

async function chatOf(
  request: FastifyRequest,
  body: ChatBody,
  model: ServedModel,
  { backend, clock, random, defaultMaxOut }: ChatRouteOptions,
): Promise<Chat> {
  const header = (name: string) => {
    const value = request.headers[name];
    return typeof value === "string" ? value : undefined;
  };
  const carried = header(REQUEST_HEADER);
  const idempotency = idempotencyOf(header(IDEMPOTENCY_HEADER), header("authorization"), request.body, carried);
  const earlier = idempotency && backend.resume(idempotency);
  if (earlier !== undefined) return earlier;
  const parameters = chatParameters(model, body);
  const context: OrderContext = { domain: backend.domain, random, defaultMaxOut, now: unixSeconds(clock) };
  if (carried !== undefined)
    return backend.begin(await carriedOrder(model, parameters, decodeRequestHeader(carried), context), idempotency);
  const orderOf = (nonce: bigint) => unsignedOrder(model, parameters, nonce, context);
  return backend.begin(firstOrder(orderOf, backend), idempotency);
}

/**
 * The order with the first nonce that can be answered. Seeded requests whose answers were cut short are behind it: no request has two
 * receipts. A monitor that asks the same thing for months and hangs up leaves thousands, so they are not gone through one by one.
 */
function firstOrder(orderOf: (nonce: bigint) => Order, { isSpent }: Pick<ApiBackend, "isSpent">): Order {
  let [spent, free] = [-1n, 0n];
  let order = orderOf(free);
  while (isSpent(order.requestHash)) {
    [spent, free] = [free, 2n * free + 1n];
    order = orderOf(free);
  }
  while (free - spent > 1n) {
    const middle = (spent + free) / 2n;
    const tried = orderOf(middle);
    if (isSpent(tried.requestHash)) spent = middle;
    else [free, order] = [middle, tried];
  }
  return order;
}

/** Keys belong to whoever holds the API key: two clients may use one key for two things. */
function idempotencyOf(
  key: string | undefined,
  client: string | undefined,
  body: unknown,
  carried: string | undefined,
): IdempotencyKey | undefined {
  if (key === undefined) return undefined;
  if (key.length < 1 || key.length > 255)
    throw invalidRequest("The key must have 1 to 255 characters.", "Idempotency-Key");
  const digest = (value: unknown) => toHex(keccak_256(new TextEncoder().encode(JSON.stringify(value))));
  return { key: digest([client ?? null, key]), bodyHash: digest([body, carried ?? null]) };
}
