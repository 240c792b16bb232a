import { type Abi, type Address, type Hash, type Log, parseEventLogs } from "viem";
import { getBlock, getBlockNumber, getLogs } from "viem/actions";
import type { ChainClient } from "./client.ts";
import { DeepReorgError } from "./errors.ts";
import { type Clock, systemClock } from "./time.ts";

/** A block that the watcher has handled, with everything before it. */
export interface Checkpoint {
  readonly number: bigint;
  readonly hash: Hash;
}

/** A block as the watcher has read it. */
export interface Head extends Checkpoint {
  /** Seconds since 1970. */
  readonly timestamp: bigint;
}

/** Where a watcher remembers how far it came. Writes are on disk when the call returns. */
export interface CursorStore {
  /** Checkpoints of the watcher `name`, ascending. */
  checkpoints(name: string): Checkpoint[];
  /** Replaces them. */
  save(name: string, checkpoints: readonly Checkpoint[]): void;
}

/** A cursor store that forgets at the end of the process. */
export class MemoryCursorStore implements CursorStore {
  readonly #all = new Map<string, Checkpoint[]>();

  checkpoints(name: string): Checkpoint[] {
    return this.#all.get(name) ?? [];
  }

  save(name: string, checkpoints: readonly Checkpoint[]): void {
    this.#all.set(name, [...checkpoints]);
  }
}

/** A decoded event with its place on the chain. */
export type WatchedLog = Log<bigint, number, false> & { readonly eventName: string; readonly args: unknown };

/** How a watcher works. */
export interface WatcherOptions {
  readonly client: ChainClient;
  /** Key of the cursor in the store. */
  readonly name: string;
  readonly store: CursorStore;
  /** Asked anew for each range, once its end is known: contracts that exist only later have no logs in it. */
  readonly addresses: () => readonly Address[] | Promise<readonly Address[]>;
  /** Events to decode; others of these addresses are skipped. */
  readonly abi: Abi;
  /** First block that can hold a log of interest. */
  readonly fromBlock: bigint;
  readonly clock?: Clock;
  /** Milliseconds between two looks at the head. */
  readonly pollMs?: number;
  /** Blocks behind the head that are left alone. */
  readonly confirmations?: number;
  /** Checkpoints remembered: a reorganisation below all of them is fatal. */
  readonly depth?: number;
  /**
   * Milliseconds for which a chain that only got shorter is taken for a node that lags, as they do behind a load balancer. Until then nothing
   * is forgotten; a block with another hash is always a reorganisation.
   */
  readonly lagMs?: number;
  /** Blocks per `eth_getLogs` at most; halved when the node refuses, doubled when it does not. */
  readonly maxRange?: bigint;
  /**
   * Called for each range in order, even without logs. A range is given again if the process dies before it returns, or after
   * a reorganisation: handlers must be idempotent.
   */
  readonly onRange: (logs: readonly WatchedLog[], to: Head) => Promise<void> | void;
  /** Everything after this block is no longer part of the chain. */
  readonly onRewind: (block: bigint) => Promise<void> | void;
  /** A look that failed; the next one comes after `pollMs`. */
  readonly onError?: (error: unknown) => void;
}

const DEFAULTS = { pollMs: 1000, confirmations: 0, depth: 256, lagMs: 0, maxRange: 5000n };

/**
 * Follows the logs of some contracts by polling. Each range ends in a checkpoint; before each look the newest checkpoint must
 * still be part of the chain, else the watcher walks back to the newest one that is, says so, and reads again from there.
 */
export class Watcher {
  readonly #o: Required<Omit<WatcherOptions, "onError">> & Pick<WatcherOptions, "onError">;
  #range: bigint;
  /** Milliseconds since 1970 since which the chain ends before what was handled. */
  #shorterSince: number | undefined;

  constructor(options: WatcherOptions) {
    this.#o = { clock: systemClock, ...DEFAULTS, ...options };
    this.#range = this.#o.maxRange;
  }

