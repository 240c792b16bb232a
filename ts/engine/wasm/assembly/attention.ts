import * as L from "../../plan/layout";
import { rshr, sat } from "./numbers";
import { beyond, clamped, largest, lowHalves, shiftAfter, shiftBefore, shifted, totals, upper } from "./vectors";

/** Score of a position outside the attention window. */
const MASKED = -0x7fffffff;

/** The cached rows of operand b: its slot of the lane's cache. */
// @ts-expect-error: decorator
@inline
function cached(op: usize, lane: usize): usize {
  const prefix = <usize>load<u32>(op + L.OP_B, L.ARG_AT);
  return <usize>load<u32>(lane, L.LANE_CACHE) + prefix * load<u32>(lane, L.LANE_CAPACITY);
}

/** `fold_scores` for some heads of one lane. */
export function attentionScores(op: usize, lane: usize, out: usize, firstHead: i32, lastHead: i32): void {
  const size = load<i32>(op + L.OP_P);
  const mul = <i64>load<i32>(op + L.OP_P, 4);
  const shift = load<i32>(op + L.OP_P, 8);
  const window = load<i32>(op + L.OP_P, 12);
  const positions = load<i32>(lane, L.LANE_T) + 1;
  const heads = load<i32>(op, L.OP_HEADS);
  const row = load<i32>(op + L.OP_B, L.ARG_LENGTH);
  const perKv = heads / (row / size);
  const keys = cached(op, lane);
  const a = <usize>load<u32>(lane, L.LANE_ARENA) + load<u32>(op + L.OP_A, L.ARG_AT);
  const stride = <usize>(row << 1);
  const open = window > 0 ? max(positions - window, 0) : 0;
  for (let h = firstHead; h < lastHead; h++) {
    const q = a + <usize>((h * size) << 1);
    const k = keys + <usize>(((h / perKv) * size) << 1);
    const to = out + <usize>((h * positions) << 2);
    const plain = !hasLowest(q, size);
    for (let p = 0; p < open; p++) store<i32>(to + (p << 2), MASKED);
    let p = open;
    if (plain && isSmall(q, size)) {
      for (; p + 4 <= positions; p += 4) fourScores(q, k + <usize>p * stride, stride, size, mul, shift, to + (p << 2));
    }
    for (; p < positions; p++) {
      const sum = product(q, k + <usize>p * stride, size, plain);
      store<i32>(to + (p << 2), <i32>sat(rshr(sum * mul, shift), 31));
    }
  }
}

/** True if sums of four i32, of the products of each eight elements in turn with any others, stay below 2^31: no -2^15 may be among them. */
function isSmall(row: usize, size: i32): bool {
  if ((size & 7) != 0) return false;
  let sums = i32x4.splat(0);
  for (let i = 0; i < size; i += 8) {
    sums = i32x4.add(sums, i32x4.dot_i16x8_s(i16x8.abs(v128.load(row + (i << 1))), i16x8.splat(1)));
  }
  return !v128.any_true(i32x4.shr_u(sums, 16));
}

/** The scores of four positions for a query that `isSmall`. */
// @ts-expect-error: decorator
@inline
function fourScores(q: usize, key: usize, stride: usize, size: i32, mul: i64, shift: i32, to: usize): void {
  const key1 = key + stride;
  const key2 = key1 + stride;
  const key3 = key2 + stride;
  let s0 = i32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  for (let i: usize = 0; i < <usize>size << 1; i += 16) {
    const x = v128.load(q + i);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(x, v128.load(key + i)));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(x, v128.load(key1 + i)));
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(x, v128.load(key2 + i)));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(x, v128.load(key3 + i)));
  }
  const x = totals(s0, s1);
  const y = totals(s2, s3);
  const muls = i64x2.splat(mul);
  const before = shiftBefore(shift);
  const after = shiftAfter(shift);
  const u = shifted(i64x2.mul(x, muls), before, shift, after);
  const v = shifted(i64x2.mul(y, muls), before, shift, after);
  if (!upper(v128.or(beyond(u), beyond(v)))) {
    v128.store(to, clamped(lowHalves(u, v), largest(31)));
    return;
  }
  store<i32>(to, <i32>sat(i64x2.extract_lane(u, 0), 31));
  store<i32>(to, <i32>sat(i64x2.extract_lane(u, 1), 31), 4);
  store<i32>(to, <i32>sat(i64x2.extract_lane(v, 0), 31), 8);
  store<i32>(to, <i32>sat(i64x2.extract_lane(v, 1), 31), 12);
}

/** True if the row holds -2^15: only then can a pair of products exceed 31 bits. */
function hasLowest(row: usize, size: i32): bool {
  for (let i = 0; i < size; i++) if (load<i16>(row + (i << 1)) == -0x8000) return true;
  return false;
}

