import type { MachineCache } from "./machine.ts";

/** A sequence's cached rows, and what is needed to use them again. */
export interface Holding {
  readonly cache: MachineCache;
  /** Positions whose rows are in the cache. */
  filled: number;
}

/** The cached rows of a sequence that is over, for others that begin in the same way. */
interface Kept extends Holding {
  readonly tokens: readonly number[];
  /** Cache root of each position. */
  readonly cacheRoots: readonly Uint8Array[];
}

/** Shorter beginnings are not worth a copy. */
const LEAST_PREFIX = 8;

/**
 * Memory of cached rows. What was used longest ago goes first: caches of sequences that are over, then those of sequences that wait; they
 * are computed again when it is their turn.
 *
 * INVARIANT: while a machine computes with a cache, on threads of its own, nothing frees it.
 */
export class CachePool {
  readonly #budget: number;
  /** In order of their last use. */
  readonly #live = new Set<Holding>();
  readonly #kept = new Set<Kept>();
  /** What a machine computes with now, and what is to be done with it afterwards. */
  #inUse: ReadonlySet<Holding> = new Set();
  #afterwards: (() => void)[] = [];

  /** @param budget Bytes that caches may take; more only if a single sequence needs more. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  /** Counts a sequence's cache. */
  add(holding: Holding): void {
    this.#live.add(holding);
  }

  /** Frees a sequence's cache. */
  drop(holding: Holding): void {
    if (this.#inUse.has(holding)) return void this.#afterwards.push(() => this.drop(holding));
    this.#live.delete(holding);
    holding.cache.free();
    holding.filled = 0;
  }

  /** Keeps the cache of a sequence that is over. */
  keep(holding: Holding, tokens: readonly number[], cacheRoots: readonly Uint8Array[]): void {
    if (this.#inUse.has(holding)) return void this.#afterwards.push(() => this.keep(holding, tokens, cacheRoots));
    if (!this.#live.delete(holding)) return;
    const { cache, filled } = holding;
    this.#kept.add({ cache, filled, tokens: tokens.slice(0, filled), cacheRoots: cacheRoots.slice(0, filled) });
    this.#evict();
  }

  /**
   * Copies the rows of the longest beginning that a sequence shares with one that is over, of at most `most` positions.
   * @returns The cache roots of those positions
   */
  begin(holding: Holding, tokens: readonly number[], most: number): readonly Uint8Array[] {
    let best: Kept | undefined;
    let length = LEAST_PREFIX - 1;
    for (const kept of this.#kept) {
      const limit = Math.min(kept.filled, tokens.length, most);
      let common = 0;
      while (common < limit && kept.tokens[common] === tokens[common]) common++;
      if (common > length) [best, length] = [kept, common];
    }
    if (best === undefined) return [];
    this.#touch(this.#kept, best);
    holding.cache.copy(best.cache, length);
    holding.filled = length;
    return best.cacheRoots.slice(0, length);
  }

  /** How many of these sequences, from the first on, fit next to each other, each up to a number of positions. One always does. */
  together(wanted: readonly { readonly track: Holding; readonly end: number }[]): number {
    let bytes = 0;
    const first = wanted.findIndex(({ track, end }) => {
      bytes += track.cache.bytesFor(end);
      return bytes > this.#budget;
    });
    return first === -1 ? wanted.length : Math.max(first, 1);
  }

  /** Lets a machine compute with the caches of these sequences, once there is room. One at a time. */
  async use<T>(holdings: ReadonlySet<Holding>, task: () => Promise<T>): Promise<T> {
    for (const holding of holdings) this.#touch(this.#live, holding);
    this.#inUse = holdings;
    this.#evict();
    try {
      return await task();
    } finally {
      this.#inUse = new Set();
      for (const step of this.#afterwards.splice(0)) step();
    }
  }

  close(): void {
    for (const { cache } of [...this.#kept, ...this.#live]) cache.free();
    this.#kept.clear();
    this.#live.clear();
  }

  #touch<T extends Holding>(set: Set<T>, holding: T): void {
    if (set.delete(holding)) set.add(holding);
  }

  #evict(): void {
    let bytes = 0;
    for (const { cache } of [...this.#kept, ...this.#live]) bytes += cache.bytes;
    for (const holding of [...this.#kept, ...this.#live]) {
      if (bytes <= this.#budget) return;
      if (this.#inUse.has(holding)) continue;
      bytes -= holding.cache.bytes;
      holding.cache.free();
      holding.filled = 0;
      this.#kept.delete(holding as Kept);
    }
  }
}
