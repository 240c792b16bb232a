import type { Hex } from "../commit/bytes.ts";
import type { Domain } from "../commit/typed-data.ts";
import type { AttestationService } from "../enclave/attestation-report.ts";
import type { Chat, IdempotencyKey } from "../executor/answerer.ts";
import type { Order } from "../executor/receipts.ts";
import type { ReadinessCheck } from "../metrics/health-server.ts";
import type { Bundle } from "../sdk/bundle.ts";
import type { PromptModel } from "../sdk/prompt-model.ts";
import type { SignedExchange } from "../store/executor-rows.ts";

/** A model that the server offers. */
export interface ServedModel extends PromptModel {
  /** Address of the key that signs its receipts. */
  readonly enclaveKey: Hex;
  /** The key itself: x and y, 64 bytes. */
  readonly enclavePublicKey: Hex;
}

/** What is known of a chat's receipt: `gone` after a crash or a cancellation before the first token. */
export type ChatReceipt =
  | { readonly state: "unknown" | "pending" | "gone" }
  | { readonly state: "signed"; readonly bundle: Bundle; readonly batchRoot: Hex | undefined };

/** What stands behind the HTTP server. */
export interface ApiBackend {
  readonly domain: Domain;
  readonly executor: Hex;
  readonly models: readonly ServedModel[];
  /** Starts, joins or replays the answer to an order. */
  begin(order: Order, idempotency?: IdempotencyKey): Chat;
  /** The chat that an earlier request with the same key started. */
  resume(key: IdempotencyKey): Chat | undefined;
  /** Whether a request's answer cannot be had any more: `begin` would refuse it. */
  isSpent(requestHash: Hex): boolean;
  receiptOf(chatId: string): ChatReceipt;
  /** A batch of this executor, with its bundles in leaf order. */
  batch(root: Hex): { readonly count: number; bundles(from: number, limit: number): Iterable<Bundle> } | undefined;
  /** Signs what was exchanged in a chat with the model's key, and keeps it as long as the chat. */
  signExchange(chatId: string, modelId: Hex, text: string): Promise<void>;
  exchangeOf(chatId: string): SignedExchange | undefined;
  /** Evidence of the machine for clients; absent of machines without any. */
  readonly attestation?: AttestationService;
  readiness(): readonly ReadinessCheck[];
}