  /** Polls until the signal fires. Errors of the node are reported and survived; a deep reorganisation ends the loop. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.sync(signal);
      } catch (error) {
        if (error instanceof DeepReorgError) throw error;
        this.#o.onError?.(error);
      }
      await this.#o.clock.sleep(this.#o.pollMs, signal);
    }
  }

  /** Handles everything up to the present head, then resolves to the newest checkpoint. */
  async sync(signal?: AbortSignal): Promise<Checkpoint | undefined> {
    if (await this.#lags()) return this.#o.store.checkpoints(this.#o.name).at(-1);
    await this.#rewind();
    const head = (await getBlockNumber(this.#o.client, { cacheTime: 0 })) - BigInt(this.#o.confirmations);
    for (;;) {
      const known = this.#o.store.checkpoints(this.#o.name);
      const from = (known.at(-1)?.number ?? this.#o.fromBlock - 1n) + 1n;
      if (from > head || signal?.aborted) return known.at(-1);
      const to = from + this.#range - 1n < head ? from + this.#range - 1n : head;
      const consistent = await this.#step(from, to, known);
      if (consistent) continue;
      if (await this.#lags()) return known.at(-1);
      await this.#rewind();
    }
  }

  /** One range. False if the chain changed while it was read: nothing was handed out then. */
  async #step(from: bigint, to: bigint, known: readonly Checkpoint[]): Promise<boolean> {
    const { client, store, name } = this.#o;
    const last = await getBlock(client, { blockNumber: to });
    const previous = known.at(-1);
    if (previous !== undefined && last.number === previous.number + 1n && last.parentHash !== previous.hash)
      return false;
    const logs = await this.#logs(from, to);
    if (logs === undefined) return true;
    // The same end and the same start after reading: the logs in between belong to one chain.
    if ((await this.#hashAt(to)) !== last.hash) return false;
    if (previous !== undefined && (await this.#hashAt(previous.number)) !== previous.hash) return false;
    const checkpoint = { number: to, hash: last.hash };
    await this.#o.onRange(logs, { ...checkpoint, timestamp: last.timestamp });
    store.save(name, [...known, checkpoint].slice(-this.#o.depth));
    return true;
  }

  /** Logs of a range, or undefined after the node refused one so long that the range was halved. */
  async #logs(from: bigint, to: bigint): Promise<WatchedLog[] | undefined> {
    const { client, addresses, abi, maxRange } = this.#o;
    const watched = await addresses();
    try {
      const raw = await getLogs(client, { address: [...watched], fromBlock: from, toBlock: to });
      if (to - from + 1n === this.#range && this.#range < maxRange) this.#range = min(this.#range * 2n, maxRange);
      return parseEventLogs({ abi, logs: raw }) as unknown as WatchedLog[];
    } catch (error) {
      if (to === from) throw error;
      this.#range = (to - from + 1n) / 2n;
      return undefined;
    }
  }

  /** Drops the checkpoints that are no longer part of the chain. */
  async #rewind(): Promise<void> {
    const { store, name, depth } = this.#o;
    const known = store.checkpoints(name);
    let valid = known.length;
    while (valid > 0 && (await this.#hashAt(known[valid - 1]!.number)) !== known[valid - 1]!.hash) valid--;
    if (valid === known.length) return;
    if (valid === 0 && known.length === depth) throw new DeepReorgError(known[0]!.number, depth);
    const kept = known.slice(0, valid);
    await this.#o.onRewind(kept.at(-1)?.number ?? this.#o.fromBlock - 1n);
    store.save(name, kept);
  }

  /** Whether the node seems to be behind what was handled already, on the same chain. */
  async #lags(): Promise<boolean> {
    const { client, clock, lagMs, store, name } = this.#o;
    const known = store.checkpoints(name);
    const head = await getBlockNumber(client, { cacheTime: 0 });
    const last = known.at(-1);
    if (last === undefined || last.number <= head) {
      this.#shorterSince = undefined;
      return false;
    }
    this.#shorterSince ??= clock.now();
    if (clock.now() - this.#shorterSince >= lagMs) return false;
    const below = known.findLast(({ number }) => number <= head);
    return below === undefined || (await this.#hashAt(below.number)) === below.hash;
  }

  /** Hash of a block of the present chain; undefined beyond its head. */
  async #hashAt(number: bigint): Promise<Hash | undefined> {
    if ((await getBlockNumber(this.#o.client, { cacheTime: 0 })) < number) return undefined;
    return (await getBlock(this.#o.client, { blockNumber: number })).hash;
  }
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
