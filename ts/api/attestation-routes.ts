import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { fromHex, type Hex } from "../commit/bytes.ts";
import { AttestationBusyError, EvidenceUnavailableError } from "../enclave/errors.ts";
import type { Random } from "../executor/ports.ts";
import { firstIssue } from "../sdk/wire.ts";
import type { ApiBackend } from "./backend.ts";
import { findModel } from "./chat-route.ts";
import { ApiError, invalidRequest, notFound } from "./errors.ts";

const algorithm = z.literal("ecdsa", { error: "only ecdsa is supported" }).default("ecdsa");
const reportSchema = z.object({
  model: z.string().optional(),
  nonce: z
    .string()
    .regex(/^(?:0x)?[0-9a-fA-F]{64}$/, "must be 32 bytes in hexadecimal")
    .optional(),
  signing_algo: algorithm,
  signing_address: z.string().optional(),
  include_tls_fingerprint: z.enum(["true", "false"]).default("false"),
});
const signatureSchema = z.object({ model: z.string().optional(), signing_algo: algorithm });

/** What verifiers of confidential inference ask for: evidence for a nonce of theirs, and the signature of an exchange. */
export function attestationRoutes(app: FastifyInstance, backend: ApiBackend, random: Random): void {
  app.get("/v1/attestation/report", async ({ query }) => {
    const asked = parsed(reportSchema, query);
    const { attestation } = backend;
    if (attestation === undefined)
      throw notFound("This executor has no evidence of its machine.", "attestation_unavailable");
    const keys = keysOf(backend, asked);
    const includeTls = asked.include_tls_fingerprint === "true";
    if (includeTls && !attestation.hasTls)
      throw invalidRequest("This executor knows no TLS key of its machine.", "include_tls_fingerprint");
    const nonce = asked.nonce === undefined ? random(32) : fromHex(`0x${asked.nonce.replace(/^0x/, "")}`);
    try {
      return await attestation.report({ nonce, keys, includeTls });
    } catch (error) {
      if (error instanceof AttestationBusyError || error instanceof EvidenceUnavailableError)
        throw new ApiError("The machine gives no evidence now.", {
          status: 503,
          type: "server_error",
          code: error instanceof AttestationBusyError ? "attestation_busy" : "evidence_unavailable",
          shouldRetry: true,
          retryAfterSeconds: 1,
        });
      throw error;
    }
  });

  app.get<{ Params: { chatId: string } }>("/v1/signature/:chatId", async ({ params, query }) => {
    const { model } = parsed(signatureSchema, query);
    if (model !== undefined) findModel(backend, model);
    const found = backend.exchangeOf(params.chatId);
    if (found !== undefined) return { ...found, signing_algo: "ecdsa" };
    if (backend.receiptOf(params.chatId).state === "unknown") throw notFound("No such chat.", "chat_not_found");
    throw notFound("This chat's response is not complete, or was not read to its end.", "signature_not_found");
  });
}

function keysOf(backend: ApiBackend, asked: { model?: string | undefined; signing_address?: string | undefined }) {
  const models = asked.model === undefined ? backend.models : [findModel(backend, asked.model)];
  const keys = models.map(({ name, modelId, enclaveKey, enclavePublicKey }) => ({
    model: name,
    modelId,
    address: enclaveKey,
    publicKey: enclavePublicKey,
  }));
  const wanted = asked.signing_address?.toLowerCase() as Hex | undefined;
  const chosen = wanted === undefined ? keys : keys.filter(({ address }) => address === wanted);
  // Balancers ask all executors, and merge what those answer that have the key.
  if (chosen.length === 0)
    throw notFound("No key here has this address.", "signing_address_not_found", "signing_address");
  return chosen;
}

function parsed<T>(schema: z.ZodType<T>, query: unknown): T {
  const result = schema.safeParse(query);
  if (result.success) return result.data;
  const { path, message } = firstIssue(result.error);
  throw invalidRequest(`Invalid '${path}': ${message}.`, path);
}
