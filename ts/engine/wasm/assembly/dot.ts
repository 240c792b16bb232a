/*
 * Dot products of i16 activations with i8 weight rows. Sums are i32 over runs too short to overflow, i64 between runs.
 */

/** Elements of a run: 128 pairs of two products of at most 2^22 in each of four lanes make 2^30. */
const RUN: usize = 1024;

// @ts-expect-error: decorator
@inline
function widen(sum: v128, x: v128): v128 {
  return i64x2.add(sum, i64x2.add(i64x2.extend_low_i32x4_s(x), i64x2.extend_high_i32x4_s(x)));
}

// @ts-expect-error: decorator
@inline
function total(sum: v128): i64 {
  return i64x2.extract_lane(sum, 0) + i64x2.extract_lane(sum, 1);
}

// @ts-expect-error: decorator
@inline
function step(sum: v128, a: v128, w: usize): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(a, v128.load8x8_s(w)));
}

/** Stores the sum of element e as i32 or i64. An i32 one comes from i8 activations: at most 2^30. */
// @ts-expect-error: decorator
@inline
function put(out: usize, e: usize, sum: i64, wide: bool): void {
  if (wide) store<i64>(out + (e << 3), sum);
  else store<i32>(out + (e << 2), <i32>sum);
}

/** Elements `e .. e + 3` of one lane. `a`: i16 activations; `w`: weight row e of `size` bytes, the others after it. */
export function dot4x1(a: usize, w: usize, size: usize, out: usize, e: usize, wide: bool): void {
  const w1 = w + size;
  const w2 = w1 + size;
  const w3 = w2 + size;
  const whole = size & ~7;
  let s0 = i64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let k: usize = 0;
  while (k < whole) {
    const end = min(k + RUN, whole);
    let x0 = i32x4.splat(0);
    let x1 = x0;
    let x2 = x0;
    let x3 = x0;
    for (; k < end; k += 8) {
      const v = v128.load(a + (k << 1));
      x0 = step(x0, v, w + k);
      x1 = step(x1, v, w1 + k);
      x2 = step(x2, v, w2 + k);
      x3 = step(x3, v, w3 + k);
    }
    s0 = widen(s0, x0);
    s1 = widen(s1, x1);
    s2 = widen(s2, x2);
    s3 = widen(s3, x3);
  }
  let t0 = total(s0);
  let t1 = total(s1);
  let t2 = total(s2);
  let t3 = total(s3);
  for (; k < size; k++) {
    const x = <i64>load<i16>(a + (k << 1));
    t0 += x * load<i8>(w + k);
    t1 += x * load<i8>(w1 + k);
    t2 += x * load<i8>(w2 + k);
    t3 += x * load<i8>(w3 + k);
  }
  put(out, e, t0, wide);
  put(out, e + 1, t1, wide);
  put(out, e + 2, t2, wide);
  put(out, e + 3, t3, wide);
}

/** As `dot4x1` for two lanes at once, so that a weight is loaded and widened once for both. */
export function dot4x2(
  a: usize,
  b: usize,
  w: usize,
  size: usize,
  outA: usize,
  outB: usize,
  e: usize,
  wide: bool,
): void {
  const w1 = w + size;
  const w2 = w1 + size;
  const w3 = w2 + size;
  const whole = size & ~7;
  let a0: i64 = 0;
  let a1: i64 = 0;
  let a2: i64 = 0;
  let a3: i64 = 0;
  let b0: i64 = 0;
  let b1: i64 = 0;
  let b2: i64 = 0;
  let b3: i64 = 0;
  let k: usize = 0;
  while (k < whole) {
    const end = min(k + RUN, whole);
    let x0 = i32x4.splat(0);
    let x1 = x0;
    let x2 = x0;
    let x3 = x0;
    let y0 = x0;
    let y1 = x0;
    let y2 = x0;
    let y3 = x0;
    for (; k < end; k += 8) {
      const v = v128.load(a + (k << 1));
      const u = v128.load(b + (k << 1));
      let r = v128.load8x8_s(w + k);
      x0 = i32x4.add(x0, i32x4.dot_i16x8_s(v, r));
      y0 = i32x4.add(y0, i32x4.dot_i16x8_s(u, r));
      r = v128.load8x8_s(w1 + k);
      x1 = i32x4.add(x1, i32x4.dot_i16x8_s(v, r));
      y1 = i32x4.add(y1, i32x4.dot_i16x8_s(u, r));
      r = v128.load8x8_s(w2 + k);
      x2 = i32x4.add(x2, i32x4.dot_i16x8_s(v, r));
      y2 = i32x4.add(y2, i32x4.dot_i16x8_s(u, r));
      r = v128.load8x8_s(w3 + k);
      x3 = i32x4.add(x3, i32x4.dot_i16x8_s(v, r));
      y3 = i32x4.add(y3, i32x4.dot_i16x8_s(u, r));
    }
    const zero = i64x2.splat(0);
    a0 += total(widen(zero, x0));
    a1 += total(widen(zero, x1));
    a2 += total(widen(zero, x2));
    a3 += total(widen(zero, x3));
    b0 += total(widen(zero, y0));
    b1 += total(widen(zero, y1));
    b2 += total(widen(zero, y2));
    b3 += total(widen(zero, y3));
  }
  for (; k < size; k++) {
    const x = <i64>load<i16>(a + (k << 1));
    const y = <i64>load<i16>(b + (k << 1));
    let r = <i64>load<i8>(w + k);
    a0 += x * r;
    b0 += y * r;
    r = <i64>load<i8>(w1 + k);
    a1 += x * r;
    b1 += y * r;
    r = <i64>load<i8>(w2 + k);
    a2 += x * r;
    b2 += y * r;
    r = <i64>load<i8>(w3 + k);
    a3 += x * r;
    b3 += y * r;
  }
  put(outA, e, a0, wide);
  put(outA, e + 1, a1, wide);
  put(outA, e + 2, a2, wide);
  put(outA, e + 3, a3, wide);
  put(outB, e, b0, wide);
  put(outB, e + 1, b1, wide);
  put(outB, e + 2, b2, wide);
  put(outB, e + 3, b3, wide);
}

/** One element of one lane. */
export function dot1x1(a: usize, w: usize, size: usize, out: usize, e: usize, wide: bool): void {
  const whole = size & ~7;
  let sum: i64 = 0;
  let k: usize = 0;
  while (k < whole) {
    const end = min(k + RUN, whole);
    let x = i32x4.splat(0);
    for (; k < end; k += 8) x = step(x, v128.load(a + (k << 1)), w + k);
    sum += total(widen(i64x2.splat(0), x));
  }
  for (; k < size; k++) sum += <i64>load<i16>(a + (k << 1)) * load<i8>(w + k);
  put(out, e, sum, wide);
}
