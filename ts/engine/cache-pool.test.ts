import { describe, expect, it } from "vitest";
import { CachePool, type Holding } from "./cache-pool.ts";
import type { MachineCache } from "./machine.ts";

/** A cache of ten bytes a position, which counts how often it was freed. */
function holding(positions = 1): Holding & { freed: number } {
  let bytes = 10 * positions;
  const made = { cache: {} as MachineCache, filled: positions, freed: 0 };
  made.cache = {
    get bytes() {
      return bytes;
    },
    bytesFor: (wanted) => Math.max(bytes, 10 * wanted),
    reserve: (wanted) => {
      bytes = Math.max(bytes, 10 * wanted);
    },
    copy: () => undefined,
    snapshot: () => ({ row: () => expect.unreachable() }),
    free: () => {
      bytes = 0;
      made.freed++;
    },
  };
  return made;
}

/** Something that a machine computes until it is told to stop. */
function computation() {
  let stop: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    stop = resolve;
  });
  return { task: () => done, stop };
}

const tokens = Array.from({ length: 9 }, (_, i) => i);
const roots = tokens.map(() => new Uint8Array(32));

describe("cache pool", () => {
  it("frees nothing that a machine computes with, until it is done", async () => {
    const pool = new CachePool(10);
    const [mine, ended, other] = [holding(), holding(), holding()];
    for (const each of [mine, ended, other]) pool.add(each);
    const { task, stop } = computation();
    const using = pool.use(new Set([mine, ended]), task);
    expect(other.freed).toBe(1);
    // One client hangs up while its step is computed, another conversation ends: both would make room otherwise.
    pool.keep(ended, tokens, roots);
    pool.keep(other, tokens, roots);
    pool.drop(mine);
    expect([mine.freed, ended.freed]).toEqual([0, 0]);
    stop();
    await using;
    expect([mine.freed, ended.freed]).toEqual([1, 1]);
  });

  it("is free again after a computation that fails", async () => {
    const pool = new CachePool(10);
    const mine = holding();
    pool.add(mine);
    await expect(pool.use(new Set([mine]), () => Promise.reject(new Error("died")))).rejects.toThrow("died");
    pool.drop(mine);
    expect(mine.freed).toBe(1);
  });

  it("gives up what was used longest ago, conversations that are over first", async () => {
    const pool = new CachePool(20);
    const [first, second, over] = [holding(), holding(), holding()];
    for (const each of [first, second]) pool.add(each);
    await pool.use(new Set([first]), () => Promise.resolve());
    pool.add(over);
    pool.keep(over, tokens, roots);
    expect([first.freed, second.freed, over.freed]).toEqual([0, 0, 1]);
    const third = holding();
    pool.add(third);
    await pool.use(new Set([third]), () => Promise.resolve());
    expect([first.freed, second.freed, second.filled]).toEqual([0, 1, 0]);
  });

  it("lets as many sequences compute together as fit, in their order, and one always", () => {
    const pool = new CachePool(100);
    const wanted = [4, 5, 3, 1].map((end) => ({ track: holding(), end }));
    expect(pool.together(wanted)).toBe(2);
    expect(pool.together(wanted.slice(2))).toBe(2);
    expect(pool.together([{ track: holding(), end: 50 }, ...wanted])).toBe(1);
  });

  it("starts a prompt from the longest beginning that it shares", () => {
    const pool = new CachePool(1000);
    for (const length of [8, 9]) {
      const each = holding(length);
      pool.add(each);
      pool.keep(each, tokens.slice(0, length), roots.slice(0, length));
    }
    const mine = holding();
    expect(pool.begin(mine, [...tokens, 7], 9)).toHaveLength(9);
    expect(mine.filled).toBe(9);
    expect(pool.begin(holding(), [0, 1, 2, 9, 9, 9, 9, 9, 9], 9)).toEqual([]);
  });
});
