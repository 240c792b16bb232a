import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { type BundleItem, bytes32Schema, toJson } from "../commit/bundle.ts";
import type { Hex } from "../commit/bytes.ts";
import { firstIssue } from "../sdk/zod-issue.ts";
import type { ApiBackend } from "./backend.ts";
import { ApiError, invalidRequest, notFound } from "./errors.ts";

const integer = z
  .string()
  .regex(/^[0-9]{1,9}$/, "expected a number")
  .transform(Number);
const pageSchema = z.strictObject({
  from: integer.optional(),
  limit: integer.pipe(z.number().min(1)).optional(),
});

/** What only OTR's clients ask for: receipts, batches, and who serves here. */
export function otrRoutes(app: FastifyInstance, backend: ApiBackend): void {
  app.get<{ Params: { chatId: string } }>("/v1/otr/receipt/:chatId", async ({ params }, reply) => {
    const found = backend.receiptOf(params.chatId);
    // The chat id is 128 random bits that only the requester was told: it is what entitles to a confidential bundle.
    if (found.state === "signed") return reply.type(JSON_TYPE).send(toJson(found.bundle));
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
  });

  app.get<{ Params: { root: string } }>("/v1/otr/batches/:root", async ({ params, query }, reply) => {
    const root = bytes32Schema.safeParse(params.root);
    const batch = root.success ? backend.batch(root.data) : undefined;
    if (batch === undefined) throw notFound("No batch of this executor has this root.", "batch_not_found");
    const page = pageSchema.safeParse(query);
    if (!page.success) {
      const { path, message } = firstIssue(page.error);
      throw invalidRequest(`Invalid '${path}': ${message}.`, path);
    }
    const { from = 0, limit = batch.count } = page.data;
    const whole = page.data.from === undefined && page.data.limit === undefined;
    const next = from + limit < batch.count ? from + limit : null;
    const head = { root: root.data, ...(whole ? {} : { count: batch.count, from, next }) };
    return reply.type(JSON_TYPE).send(Readable.from(bundleText(head, batch.items(from, limit))));
  });

  app.get("/.well-known/otr.json", async () => wellKnown(backend));
}

const JSON_TYPE = "application/json; charset=utf-8";

/** A bundle as text, item by item, so that it is never in memory whole: an item has about 150 bytes a token. */
function* bundleText(head: object, items: Iterable<BundleItem>): Generator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},"items":[`;
  let comma = "";
  for (const item of items) {
    yield comma + toJson(item.request.confidential ? withheld(item) : item);
    comma = ",";
  }
  yield "]}";
}

/** What everybody may see of a confidential answer: tokens, and the seed that the salts come from, stay hidden. */
function withheld({ receipt, enclaveSignature, operatorSignature }: BundleItem) {
  return { receipt, enclaveSignature, operatorSignature, withheld: true };
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
