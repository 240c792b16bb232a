import { createHash, timingSafeEqual } from "node:crypto";
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { Clock } from "../chain/time.ts";
import { toHex } from "../commit/bytes.ts";
import { BaseError } from "../errors.ts";
import type { Random } from "../executor/ports.ts";
import type { ApiBackend } from "./backend.ts";
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
  /** Largest request body in bytes. */
  readonly bodyLimit?: number;
  /** Output limit of requests that name none, in tokens. */
  readonly defaultMaxOut?: number;
  /** Milliseconds of silence after which a response shows that it lives. */
  readonly heartbeatMs?: number;
}

const REQUEST_ID = /^[A-Za-z0-9_.:-]{1,128}$/;

/** The HTTP server of an executor: OpenAI's chat API, receipts and batches. It is not listening yet. */
export function createApiServer(options: ApiServerOptions): FastifyInstance {
  const { backend, clock, random, log, bodyLimit = 4 << 20, defaultMaxOut = 1024, heartbeatMs = 15_000 } = options;
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
    // Streams run as long as a model needs; only the time to send a request is bounded.
    requestTimeout: 60_000,
    connectionTimeout: 0,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: 256 },
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    if (options.apiKeys !== undefined && request.url.startsWith("/v1/") && !request.url.startsWith("/v1/otr/"))
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
  healthRoutes(app, backend);
  return app;
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
