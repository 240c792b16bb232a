import type { Hex } from "../../commit/bytes.ts";
import type { ChainPort, CommittedBatch, ExecutorStanding, OwnBatch } from "../ports.ts";

/** Test double of the chain: keeps batches in memory, can be cut off, and counts what was asked of it. */
export class FakeChain implements ChainPort {
  /** Batches on chain: root to count. */
  readonly batches = new Map<Hex, number>();
  /** Calls of `commitBatch` that took effect, by root. */
  readonly commits: Hex[] = [];
  /** Receipts that somebody committed by itself, by root. */
  readonly singles = new Map<Hex, { readonly single: Hex }>();
  /** When batches were committed, in seconds since 1970; now if left out. */
  readonly times = new Map<bigint, bigint>();
  down = false;
  confirmations = 1;
  /** Runs after a batch took effect and before its sender is told: throw to simulate a lost answer. */
  afterCommit: () => void = () => {};
  standingNow: ExecutorStanding = {
    blockNumber: 1n,
    blockTime: 0n,
    freeStake: 10n ** 20n,
    lockPerReceipt: 10n ** 15n,
    reserve: 10n ** 16n,
    suspended: false,
    exiting: false,
    keyActive: true,
    promptLimit: 1_000_000,
  };

  async commitBatch(root: Hex, count: number): Promise<{ transactionHash: Hex }> {
    this.#reach();
    if (this.batches.has(root)) throw new FakeChainError("this root was committed twice");
    this.batches.set(root, count);
    this.commits.push(root);
    this.afterCommit();
    return { transactionHash: root };
  }

  async findBatch(root: Hex): Promise<CommittedBatch | undefined> {
    this.#reach();
    if (!this.batches.has(root)) return undefined;
    return { confirmations: this.confirmations, batchId: BigInt([...this.batches.keys()].indexOf(root) + 1) };
  }

  async ownBatches(): Promise<readonly OwnBatch[]> {
    this.#reach();
    return [...this.batches.keys()].map((root, i) => ({ root, batchId: BigInt(i + 1), ...this.singles.get(root) }));
  }

  async committedAt(batchId: bigint): Promise<bigint> {
    this.#reach();
    return this.times.get(batchId) ?? BigInt(Math.floor(Date.now() / 1000));
  }

  async standing(_enclaveKey: Hex, _modelId: Hex): Promise<ExecutorStanding> {
    this.#reach();
    return { ...this.standingNow };
  }

  async close(): Promise<void> {}

  #reach(): void {
    if (this.down) throw new FakeChainError("connection refused");
  }
}

export class FakeChainError extends Error {}
