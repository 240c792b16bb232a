import { CacheRangeError } from "./errors.ts";
import type { Program } from "./program.ts";
import { type ElementType, newRow, type Row, sliceRow } from "./types.ts";

type Slot = { readonly type: ElementType; readonly length: number; stored: number; capacity: number; memory: Row };

/** First capacity of a slot, in positions; it doubles up to the context length. */
const FIRST_POSITIONS = 64;

/** The cached rows of one sequence, by slot and position, each slot contiguous. */
export class KvCache {
  readonly #slots: Slot[];
  readonly #contextLength: number;

  constructor(program: Program) {
    this.#contextLength = program.contextLength;
    this.#slots = program.instructions
      .filter(({ role }) => role === 1)
      .map(({ outType, outLength }) => ({
        type: outType,
        length: outLength,
        stored: 0,
        capacity: 0,
        memory: newRow(outType, 0),
      }));
  }

  /** Number of slots: cached rows of one step. */
  get slots(): number {
    return this.#slots.length;
  }

  /** Stores the row of `position` and forgets later positions. Positions before it must be there. */
  store(slot: number, position: number, row: Row): void {
    const cache = this.#slots[slot];
    if (position > cache.stored || position >= this.#contextLength) {
      throw new CacheRangeError(slot, position, cache.stored);
    }
    if (position >= cache.capacity) grow(cache, this.#contextLength);
    copy(row, sliceRow(cache.memory, position * cache.length, cache.length));
    cache.stored = position + 1;
  }

  /** The row of one position, as a view that the next `store` may outdate. */
  row(slot: number, position: number): Row {
    const cache = this.#slots[slot];
    if (position >= cache.stored) throw new CacheRangeError(slot, position, cache.stored);
    return sliceRow(cache.memory, position * cache.length, cache.length);
  }

  /** Rows of positions 0 .. count - 1, one after the other, as a view that the next `store` may outdate. */
  rows(slot: number, count: number): Row {
    const cache = this.#slots[slot];
    if (count > cache.stored) throw new CacheRangeError(slot, count - 1, cache.stored);
    return sliceRow(cache.memory, 0, count * cache.length);
  }
}

function grow(slot: Slot, contextLength: number): void {
  const capacity = Math.min(Math.max(FIRST_POSITIONS, 2 * slot.capacity), contextLength);
  const memory = newRow(slot.type, capacity * slot.length);
  copy(slot.memory, memory);
  slot.memory = memory;
  slot.capacity = capacity;
}

function copy(from: Row, to: Row): void {
  if (from.type === "i64" && to.type === "i64") to.data.set(from.data);
  else if (from.type !== "i64" && to.type !== "i64") to.data.set(from.data);
}
