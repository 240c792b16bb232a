/**
 * The arithmetic of docs/machine.md, section 1: over BigInt, and over Number where a comment proves it exact.
 *
 * A Number is a double: integers up to 2^53 are exact, a sum or product of integers is exact if the true result is at
 * most 2^53 in magnitude, and rounding is monotone, so a computed |x| <= 2^52 proves that the true |x| is at most 2^52.
 * Multiplying by a power of two never rounds here (no subnormals are near).
 */

/** x clamped to `[-(2^bits - 1), 2^bits - 1]`. */
export function sat(x: bigint, bits: number): bigint {
  const bound = (1n << BigInt(bits)) - 1n;
  return x > bound ? bound : x < -bound ? -bound : x;
}

/** Rounding shift, halves upwards: `floor((x + 2^(s-1)) / 2^s)`, x itself for s = 0. */
export function rshr(x: bigint, s: number): bigint {
  if (s === 0) return x;
  const shift = BigInt(s);
  return (x + (1n << (shift - 1n))) >> shift;
}

/** `floor(a / max(b, 1))`. */
export function fdiv(a: bigint, b: bigint): bigint {
  const d = b < 1n ? 1n : b;
  const q = a / d;
  // BigInt division truncates: a negative quotient with a remainder is one too high.
  return a < 0n && q * d !== a ? q - 1n : q;
}

/** `floor(sqrt(x))`, 0 for x <= 0. */
export function isqrt(x: bigint): bigint {
  if (x <= 0n) return 0n;
  // Newton from above: the start is at least the root, each step stays at least floor(root), and it stops when it no
  // longer falls.
  let r = 1n << BigInt((x.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (r + x / r) >> 1n;
    if (next >= r) return r;
    r = next;
  }
}

/** `min(max(x, lo), hi)`. */
export function clamp(x: bigint, lo: bigint, hi: bigint): bigint {
  return x < lo ? lo : x > hi ? hi : x;
}

/** 2^52: see `mulRshr` for why sums stay exact below it. */
export const SAFE = 2 ** 52;
/** A value that every saturation to 31 bits or fewer clamps. */
const BEYOND = 2 ** 40;
const MAX_SHIFT = 62;
const INVERSE = Float64Array.from({ length: MAX_SHIFT + 1 }, (_, s) => 2 ** -s);
const HALF = Float64Array.from({ length: MAX_SHIFT + 1 }, (_, s) => (s === 0 ? 0 : 2 ** (s - 1)));

/** `sat` for an integer x of any magnitude and bits <= 52. */
export function satNumber(x: number, bits: number): number {
  return bounded(x, 2 ** bits - 1);
}

/** x clamped to `[-bound, bound]`, for loops that have computed `bound = 2^bits - 1` before. */
export function bounded(x: number, bound: number): number {
  if (x > bound) return bound;
  return Math.max(x, -bound);
}

/**
 * `rshr(x, s)` for an integer |x| <= 2^52 and 0 <= s <= 62. Exact: for s <= 53 the sum is at most 2^53; for s > 53 the
 * sum lies strictly between 0 and 2^s even after rounding, and the result is 0.
 */
export function rshrNumber(x: number, s: number): number {
  return Math.floor((x + HALF[s]) * INVERSE[s]);
}

/**
 * `rshr(a * b, s)` for integers |a| <= 2^38, |b| <= 2^53 and 0 <= s <= 62, to be saturated to at most 31 bits by the
 * caller: exact if the result is below 2^33 in magnitude, else some number of the right sign beyond 2^32.
 */
export function mulRshr(a: number, b: number, s: number): number {
  const p = a * b;
  const magnitude = Math.abs(p);
  if (magnitude <= SAFE) return Math.floor((p + HALF[s]) * INVERSE[s]);
  if (magnitude * INVERSE[s] >= 2 ** 33) return p > 0 ? BEYOND : -BEYOND;
  // Here 2^52 < |p| < 2^(33+s), so s >= 20.
  if (magnitude > 2 ** 66) return Number(rshr(BigInt(a) * BigInt(b), s));
  // b = 2^14 high + low, 0 <= low < 2^14: |a * high| <= 2^52 + 2^38 and |a * low| <= 2^52 are exact. floor(a * b /
  // 2^14) drops bits that the later shift by s - 14 >= 6 drops too, since its rounding constant 2^(s-1) is a multiple
  // of 2^14.
  const high = Math.floor(b * INVERSE[14]);
  const low = b - high * 2 ** 14;
  const t = a * high + Math.floor(a * low * INVERSE[14]);
  return Math.floor((t + HALF[s - 14]) * INVERSE[s - 14]);
}

/** `floor(a / d)` for integers |a| <= 2^52 and 1 <= d <= 2^52. */
export function floorDivNumber(a: number, d: number): number {
  const q = Math.floor(a / d);
  // a / d carries a relative error of 2^-53, so q is off by at most 1; |q * d| <= |a| + d is exact.
  const r = a - q * d;
  return r < 0 ? q - 1 : r >= d ? q + 1 : q;
}

/** The pairs (low, high) of 32-bit words behind 64-bit elements, so that hot loops need no BigInt. */
export function words(data: BigInt64Array): Int32Array {
  return new Int32Array(data.buffer, data.byteOffset, data.length * 2);
}

/** Element e of `words(data)` as a double: rounded once, hence exact if at most 2^53 in magnitude, and monotone. */
export function readWord(pairs: Int32Array, e: number): number {
  return pairs[2 * e + 1] * 2 ** 32 + (pairs[2 * e] >>> 0);
}

/** Stores an integer |x| <= 2^53 as element e of `words(data)`. */
export function writeWord(pairs: Int32Array, e: number, x: number): void {
  const high = Math.floor(x * 2 ** -32);
  pairs[2 * e] = x - high * 2 ** 32;
  pairs[2 * e + 1] = high;
}
