import type { Clock } from "../chain/time.ts";
import { unixSeconds } from "../chain/time.ts";
import type { ExecutorStore } from "../store/executor-store.ts";
import { DatabaseOutdatedError } from "./errors.ts";
import type { ChainPort, OwnBatch } from "./ports.ts";

/** What an executor's memory is held against. */
export interface HistoryOptions {
  readonly chain: Pick<ChainPort, "ownBatches" | "committedAt">;
  readonly store: Pick<ExecutorStore, "batch" | "hasSigned">;
  readonly clock: Clock;
  /** Milliseconds after which settled answers are forgotten, and may be. */
  readonly retentionMs: number;
  /** Seconds from the forming of a batch to its commitment at most. */
  readonly commitSeconds: number;
}

/**
 * Compares the database with the chain: an executor that was restored from an old copy does not know what it signed since. Receipts that were
 * never committed leave no trace, so that a copy which lacks only those passes.
 *
 * @throws DatabaseOutdatedError if the chain has batches that this database neither formed nor may have forgotten.
 */
export async function requireHistory(options: HistoryOptions): Promise<void> {
  const { chain, store, clock, retentionMs, commitSeconds } = options;
  const isKnown = ({ root, single }: OwnBatch) =>
    store.batch(root) !== undefined || (single !== undefined && store.hasSigned(single));
  const unknown = (await chain.ownBatches()).filter((batch) => !isKnown(batch));
  const newest = unknown.at(-1);
  if (newest === undefined) return;
  const horizon = unixSeconds(clock) - BigInt(Math.floor(retentionMs / 1000)) + BigInt(commitSeconds);
  if ((await chain.committedAt(newest.batchId)) < horizon) return;
  throw new DatabaseOutdatedError(unknown.length, newest.batchId);
}
