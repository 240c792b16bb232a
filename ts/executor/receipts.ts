import { type Clock, unixSeconds } from "../chain/time.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Domain, Receipt, Request } from "../commit/typed-data.ts";
import type { Logger } from "../config/logger.ts";
import { StoreStateError } from "../store/errors.ts";
import type { ExecutorStore } from "../store/executor-store.ts";
import type { EnclaveSession } from "./enclave.ts";
import { CancelledError, OperatorSignerError } from "./errors.ts";
import type { OperatorSigner } from "./ports.ts";

/** How long the executor binds itself. */
export interface TermsPolicy {
  /** Seconds in which the executor promises to commit a receipt. */
  readonly commitWithinSeconds: number;
  /** Seconds after which nobody can commit it any more. */
  readonly lifetimeSeconds: number;
}

/** What a requester asks for, complete and checked. */
export interface Order {
  readonly request: Request;
  readonly requestHash: Hex;
  readonly requestSignature?: Hex;
  /** What the seed of a confidential request commits to. Absent of any other. */
  readonly secret?: Hex;
  readonly prompt: readonly number[];
  /** An answer cut short is worth nothing: cancelled, it gets no receipt. */
  readonly whole?: boolean;
}

export interface ReceiptIssuerOptions {
  readonly store: ExecutorStore;
  readonly domain: Domain;
  readonly operator: OperatorSigner;
  readonly clock: Clock;
  readonly log: Logger;
  readonly terms: TermsPolicy;
  /** Told of every receipt that enters the queue. */
  readonly onQueued: () => void;
}

const SIGNER_ATTEMPTS = 3;
const SIGNER_RETRY_MS = 200;

/**
 * Turns finished sessions into receipts. A receipt is on disk before anybody signs it (`sealed`), and both signatures are before anybody
 * sees them (`queued`). So every receipt that could be held against the executor is known to it after any crash. If the operator's
 * signer is away, the enclave's signature waits for it on disk (`attested`).
 */
export class ReceiptIssuer {
  readonly #options: ReceiptIssuerOptions;

  constructor(options: ReceiptIssuerOptions) {
    this.#options = options;
  }

  /**
   * Seals, signs and queues the answer of a session.
   * @throws CancelledError if it has no token.
   * @throws OperatorSignerError if the operator's signer does not answer; `completeAttested` finishes the work later.
   */
  async issue(session: EnclaveSession, order: Order): Promise<{ receiptHash: Hex; receipt: Receipt }> {
    const { store, operator, clock, terms } = this.#options;
    const now = unixSeconds(clock);
    const sealed = await session.seal({
      executor: operator.address,
      commitBy: now + BigInt(terms.commitWithinSeconds),
      expiry: now + BigInt(terms.lifetimeSeconds),
    });
    if (sealed === undefined) throw new CancelledError();
    const { receipt, receiptHash } = sealed;
    store.addSealed({
      request: order.request,
      requestHash: order.requestHash,
      ...(order.requestSignature === undefined ? {} : { requestSignature: order.requestSignature }),
      ...(order.secret === undefined ? {} : { secret: order.secret }),
      receipt,
      receiptHash,
      inputTokens: order.prompt,
      outputTokens: sealed.outputs,
      records: sealed.records,
    });
    const enclaveSignature = await session.sign().catch((error: unknown) => {
      // Without both signatures it binds nobody; its request may be answered anew.
      store.lose(receiptHash);
      throw error;
    });
    await this.#countersign({ receiptHash, receipt, enclaveSignature }, SIGNER_ATTEMPTS);
    return { receiptHash, receipt };
  }

  /** Signs what an earlier attempt, or an earlier process, left with the enclave's signature only. */
  async completeAttested(): Promise<void> {
    for (const { receiptHash, receipt, enclaveSignature } of this.#options.store.answersIn("attested"))
      await this.#countersign({ receiptHash, receipt, enclaveSignature: enclaveSignature! }, 1);
  }

  async #countersign({ receiptHash, receipt, enclaveSignature }: AttestedReceipt, attempts: number): Promise<void> {
    const { store, operator, domain, clock, log } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        store.enqueue(receiptHash, enclaveSignature, await operator.signReceipt(domain, receipt));
        break;
      } catch (cause) {
        if (cause instanceof StoreStateError) throw cause;
        // The enclave's signature must outlive this process: with it, the answer can still be completed.
        store.attest(receiptHash, enclaveSignature);
        if (attempt >= attempts) throw new OperatorSignerError(attempt, cause);
        log.warn({ receiptHash, attempt, err: cause }, "operator signer failed");
        await clock.sleep(SIGNER_RETRY_MS * attempt);
      }
    }
    log.debug({ receiptHash, seq: receipt.seq, nIn: receipt.nIn, nOut: receipt.nOut }, "receipt queued");
    this.#options.onQueued();
  }
}

interface AttestedReceipt {
  readonly receiptHash: Hex;
  readonly receipt: Receipt;
  readonly enclaveSignature: Hex;
}
