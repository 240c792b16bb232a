import type { Hex } from "../commit/bytes.ts";
import type { TraceRecord } from "../commit/record.ts";
import type { Receipt, Request } from "../commit/typed-data.ts";
import { receiptSchema, requestSchema } from "../sdk/wire.ts";
import { unpackRecords, unpackTokens } from "./blobs.ts";
import type { SqlRow } from "./database.ts";

/**
 * Life of an answer: `sealed` (receipt built, its seq taken), `attested` (signed by the enclave), `queued` (signed by both, so
 * the executor is liable), `batched` (leaf of a batch). `lost`: sealed, but the enclave ended before it signed. `expired`: queued
 * past its receipt's expiry, so that nobody can commit it any more.
 */
export type AnswerState = "sealed" | "attested" | "queued" | "batched" | "lost" | "expired" | "quarantined";

/** An answer as it is built: the signatures come later. */
export interface SealedAnswer {
  readonly request: Request;
  readonly requestHash: Hex;
  readonly requestSignature?: Hex;
  /** What the seed of a confidential request commits to. Absent of any other. */
  readonly secret?: Hex;
  readonly receipt: Receipt;
  readonly receiptHash: Hex;
  readonly inputTokens: readonly number[];
  readonly outputTokens: readonly number[];
  readonly records: readonly TraceRecord[];
}

/** An answer with the signatures that it has so far. */
export interface Answer extends SealedAnswer {
  readonly state: AnswerState;
  readonly enclaveSignature?: Hex;
  readonly operatorSignature?: Hex;
  readonly batchRoot?: Hex;
}

/** Life of a batch: `intent` (to be committed), `committed` (seen on chain), `done` (deep enough), `failed` (needs a person). */
export type BatchState = "intent" | "committed" | "done" | "failed";

/** One batch. */
export interface StoredBatch {
  readonly root: Hex;
  readonly count: number;
  /** Seconds since 1970 when the last of its receipts expires. */
  readonly expiry: bigint;
  readonly state: BatchState;
  readonly transactionHash?: Hex;
  readonly error?: string;
}

/** What was exchanged in a chat, signed: hashes of the request's and of the response's bytes. */
export interface SignedExchange {
  /** SHA-256 of the request body, a colon, SHA-256 of the response body, both in hex. */
  readonly text: string;
  /** EIP-191. */
  readonly signature: Hex;
  readonly signing_address: string;
}

/** Name of an HTTP request that may be sent twice. */
export interface IdempotencyRow {
  readonly bodyHash: Hex;
  readonly chatId: string;
}

/** An answer from its row. */
export function answerOf(row: SqlRow): Answer {
  const optional = <K extends string>(key: K, value: SqlRow[string]) =>
    value === null ? {} : ({ [key]: value as Hex } as Record<K, Hex>);
  return {
    requestHash: row.request_hash as Hex,
    receiptHash: row.receipt_hash as Hex,
    request: requestSchema.parse(JSON.parse(String(row.request))),
    receipt: receiptSchema.parse(JSON.parse(String(row.receipt))),
    inputTokens: unpackTokens(row.input_tokens as Uint8Array),
    outputTokens: unpackTokens(row.output_tokens as Uint8Array),
    records: unpackRecords(row.records as Uint8Array),
    state: row.state as AnswerState,
    ...optional("requestSignature", row.request_signature),
    ...optional("secret", row.secret),
    ...optional("enclaveSignature", row.enclave_signature),
    ...optional("operatorSignature", row.operator_signature),
    ...optional("batchRoot", row.batch_root),
  };
}

/** A batch from its row. */
export function batchOf(row: SqlRow): StoredBatch {
  return {
    root: row.root as Hex,
    count: Number(row.count),
    expiry: BigInt(Number(row.expiry)),
    state: row.state as BatchState,
    ...(row.transaction_hash === null ? {} : { transactionHash: row.transaction_hash as Hex }),
    ...(row.error === null ? {} : { error: String(row.error) }),
  };
}
