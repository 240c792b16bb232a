import { setImmediate } from "node:timers/promises";
import type { Hex } from "../commit/bytes.ts";
import { toHex } from "../commit/bytes.ts";
import { STOP_REASON } from "../commit/typed-data.ts";
import type { Logger } from "../config/logger.ts";
import type { Answer } from "../store/executor-rows.ts";
import type { ExecutorStore } from "../store/executor-store.ts";
import type { Enclave, EnclaveStep } from "./enclave.ts";
import {
  AlreadyAnsweredError,
  CancelledError,
  IdempotencyMismatchError,
  NotServingError,
  OverloadedError,
} from "./errors.ts";
import type { Random } from "./ports.ts";
import type { Order, ReceiptIssuer } from "./receipts.ts";
import { Run, type RunReader } from "./run.ts";
import type { StandingMonitor } from "./standing.ts";

/** A client's conversation with one answer. */
export interface Chat extends RunReader {
  readonly chatId: string;
  readonly order: Order;
}

/** Names a request that its sender may repeat. */
export interface IdempotencyKey {
  readonly key: string;
  /** Hash of the body: the same key with another body is an error. */
  readonly bodyHash: Hex;
}

export interface AnswererOptions {
  readonly enclaves: readonly Enclave[];
  readonly issuer: ReceiptIssuer;
  readonly standing: StandingMonitor;
  readonly store: ExecutorStore;
  readonly random: Random;
  readonly log: Logger;
  /** Answers made at a time. */
  readonly maxRunning: number;
  /** Answers that wait for their turn at most. */
  readonly maxWaiting: number;
}

/**
 * Takes orders, runs them in the enclaves and hands their tokens to readers. One request has one answer: asked again, it is followed or
 * read from the store, never made twice, because two receipts for one request are a fraud of the executor.
 */
export class Answerer {
  readonly #options: AnswererOptions;
  readonly #runs = new Map<Hex, Run>();
  readonly #waiting: Run[] = [];
  readonly #driving = new Set<Promise<void>>();
  #closed = false;

  constructor(options: AnswererOptions) {
    this.#options = options;
  }

  /** Answers accepted and not finished. */
  get active(): number {
    return this.#runs.size;
  }

  /** True while the answer to this request is in the making. */
  isActive(requestHash: Hex): boolean {
    return this.#runs.has(requestHash);
  }

  /**
   * Starts, joins or replays the answer to an order.
   * @throws NotServingError, OverloadedError if new work is refused.
   * @throws PromptTooLongError if no executor should answer the request.
   * @throws AlreadyAnsweredError if the request's answer was cut short, or was forgotten since.
   */
  begin(order: Order, idempotency?: IdempotencyKey): Chat {
    this.#dropCancelled();
    if (this.isSpent(order.requestHash)) throw new AlreadyAnsweredError(order.requestHash);
    const running = this.#runs.get(order.requestHash);
    const run = running ?? this.#stored(order.requestHash) ?? this.#start(order);
    const chatId = `chatcmpl-${toHex(this.#options.random(16)).slice(2)}`;
    const reader = run.read();
    try {
      this.#options.store.addChat(chatId, order.requestHash, idempotency);
    } catch (error) {
      reader.leave();
      throw error;
    }
    return { chatId, order, ...reader };
  }

  /** Whether no answer to this request can be had any more: it was cut short, or was forgotten since. */
  isSpent(requestHash: Hex): boolean {
    const { store } = this.#options;
    const running = this.#runs.get(requestHash);
    if (running !== undefined) return running.cancelled;
    const answer = store.answerOf(requestHash);
    if (answer === undefined || !isFinished(answer)) return store.wasAnswered(requestHash);
    return answer.receipt.stopReason === STOP_REASON.cancelled;
  }

  /**
   * The chat that an earlier request with the same key started; undefined if there is none, or if it left no answer.
   * @throws IdempotencyMismatchError if that request had another body.
   */
  resume({ key, bodyHash }: IdempotencyKey): Chat | undefined {
    const { store } = this.#options;
    const row = store.idempotency(key);
    if (row === undefined) return undefined;
    if (row.bodyHash !== bodyHash) throw new IdempotencyMismatchError();
    const requestHash = store.requestOfChat(row.chatId);
    if (requestHash === undefined) return undefined;
    const running = this.#runs.get(requestHash);
    // A cut-short answer is no answer to a client that comes back for it: it starts again under the same key.
    if (running?.cancelled || store.answerOf(requestHash)?.receipt.stopReason === STOP_REASON.cancelled)
      return undefined;
    const run = running ?? this.#stored(requestHash);
    return run && { chatId: row.chatId, order: run.order, ...run.read() };
  }

