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
 */
export class CachePool {
  readonly #budget: number;
  /** In order of their last use. */
  readonly #live = new Set<Holding>();
  readonly #kept = new Set<Kept>();

  /** @param budget Bytes that caches may take; more only if a single batch needs more. */
  constructor(budget: number) {
    this.#budget = budget;
  }

  /** Counts a sequence's cache. */
  add(holding: Holding): void {
    this.#live.add(holding);
  }

  /** Frees a sequence's cache. */
  drop(holding: Holding): void {
    this.#live.delete(holding);
    holding.cache.free();
    holding.filled = 0;
  }

  /** Keeps the cache of a sequence that is over. */
  keep(holding: Holding, tokens: readonly number[], cacheRoots: readonly Uint8Array[]): void {
    if (!this.#live.delete(holding)) return;
    const { cache, filled } = holding;
    this.#kept.add({ cache, filled, tokens: tokens.slice(0, filled), cacheRoots: cacheRoots.slice(0, filled) });
    this.#evict(new Set());
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

  /** Makes room for a batch of these sequences. */
  use(holdings: ReadonlySet<Holding>): void {
    for (const holding of holdings) this.#touch(this.#live, holding);
    this.#evict(holdings);
  }

  close(): void {
    for (const { cache } of [...this.#kept, ...this.#live]) cache.free();
    this.#kept.clear();
    this.#live.clear();
  }

  #touch<T extends Holding>(set: Set<T>, holding: T): void {
    if (set.delete(holding)) set.add(holding);
  }

  #evict(inUse: ReadonlySet<Holding>): void {
    let bytes = 0;
    for (const { cache } of [...this.#kept, ...this.#live]) bytes += cache.bytes;
    for (const holding of [...this.#kept, ...this.#live]) {
      if (bytes <= this.#budget) return;
      if (inUse.has(holding)) continue;
      bytes -= holding.cache.bytes;
      holding.cache.free();
      holding.filled = 0;
      this.#kept.delete(holding as Kept);
    }
  }
}
