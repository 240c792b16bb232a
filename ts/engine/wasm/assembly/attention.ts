import * as L from "../../plan/layout";
import { rshr, sat } from "./numbers";

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
  const open = window > 0 ? max(positions - window, 0) : 0;
  for (let h = firstHead; h < lastHead; h++) {
    const q = a + <usize>((h * size) << 1);
    const k = keys + <usize>(((h / perKv) * size) << 1);
    const to = out + <usize>((h * positions) << 2);
    const plain = !hasLowest(q, size);
    for (let p = 0; p < open; p++) store<i32>(to + (p << 2), MASKED);
    for (let p = open; p < positions; p++) {
      const key = k + <usize>p * <usize>(row << 1);
      store<i32>(to + (p << 2), <i32>sat(rshr(product(q, key, size, plain) * mul, shift), 31));
    }
  }
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
    for (; i + 8 <= size; i += 8) {
      let s0 = i64x2.splat(0);
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      let at = v + (i << 1);
      for (let p = 0; p < positions; p++, at += stride) {
        const w = i16x8.splat(load<i16>(weights + (p << 1)));
        const x = v128.load(at);
        const low = i32x4.extmul_low_i16x8_s(w, x);
        const high = i32x4.extmul_high_i16x8_s(w, x);
        s0 = i64x2.add(s0, i64x2.extend_low_i32x4_s(low));
        s1 = i64x2.add(s1, i64x2.extend_high_i32x4_s(low));
        s2 = i64x2.add(s2, i64x2.extend_low_i32x4_s(high));
        s3 = i64x2.add(s3, i64x2.extend_high_i32x4_s(high));
      }
      v128.store(to + (i << 3), s0);
      v128.store(to + (i << 3), s1, 16);
      v128.store(to + (i << 3), s2, 32);
      v128.store(to + (i << 3), s3, 48);
    }
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