/** Sum of at most 256 products of 2^30. */
// @ts-expect-error: decorator
@inline
function product(a: usize, b: usize, size: i32, plain: bool): i64 {
  let sum: i64 = 0;
  let i = 0;
  if (plain) {
    let x = i64x2.splat(0);
    for (; i + 8 <= size; i += 8) {
      const pair = i32x4.dot_i16x8_s(v128.load(a + (i << 1)), v128.load(b + (i << 1)));
      x = i64x2.add(x, i64x2.add(i64x2.extend_low_i32x4_s(pair), i64x2.extend_high_i32x4_s(pair)));
    }
    sum = i64x2.extract_lane(x, 0) + i64x2.extract_lane(x, 1);
  }
  for (; i < size; i++) sum += <i64>(<i32>load<i16>(a + (i << 1)) * <i32>load<i16>(b + (i << 1)));
  return sum;
}

/** `fold_mix` for some heads of one lane: at most 2^22 positions of 2^30 each. */
export function attentionMix(op: usize, lane: usize, out: usize, firstHead: i32, lastHead: i32): void {
  const size = load<i32>(op + L.OP_P);
  const positions = load<i32>(lane, L.LANE_T) + 1;
  const heads = load<i32>(op, L.OP_HEADS);
  const row = load<i32>(op + L.OP_B, L.ARG_LENGTH);
  const perKv = heads / (row / size);
  const values = cached(op, lane);
  const a = <usize>load<u32>(lane, L.LANE_ARENA) + load<u32>(op + L.OP_A, L.ARG_AT);
  const stride = <usize>(row << 1);
  for (let h = firstHead; h < lastHead; h++) {
    const weights = a + <usize>((h * positions) << 1);
    const v = values + <usize>(((h / perKv) * size) << 1);
    const to = out + <usize>((h * size) << 3);
    let i = 0;
    for (; i + 16 <= size; i += 16) mix16(weights, v + (i << 1), stride, positions, to + (i << 3));
    for (; i < size; i++) {
      let sum: i64 = 0;
      let at = v + (i << 1);
      for (let p = 0; p < positions; p++, at += stride) {
        sum += <i64>(<i32>load<i16>(weights + (p << 1)) * <i32>load<i16>(at));
      }
      store<i64>(to + (i << 3), sum);
    }
  }
}

/** Positions of a run of `mix16`: products of 2^23 and less. */
const RUN = 256;

/**
 * Sixteen columns of `fold_mix`, two positions at once. A weight is split into a low byte and a signed rest: sums of a run's products with
 * either stay below 2^31.
 */
function mix16(weights: usize, values: usize, stride: usize, positions: i32, to: usize): void {
  // An odd position comes first.
  const odd = positions & 1;
  const first = i16x8.splat(odd != 0 ? load<i16>(weights) : 0);
  for (let i: usize = 0; i < 2; i++) {
    const x = v128.load(values + (i << 4));
    const low = i32x4.extmul_low_i16x8_s(first, x);
    const high = i32x4.extmul_high_i16x8_s(first, x);
    const at = to + (i << 6);
    v128.store(at, i64x2.extend_low_i32x4_s(low));
    v128.store(at, i64x2.extend_high_i32x4_s(low), 16);
    v128.store(at, i64x2.extend_low_i32x4_s(high), 32);
    v128.store(at, i64x2.extend_high_i32x4_s(high), 48);
  }
  const bytes = i16x8.splat(255);
  let at = odd != 0 ? values + stride : values;
  for (let p = odd; p < positions; ) {
    const end = min(p + RUN, positions);
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b0 = a0;
    let b1 = a0;
    let b2 = a0;
    let b3 = a0;
    for (; p < end; p += 2) {
      const w = v128.load32_splat(weights + (p << 1));
      const low = v128.and(w, bytes);
      const high = i16x8.shr_s(w, 8);
      const next = at + stride;
      let x = v128.load(at);
      let y = v128.load(next);
      let z = v128.shuffle<i16>(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(z, low));
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(z, high));
      z = v128.shuffle<i16>(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(z, low));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(z, high));
      x = v128.load(at, 16);
      y = v128.load(next, 16);
      z = v128.shuffle<i16>(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(z, low));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(z, high));
      z = v128.shuffle<i16>(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
      a3 = i32x4.add(a3, i32x4.dot_i16x8_s(z, low));
      b3 = i32x4.add(b3, i32x4.dot_i16x8_s(z, high));
      at = next + stride;
    }
    addSplit(to, a0, b0);
    addSplit(to + 32, a1, b1);
    addSplit(to + 64, a2, b2);
    addSplit(to + 96, a3, b3);
  }
}

/** Adds `low + high * 2^8` to four i64. */
// @ts-expect-error: decorator
@inline
function addSplit(to: usize, low: v128, high: v128): void {
  const x = i64x2.add(i64x2.extend_low_i32x4_s(low), i64x2.shl(i64x2.extend_low_i32x4_s(high), 8));
  const y = i64x2.add(i64x2.extend_high_i32x4_s(low), i64x2.shl(i64x2.extend_high_i32x4_s(high), 8));
  v128.store(to, i64x2.add(v128.load(to), x));
  v128.store(to, i64x2.add(v128.load(to, 16), y), 16);
}