  /** No new work from here on. */
  close(): void {
    this.#closed = true;
  }

  /** Cancels what is running: what was emitted gets its receipt, what waits is dropped. */
  cancelAll(): void {
    for (const run of this.#runs.values()) run.cancel();
  }

  /** Resolves when nothing is running. */
  async idle(): Promise<void> {
    while (this.#driving.size > 0) await Promise.allSettled(this.#driving);
  }

  /** A finished answer from the store. */
  #stored(requestHash: Hex): Run | undefined {
    const answer = this.#options.store.answerOf(requestHash);
    if (answer === undefined || !isFinished(answer)) return undefined;
    const { request, requestSignature, secret, receipt, receiptHash, inputTokens: prompt } = answer;
    const order = {
      request,
      requestHash,
      prompt,
      ...(requestSignature === undefined ? {} : { requestSignature }),
      ...(secret === undefined ? {} : { secret }),
    };
    return new Run(order, { steps: stepsOf(answer), outcome: { receiptHash, stopReason: receipt.stopReason } });
  }

  #start(order: Order): Run {
    const { standing, maxRunning, maxWaiting } = this.#options;
    if (this.#closed) throw new NotServingError("shutting_down", "Ask another executor, or again after the restart.");
    const enclave = this.#options.enclaves.find(({ modelId }) => modelId === order.request.modelId)!;
    standing.admit(enclave, this.#runs.size, order.request);
    if (this.#runs.size >= maxRunning + maxWaiting) throw new OverloadedError(this.#waiting.length);
    const run = new Run(order);
    this.#runs.set(order.requestHash, run);
    this.#waiting.push(run);
    this.#dispatch();
    return run;
  }

  /** Answers that nobody waits for any more, and that have not begun, take no place. */
  #dropCancelled(): void {
    for (const run of this.#waiting.filter(({ cancelled }) => cancelled)) {
      this.#waiting.splice(this.#waiting.indexOf(run), 1);
      this.#runs.delete(run.order.requestHash);
      run.fail(new CancelledError());
    }
  }

  #dispatch(): void {
    while (this.#driving.size < this.#options.maxRunning && this.#waiting.length > 0) {
      const run = this.#waiting.shift()!;
      const driving = this.#drive(run).finally(() => {
        this.#driving.delete(driving);
        this.#runs.delete(run.order.requestHash);
        this.#dispatch();
      });
      this.#driving.add(driving);
    }
  }

  async #drive(run: Run): Promise<void> {
    const { enclaves, issuer, log } = this.#options;
    const { request, requestHash, prompt, secret } = run.order;
    const enclave = enclaves.find(({ modelId }) => modelId === request.modelId)!;
    try {
      if (run.cancelled) throw new CancelledError();
      const session = await enclave.open({ request, prompt, ...(secret === undefined ? {} : { secret }) });
      try {
        let complete = false;
        while (!run.cancelled) {
          const step = await session.next();
          complete = step === undefined;
          if (step === undefined) break;
          run.push(step);
          // An engine on this thread must not starve sockets: a disconnect is noticed between two tokens.
          await setImmediate();
        }
        // Its request could never be answered again: one request has one receipt.
        if (!complete && run.order.whole) throw new CancelledError();
        const { receiptHash, receipt } = await issuer.issue(session, run.order);
        run.end({ receiptHash, stopReason: receipt.stopReason });
      } finally {
        await session.close();
      }
    } catch (error) {
      if (!run.cancelled) log.error({ requestHash, err: error }, "answer failed");
      run.fail(error);
    }
  }
}

/** Whether an answer has or will have both signatures. */
function isFinished({ state }: Answer): boolean {
  return state !== "sealed" && state !== "lost";
}

/** The steps of a finished answer, as its session made them. */
function stepsOf({ receipt, outputTokens, records }: Answer): EnclaveStep[] {
  const roots = records.map(({ cacheRoot }) => cacheRoot);
  return outputTokens.map((token, i) => ({
    token,
    cacheRoots: i === 0 ? roots.slice(0, receipt.nIn) : [roots[receipt.nIn - 1 + i]],
  }));
}
