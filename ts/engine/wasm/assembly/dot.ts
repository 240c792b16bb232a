/*
 * Dot products of i16 activations with i8 weight rows. Sums are i32 over runs too short to overflow, i64 between runs.
 */

import { totals } from "./vectors";

/** Elements of a run: 128 pairs of two products of at most 2^22 in each of four lanes make 2^30. */
const RUN: usize = 1024;

// @ts-expect-error: decorator
@inline
function total(x: v128): i64 {
  const sum = i64x2.add(i64x2.extend_low_i32x4_s(x), i64x2.extend_high_i32x4_s(x));
  return i64x2.extract_lane(sum, 0) + i64x2.extract_lane(sum, 1);
}

/** Adds the products of eight elements at `a` and `w`. */
// @ts-expect-error: decorator
@inline
function step(sum: v128, a: usize, w: usize, offset: usize): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(v128.load(a + (offset << 1)), v128.load8x8_s(w + offset)));
}

/** The products of the elements from `k` on, one by one. */
function rest(a: usize, w: usize, k: usize, size: usize): i64 {
  let sum: i64 = 0;
  for (; k < size; k++) sum += <i64>load<i16>(a + (k << 1)) * load<i8>(w + k);
  return sum;
}

/** Stores the sum of element e as i32 or i64. An i32 one comes from i8 activations: at most 2^30. */
// @ts-expect-error: decorator
@inline
function put(out: usize, e: usize, sum: i64, wide: bool): void {
  if (wide) store<i64>(out + (e << 3), sum);
  else store<i32>(out + (e << 2), <i32>sum);
}

/**
 * Element e of one lane. `a`: i16 activations; `w`: weight row e of `size` bytes. For few lanes, where reading weights takes longest:
 * processors fetch ahead what is read in the order of memory, so it is one row after the other.
 */
export function dot1x1(a: usize, w: usize, size: usize, out: usize, e: usize, wide: bool): void {
  const eights = size & ~7;
  let sum: i64 = 0;
  let k: usize = 0;
  while (k < eights) {
    const end = min(k + RUN, eights);
    let x = i32x4.splat(0);
    let y = x;
    for (; k + 32 <= end; k += 32) {
      const at = a + (k << 1);
      const row = w + k;
      x = step(x, at, row, 0);
      y = step(y, at, row, 8);
      x = step(x, at, row, 16);
      y = step(y, at, row, 24);
    }
    for (; k < end; k += 8) x = step(x, a + (k << 1), w + k, 0);
    // Each at most 2^29.
    sum += total(i32x4.add(x, y));
  }
  put(out, e, sum + rest(a, w, eights, size), wide);
}

/** Elements of a row that are widened at once: no more than a run. */
export const SPAN: usize = 1024;

/** Rows that are widened at once: those of a span, and the activations of four lanes, fit the nearest cache. */
export const BLOCK_ROWS: i32 = 8;

/** Fewer than eight weights, and 0. */
function few(w: usize, count: usize): v128 {
  let x: u64 = 0;
  for (let i: usize = 0; i < count; i++) x |= <u64>load<u8>(w + i) << (i << 3);
  return i16x8.extend_low_i8x16_s(i64x2.splat(x));
}

/** Widens `count` weights of two rows, eight of the one and eight of the other in turn, up to the next multiple of eight. */
export function widenPair(w: usize, v: usize, count: usize, to: usize): void {
  let k: usize = 0;
  for (; k + 8 <= count; k += 8, to += 32) {
    v128.store(to, v128.load8x8_s(w + k));
    v128.store(to, v128.load8x8_s(v + k), 16);
  }
  if (k == count) return;
  v128.store(to, few(w + k, count - k));
  v128.store(to, few(v + k, count - k), 16);
}

/** Stores two elements, or adds to what is there. */
// @ts-expect-error: decorator
@inline
function putPair(at: usize, sums: v128, wide: bool, more: bool): void {
  if (wide) v128.store(at, more ? i64x2.add(v128.load(at), sums) : sums);
  else {
    const halves = v128.shuffle<i32>(sums, sums, 0, 2, 0, 2);
    v128.store64_lane(at, more ? i32x4.add(v128.load64_zero(at), halves) : halves, 0);
  }
}

// @ts-expect-error: decorator
@inline
function product(sum: v128, x: v128, w: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(x, w));
}

/**
 * Elements of four lanes, in pairs, from weights as `widenPair` makes them, `eights` times eight of each row. With `more`, adds to the
 * elements that are there. Activations may be read up to the next 16 bytes: weights are 0 there.
 */
export function dotTile(
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  w: usize,
  eights: usize,
  pairs: i32,
  outA: usize,
  outB: usize,
  outC: usize,
  outD: usize,
  wide: bool,
  more: bool,
): void {
  const step: usize = wide ? 16 : 8;
  const end = eights << 4;
  const most = end & ~31;
  let to: usize = 0;
  for (let pair = 0; pair < pairs; pair++, to += step) {
    let p0 = i32x4.splat(0);
    let p1 = p0;
    let q0 = p0;
    let q1 = p0;
    let r0 = p0;
    let r1 = p0;
    let s0 = p0;
    let s1 = p0;
    let k: usize = 0;
    while (k < most) {
      let x = v128.load(w);
      let y = v128.load(w, 16);
      let z = v128.load(a + k);
      p0 = product(p0, z, x);
      p1 = product(p1, z, y);
      z = v128.load(b + k);
      q0 = product(q0, z, x);
      q1 = product(q1, z, y);
      z = v128.load(c + k);
      r0 = product(r0, z, x);
      r1 = product(r1, z, y);
      z = v128.load(d + k);
      s0 = product(s0, z, x);
      s1 = product(s1, z, y);
      x = v128.load(w, 32);
      y = v128.load(w, 48);
      z = v128.load(a + k, 16);
      p0 = product(p0, z, x);
      p1 = product(p1, z, y);
      z = v128.load(b + k, 16);
      q0 = product(q0, z, x);
      q1 = product(q1, z, y);
      z = v128.load(c + k, 16);
      r0 = product(r0, z, x);
      r1 = product(r1, z, y);
      z = v128.load(d + k, 16);
      s0 = product(s0, z, x);
      s1 = product(s1, z, y);
      k += 32;
      w += 64;
    }
    while (k < end) {
      const x = v128.load(w);
      const y = v128.load(w, 16);
      let z = v128.load(a + k);
      p0 = product(p0, z, x);
      p1 = product(p1, z, y);
      z = v128.load(b + k);
      q0 = product(q0, z, x);
      q1 = product(q1, z, y);
      z = v128.load(c + k);
      r0 = product(r0, z, x);
      r1 = product(r1, z, y);
      z = v128.load(d + k);
      s0 = product(s0, z, x);
      s1 = product(s1, z, y);
      k += 16;
      w += 32;
    }
    putPair(outA + to, totals(p0, p1), wide, more);
    putPair(outB + to, totals(q0, q1), wide, more);
    putPair(outC + to, totals(r0, r1), wide, more);
    putPair(outD + to, totals(s0, s1), wide, more);
  }
}
