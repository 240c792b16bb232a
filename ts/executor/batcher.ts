import { type Clock, unixSeconds } from "../chain/time.ts";
import { batchRoot } from "../commit/batch.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Logger } from "../config/logger.ts";
import type { StoredBatch } from "../store/executor-rows.ts";
import type { ExecutorStore } from "../store/executor-store.ts";
import type { ChainPort } from "./ports.ts";

export interface BatcherOptions {
  readonly store: ExecutorStore;
  readonly chain: ChainPort;
  readonly clock: Clock;
  readonly log: Logger;
  /** A batch is formed when the oldest receipt has waited this long, in milliseconds. */
  readonly intervalMs: number;
  /** A batch is formed at once when so many receipts wait, and never holds more. */
  readonly maxReceipts: number;
  /** Confirmations after which a batch counts as settled. */
  readonly confirmations: number;
  /** Between two looks at open work, in milliseconds. */
  readonly pollMs: number;
  /** Longest wait between two attempts while the chain does not answer, in milliseconds. */
  readonly maxBackoffMs: number;
  /** Runs before each pass; what waits is committed only if it succeeds. */
  readonly prepare: () => Promise<void>;
  /** Brings receipts that lack a signature into the queue. If it fails, the others are committed all the same: they are promised. */
  readonly complete: () => Promise<void>;
  /** Told when a batch has reached the chain. */
  readonly onCommitted: () => Promise<void>;
}

/**
 * Queue on disk, batch on disk, then the transaction. A batch is formed in one database transaction, so a receipt is in one batch or
 * none; the chain port commits a root once. A crash between any two lines repeats the second, which changes nothing if it was done.
 * One batch is under way at a time: a batch takes any number of receipts, and what comes meanwhile is the next batch.
 */
export class Batcher {
  readonly #options: BatcherOptions;
  readonly #stop = new AbortController();
  #wake = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #failures = 0;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** A receipt was queued. */
  notify(): void {
    if (this.#options.store.queue().count >= this.#options.maxReceipts) this.#wake.abort();
  }

  /** Ends the loop after the pass under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await this.#loop;
  }

  /** Forms a batch of everything that waits and tries once to commit what is open. Failures are logged: all of it is on disk. */
  async flush(): Promise<void> {
    await this.#attempt(() => this.#options.complete());
    await this.#attempt(async () => {
      await this.#options.prepare();
      while (this.#form(true) !== undefined) {}
      await this.#settle();
    });
  }

  /** One pass: forms a batch if one is due, commits what is open, looks after what is committed and what is not signed yet. */
  async pass(): Promise<void> {
    await this.#options.prepare();
    const expired = this.#options.store.expire(unixSeconds(this.#options.clock));
    if (expired > 0) this.#options.log.error({ receipts: expired }, "receipts expired before they were committed");
    if (this.#options.store.batchesIn("intent").length === 0) this.#form(false);
    await this.#settle();
    await this.#options.complete();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const done = await this.#attempt(() => this.pass());
      this.#failures = done ? 0 : this.#failures + 1;
      const { pollMs, maxBackoffMs, clock } = this.#options;
      await clock.sleep(Math.min(pollMs * 2 ** this.#failures, Math.max(pollMs, maxBackoffMs)), this.#wake.signal);
      if (!this.#stop.signal.aborted) this.#wake = new AbortController();
    }
  }

  async #attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (err) {
      this.#options.log.warn({ err, failures: this.#failures + 1 }, "batches wait on disk");
      return false;
    }
  }

  #form(force: boolean): StoredBatch | undefined {
    const { store, clock, intervalMs, maxReceipts, log } = this.#options;
    const { count, oldest } = store.queue();
    if (count === 0) return undefined;
    if (!force && count < maxReceipts && clock.now() - oldest < intervalMs) return undefined;
    const batch = store.formBatch(maxReceipts, batchRoot);
    if (batch !== undefined) log.info({ root: batch.root, receipts: batch.count }, "batch formed");
    return batch;
  }

  async #settle(): Promise<void> {
    const { store, chain, confirmations, log } = this.#options;
    for (const { root, count, expiry } of store.batchesIn("intent")) await this.#commit(root, count, expiry);
    for (const { root } of store.batchesIn("committed")) {
      const found = await chain.findBatch(root);
      if (found === undefined) {
        log.warn({ root }, "a reorganisation took the batch out of the chain");
        store.moveBatch(root, "committed", "intent");
      } else if (found.confirmations >= confirmations) {
        store.moveBatch(root, "committed", "done");
      }
    }
  }

  async #commit(root: Hex, count: number, expiry: bigint): Promise<void> {
    const { store, chain, clock, log, onCommitted } = this.#options;
    if ((await chain.findBatch(root)) === undefined) {
      if (expiry <= unixSeconds(clock)) {
        log.error({ root, receipts: count }, "every receipt of the batch expired before it was committed");
        return store.moveBatch(root, "intent", "failed", { error: "expired" });
      }
      const { transactionHash } = await chain.commitBatch(root, count);
      store.moveBatch(root, "intent", "committed", { transactionHash });
      log.info({ root, receipts: count, transactionHash }, "batch committed");
    } else {
      store.moveBatch(root, "intent", "committed");
      log.info({ root, receipts: count }, "batch found on chain");
    }
    await onCommitted();
  }
}
