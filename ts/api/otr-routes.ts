import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { Hex } from "../commit/bytes.ts";
import { type Bundle, bundleJson, redactedJson } from "../sdk/bundle.ts";
import { bytes32Schema, firstIssue } from "../sdk/wire.ts";
import type { ApiBackend, ChatReceipt } from "./backend.ts";
import { ApiError, invalidRequest, notFound } from "./errors.ts";

/** Bundles per page at most; a bundle has about 150 bytes a token. */
const MAX_PAGE = 100;

const integer = z
  .string()
  .regex(/^[0-9]{1,9}$/)
  .transform(Number);
const pageSchema = z.strictObject({
  from: integer.default(0),
  limit: integer.pipe(z.number().min(1).max(MAX_PAGE)).default(MAX_PAGE),
});

/** What only OTR's clients ask for: receipts, batches, and who serves here. */
export function otrRoutes(app: FastifyInstance, backend: ApiBackend): void {
  app.get<{ Params: { chatId: string } }>("/v1/otr/receipt/:chatId", async ({ params }) => {
    // The chat id is 128 random bits that only the requester was told: it is what entitles to a confidential bundle.
    const { bundle, batchRoot } = signedReceipt(backend, params.chatId);
    return { ...bundleJson(bundle), batchRoot: batchRoot ?? null };
  });

  app.get<{ Params: { root: string } }>("/v1/otr/batches/:root", async ({ params, query }, reply) => {
    const root = bytes32Schema.safeParse(params.root);
    const batch = root.success ? backend.batch(root.data) : undefined;
    if (batch === undefined || !root.success)
      throw notFound("No batch of this executor has this root.", "batch_not_found");
    const page = pageSchema.safeParse(query);
    if (!page.success) {
      const { path, message } = firstIssue(page.error);
      throw invalidRequest(`Invalid '${path}': ${message}.`, path);
    }
    const { from, limit } = page.data;
    const next = from + limit < batch.count ? from + limit : null;
    const head = JSON.stringify({ root: root.data, count: batch.count, from, next });
    reply.type("application/json; charset=utf-8");
    return reply.send(Readable.from(pageText(head, batch.bundles(from, limit))));
  });

  app.get("/.well-known/otr.json", async () => wellKnown(backend));
}

/** The receipt of a chat. @throws ApiError if there is none, or none yet */
export function signedReceipt(backend: ApiBackend, chatId: string): Extract<ChatReceipt, { state: "signed" }> {
  const found = backend.receiptOf(chatId);
  if (found.state === "signed") return found;
  if (found.state === "pending")
    throw new ApiError("The answer is still in the making.", {
      status: 409,
      type: "conflict_error",
      code: "receipt_pending",
      shouldRetry: true,
      retryAfterSeconds: 1,
    });
  if (found.state === "gone") throw notFound("This chat ended without a receipt.", "receipt_gone");
  throw notFound("No such chat.", "chat_not_found");
}

/** The page as text, bundle by bundle, so that a page is never in memory whole. */
function* pageText(head: string, bundles: Iterable<Bundle>): Generator<string> {
  yield `${head.slice(0, -1)},"bundles":[`;
  let comma = "";
  for (const bundle of bundles) {
    yield comma + JSON.stringify(bundle.request.confidential ? redactedJson(bundle) : bundleJson(bundle));
    comma = ",";
  }
  yield "]}";
}

function wellKnown({ domain, executor, models }: ApiBackend) {
  const [first] = models;
  return {
    version: 1,
    chainId: domain.chainId,
    rollup: domain.rollup,
    executor,
    enclaveKey: first?.enclaveKey,
    modelId: first?.modelId,
    models: models.map(
      ({ name, modelId, enclaveKey, manifest }): Record<string, Hex | string | number> => ({
        name,
        modelId,
        enclaveKey,
        machineVersion: manifest.machineVersion,
        contextLength: manifest.contextLength,
      }),
    ),
    endpoints: {
      chat: "/v1/chat/completions",
      models: "/v1/models",
      receipt: "/v1/otr/receipt/{chatId}",
      batch: "/v1/otr/batches/{root}",
    },
  };
}
