import { describe, expect, it } from "vitest";
import { type Prng, prng } from "../compiler/prng.ts";
import {
  clamp,
  fdiv,
  floorDivNumber,
  isqrt,
  mulRshr,
  readWord,
  rshr,
  rshrNumber,
  sat,
  satNumber,
  words,
  writeWord,
} from "./numbers.ts";
import { FUZZ } from "./testing/fuzz.ts";

const CASES = 20_000 * FUZZ;

/** An integer of random width up to `bits`, often at or near a power of two. */
function integer(random: Prng, bits: number): bigint {
  const width = random.int(0, bits);
  const edge = (1n << BigInt(width)) + BigInt(random.int(-1, 1));
  const magnitude = random.int(0, 1) === 0 ? edge : BigInt.asUintN(width, random.bits());
  const bound = 1n << BigInt(bits);
  return clamp(random.int(0, 1) === 0 ? magnitude : -magnitude, -bound, bound);
}

describe("bigint arithmetic", () => {
  it("sat never makes the most negative pattern", () => {
    expect(sat(-(1n << 31n), 31)).toBe(1n - (1n << 31n));
    expect(sat(1n << 31n, 31)).toBe((1n << 31n) - 1n);
    expect(sat(5n, 3)).toBe(5n);
    expect(sat(-8n, 3)).toBe(-7n);
    expect(sat(2n, 1)).toBe(1n);
  });

  it("rshr rounds halves upwards and is the identity for 0", () => {
    expect([-3n, -2n, -1n, 0n, 1n, 2n, 3n].map((x) => rshr(x, 1))).toEqual([-1n, -1n, 0n, 0n, 1n, 1n, 2n]);
    expect(rshr(-7n, 0)).toBe(-7n);
  });

  it("fdiv floors, and divides by at least 1", () => {
    expect(fdiv(-7n, 2n)).toBe(-4n);
    expect(fdiv(-8n, 2n)).toBe(-4n);
    expect(fdiv(7n, 2n)).toBe(3n);
    expect(fdiv(-7n, 0n)).toBe(-7n);
    expect(fdiv(7n, -3n)).toBe(7n);
  });

  it("isqrt is the floor of the root", () => {
    const random = prng(1);
    expect([-5n, 0n, 1n, 2n, 3n, 4n, 8n, 9n].map(isqrt)).toEqual([0n, 0n, 1n, 1n, 1n, 2n, 2n, 3n]);
    for (let i = 0; i < CASES; i++) {
      const r = BigInt.asUintN(random.int(1, 64), random.bits());
      expect(isqrt(r * r)).toBe(r);
      const x = BigInt.asUintN(random.int(1, 64), random.bits()) << BigInt(random.int(0, 32));
      const root = isqrt(x);
      expect(root * root <= x && (root + 1n) * (root + 1n) > x).toBe(true);
    }
  });
});

describe("number arithmetic equals bigint arithmetic", () => {
  it("rshrNumber, for |x| <= 2^52", () => {
    const random = prng(2);
    for (let i = 0; i < CASES; i++) {
      const x = integer(random, 52);
      const s = random.int(0, 62);
      expect(BigInt(rshrNumber(Number(x), s))).toBe(rshr(x, s));
    }
  });

  it("mulRshr, once saturated", () => {
    const random = prng(3);
    for (let i = 0; i < 3 * CASES; i++) {
      const a = integer(random, 38);
      const b = integer(random, random.pick([15, 31, 53]));
      const s = random.int(0, 62);
      const bits = random.int(1, 31);
      const got = BigInt(satNumber(mulRshr(Number(a), Number(b), s), bits));
      if (got !== sat(rshr(a * b, s), bits)) expect({ a, b, s, bits, got }).toBe(sat(rshr(a * b, s), bits));
    }
  });

  it("mulRshr at exact ties", () => {
    const random = prng(4);
    for (let i = 0; i < CASES; i++) {
      // b = odd * 2^(s-1), so a * b / 2^s ends in one half for every odd a.
      const s = random.int(1, 53);
      const a = integer(random, 31) | 1n;
      const b = (1n << BigInt(s - 1)) * (random.int(0, 1) === 0 ? 1n : -1n);
      expect(BigInt(satNumber(mulRshr(Number(a), Number(b), s), 31))).toBe(sat(rshr(a * b, s), 31));
    }
  });

  it("floorDivNumber, for |a|, d <= 2^52", () => {
    const random = prng(5);
    for (let i = 0; i < CASES; i++) {
      const d = integer(random, 52);
      const divisor = d < 1n ? 1n - d : d;
      const safe = divisor > 1n << 52n ? 1n << 52n : divisor;
      const a =
        random.int(0, 1) === 0 ? integer(random, 52) : clamp(safe * integer(random, 20), -(1n << 52n), 1n << 52n);
      expect(BigInt(floorDivNumber(Number(a), Number(safe)))).toBe(fdiv(a, safe));
    }
  });

  it("words read and write 64-bit elements", () => {
    const random = prng(6);
    const data = new BigInt64Array(3);
    const pairs = words(data);
    for (let i = 0; i < CASES; i++) {
      const x = integer(random, 53);
      writeWord(pairs, 1, Number(x));
      expect(data[1]).toBe(x);
      expect(readWord(pairs, 1)).toBe(Number(x));
      data[1] = BigInt.asIntN(64, random.bits());
      expect(readWord(pairs, 1)).toBe(Number(data[1]));
    }
    expect([data[0], data[2]]).toEqual([0n, 0n]);
  });
});
