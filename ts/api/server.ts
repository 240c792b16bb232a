import { createHash, timingSafeEqual } from "node:crypto";
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { Clock } from "../chain/time.ts";
import { toHex } from "../commit/bytes.ts";
import { BaseError } from "../errors.ts";
import type { Random } from "../executor/ports.ts";
import { attestationRoutes } from "./attestation-routes.ts";
import type { ApiBackend } from "./backend.ts";
import { keepBodyHashes } from "./body-hash.ts";
import { chatRoute } from "./chat-route.ts";
import { ApiError, apiErrorOf, notFound } from "./errors.ts";
import { healthRoutes } from "./health-routes.ts";
import { modelRoutes } from "./model-routes.ts";
import { otrRoutes } from "./otr-routes.ts";

/** How the HTTP server behaves. */
export interface ApiServerOptions {
  readonly backend: ApiBackend;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: FastifyBaseLogger;
  /** Bearer tokens that may ask for answers; left out, everybody may. */
  readonly apiKeys?: readonly string[];
  /** Largest request body in bytes. Left out, it follows from the models' contexts. */
  readonly bodyLimit?: number;
  /** Output limit of requests that name none, in tokens. */
  readonly defaultMaxOut?: number;
  /** Milliseconds of silence after which a response shows that it lives. */
  readonly heartbeatMs?: number;
}

/** Bytes of a request body: at most, beside its messages, and for each token that a model can read. */
const MAX_BODY = 4 << 20;
const BODY_FRAME = 1 << 16;
const BODY_PER_TOKEN = 64;

const REQUEST_ID = /^[A-Za-z0-9_.:-]{1,128}$/;

/** The HTTP server of an executor: OpenAI's chat API, receipts and batches. It is not listening yet. */
export function createApiServer(options: ApiServerOptions): FastifyInstance {
  const { backend, clock, random, log, defaultMaxOut = 1024, heartbeatMs = 15_000 } = options;
  const bodyLimit = options.bodyLimit ?? bodyLimitOf(backend);
  const app = fastify({
    loggerInstance: log,
    // Fastify's own lines would carry paths, and with them chat ids, which entitle to a bundle.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit,
    requestIdHeader: false,
    genReqId: ({ headers }) => {
      const given = headers["x-request-id"];
      return typeof given === "string" && REQUEST_ID.test(given) ? given : `req_${toHex(random(12)).slice(2)}`;
    },
    // Streams run as long as a model needs, and beat while it computes. Bounded are the time to send a request, and that in which a client
    // takes nothing of what is sent to it: it would hold its connection and its answer for ever.
    requestTimeout: 60_000,
    connectionTimeout: 8 * heartbeatMs,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: 256 },
  });
  keepBodyHashes(app);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    // The route's own path: a URL may spell it in many ways.
    const path = request.routeOptions.url ?? request.url;
    if (options.apiKeys !== undefined && path.startsWith("/v1/") && !path.startsWith("/v1/otr/"))
      authorize(request.headers.authorization, options.apiKeys);
  });
  app.setErrorHandler((error, request, reply) => {
    const shown = shownError(error);
    if (shown.status >= 500) request.log.error({ err: error }, "request failed");
    return reply.code(shown.status).headers(shown.headers).send(shown.body);
  });
  app.setNotFoundHandler((request) => {
    throw notFound(`Unknown request URL: ${request.method} ${request.url.split("?")[0]}.`, "unknown_url");
  });
  chatRoute(app, { backend, clock, random, defaultMaxOut, heartbeatMs });
  modelRoutes(app, backend, Math.floor(clock.now() / 1000));
  otrRoutes(app, backend);
  attestationRoutes(app, backend, random);
  healthRoutes(app, backend);
  return app;
}

/** More than any prompt needs that fits a model here: tokenizing what can only be refused would hold up all other answers. */
function bodyLimitOf({ models }: ApiBackend): number {
  const longest = Math.max(0, ...models.map(({ manifest }) => manifest.contextLength));
  return Math.min(MAX_BODY, BODY_FRAME + BODY_PER_TOKEN * longest);
}

/** Our errors as they are, fastify's (malformed JSON, too large a body) by their status. */
function shownError(error: unknown): ApiError {
  const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 500;
  if (error instanceof BaseError || status >= 500) return apiErrorOf(error);
  const code = error instanceof Error && "code" in error ? { code: String(error.code).toLowerCase() } : {};
  const message = error instanceof Error ? error.message : "Bad request";
  return new ApiError(message, { status, type: "invalid_request_error", ...code });
}

/** @throws ApiError with status 401 unless the header carries one of the keys. */
function authorize(header: string | undefined, keys: readonly string[]): void {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const given = digest(/^Bearer (.+)$/.exec(header ?? "")?.[1] ?? "");
  if (keys.some((key) => timingSafeEqual(digest(key), given))) return;
  throw new ApiError("Incorrect API key provided.", {
    status: 401,
    type: "invalid_request_error",
    code: "invalid_api_key",
  });
}
