/*
 * The arithmetic of docs/machine.md, section 1, in 64 bits where a comment says why they suffice, else in 128.
 */

/** x clamped to `[-(2^bits - 1), 2^bits - 1]`. */
// @ts-expect-error: decorator
@inline
export function sat(x: i64, bits: i32): i64 {
  const bound: i64 = (<i64>1 << bits) - 1;
  return x > bound ? bound : x < -bound ? -bound : x;
}

/** Rounding shift, halves upwards, for |x| <= 2^62 and 0 <= s <= 62: the sum stays below 2^63. */
// @ts-expect-error: decorator
@inline
export function rshr(x: i64, s: i32): i64 {
  return s == 0 ? x : (x + (<i64>1 << (s - 1))) >> s;
}

/** High 64 bits of an unsigned product. */
export function mulHigh(x: u64, y: u64): u64 {
  const x0 = x & 0xffffffff;
  const x1 = x >> 32;
  const y0 = y & 0xffffffff;
  const y1 = y >> 32;
  const middle = x1 * y0 + ((x0 * y0) >> 32);
  const low = x0 * y1 + (middle & 0xffffffff);
  return x1 * y1 + (middle >> 32) + (low >> 32);
}

// @ts-expect-error: decorator
@inline
function magnitude(x: i64): u64 {
  return x < 0 ? 0 - <u64>x : <u64>x;
}

/** `sat(rshr(x * y, s), bits)` for any x, y; bits <= 62. */
export function mulRshrSat(x: i64, y: i64, s: i32, bits: i32): i64 {
  const ux = magnitude(x);
  const uy = magnitude(y);
  // |x| < 2^(64 - clz): the product is at most 2^62 if the widths add up to 62.
  if (clz(ux) + clz(uy) >= 66) return sat(rshr(x * y, s), bits);
  let low = ux * uy;
  let high = mulHigh(ux, uy);
  if ((x ^ y) < 0) {
    low = 0 - low;
    high = ~high + (low == 0 ? 1 : 0);
  }
  if (s != 0) {
    const half: u64 = <u64>1 << (s - 1);
    const sum = low + half;
    high += sum < low ? 1 : 0;
    low = (sum >> s) | (high << (64 - s));
    high = <u64>(<i64>high >> s);
  }
  const negative = <i64>high < 0;
  // It fits 64 bits if the high half is nothing but sign.
  if (high == (<i64>low < 0 ? <u64>-1 : <u64>0)) return sat(<i64>low, bits);
  const bound: i64 = (<i64>1 << bits) - 1;
  return negative ? -bound : bound;
}

/** `floor(sqrt(x * 2^(2 u)))` for any x and u <= 16: the root of at most 96 bits. */
export function isqrtShifted(x: u64, u: i32): u64 {
  const s = 2 * u;
  const low = x << s;
  const high = s == 0 ? 0 : x >> (64 - s);
  let root: u64 = 0;
  for (let bit = 47; bit >= 0; bit--) {
    const next = root | (<u64>1 << bit);
    const h = mulHigh(next, next);
    if (h < high || (h == high && next * next <= low)) root = next;
  }
  return root;
}

/** `sat(floor((a 2^k + floor(d / 2)) / d), 31)` for d >= 1. */
export function divideShifted(a: i64, d: i64, k: i32): i64 {
  const ua = magnitude(a);
  const ud = <u64>d;
  let q = ua / ud;
  let r = ua % ud;
  // One bit after the other; a quotient beyond 2^34 saturates whatever follows.
  for (let i = 0; i < k; i++) {
    r <<= 1;
    const more = r >= ud;
    if (more) r -= ud;
    q = q >> 34 != 0 ? q : (q << 1) | (more ? 1 : 0);
  }
  if (q >> 34 != 0) return a < 0 ? -0x7fffffff : 0x7fffffff;
  const half = ud >> 1;
  if (a >= 0) return sat(<i64>q + (r + half >= ud ? 1 : 0), 31);
  return sat(-<i64>q - (half >= r ? 0 : 1), 31);
}
