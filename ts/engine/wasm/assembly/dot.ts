/*
 * Dot products of i16 activations with i8 weight rows. Sums are i32 over runs too short to overflow, i64 between runs.
 */

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

/** Elements e and e + 1 of four lanes, so that weights are loaded and widened once for all four. The second weight row follows the first. */
export function dot2x4(
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  w: usize,
  size: usize,
  outA: usize,
  outB: usize,
  outC: usize,
  outD: usize,
  e: usize,
  wide: bool,
): void {
  const v = w + size;
  const eights = size & ~7;
  let a0: i64 = 0;
  let a1: i64 = 0;
  let b0: i64 = 0;
  let b1: i64 = 0;
  let c0: i64 = 0;
  let c1: i64 = 0;
  let d0: i64 = 0;
  let d1: i64 = 0;
  let k: usize = 0;
  while (k < eights) {
    const end = min(k + RUN, eights);
    let p0 = i32x4.splat(0);
    let p1 = p0;
    let q0 = p0;
    let q1 = p0;
    let r0 = p0;
    let r1 = p0;
    let s0 = p0;
    let s1 = p0;
    for (; k < end; k += 8) {
      const at = k << 1;
      const x = v128.load8x8_s(w + k);
      const y = v128.load8x8_s(v + k);
      let z = v128.load(a + at);
      p0 = i32x4.add(p0, i32x4.dot_i16x8_s(z, x));
      p1 = i32x4.add(p1, i32x4.dot_i16x8_s(z, y));
      z = v128.load(b + at);
      q0 = i32x4.add(q0, i32x4.dot_i16x8_s(z, x));
      q1 = i32x4.add(q1, i32x4.dot_i16x8_s(z, y));
      z = v128.load(c + at);
      r0 = i32x4.add(r0, i32x4.dot_i16x8_s(z, x));
      r1 = i32x4.add(r1, i32x4.dot_i16x8_s(z, y));
      z = v128.load(d + at);
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(z, x));
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(z, y));
    }
    a0 += total(p0);
    a1 += total(p1);
    b0 += total(q0);
    b1 += total(q1);
    c0 += total(r0);
    c1 += total(r1);
    d0 += total(s0);
    d1 += total(s1);
  }
  if (eights < size) {
    a0 += rest(a, w, eights, size);
    a1 += rest(a, v, eights, size);
    b0 += rest(b, w, eights, size);
    b1 += rest(b, v, eights, size);
    c0 += rest(c, w, eights, size);
    c1 += rest(c, v, eights, size);
    d0 += rest(d, w, eights, size);
    d1 += rest(d, v, eights, size);
  }
  put(outA, e, a0, wide);
  put(outA, e + 1, a1, wide);
  put(outB, e, b0, wide);
  put(outB, e + 1, b1, wide);
  put(outC, e, c0, wide);
  put(outC, e + 1, c1, wide);
  put(outD, e, d0, wide);
  put(outD, e + 1, d1, wide);
}
