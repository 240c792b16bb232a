/*
 * The arithmetic of numbers.ts on four elements at once, for operands whose results fit. Whoever uses it finds out by `beyond` whether they
 * do, and goes back to numbers.ts where not.
 */

/** A rounding shift of i64 by the same for all: floor(x / 2^s + 1/2) is `((x + before) >>> s) - after`, as no sum leaves 64 bits unsigned. */
// @ts-expect-error: decorator
@inline
export function shiftBefore(s: i32): v128 {
  return i64x2.splat((<i64>1 << 63) + (s == 0 ? 0 : <i64>1 << (s - 1)));
}

// @ts-expect-error: decorator
@inline
export function shiftAfter(s: i32): v128 {
  return i64x2.splat(<i64>(<u64>1 << (63 - s)));
}

/** `rshr` for |x| <= 2^62 and 0 <= s <= 62. */
// @ts-expect-error: decorator
@inline
export function shifted(x: v128, before: v128, s: i32, after: v128): v128 {
  return i64x2.sub(i64x2.shr_u(i64x2.add(x, before), s), after);
}

/** Has bits in the upper half of an i64 that does not fit an i32. */
// @ts-expect-error: decorator
@inline
export function beyond(x: v128): v128 {
  return i64x2.add(x, i64x2.splat(<i64>1 << 31));
}

/** Whether an i64 has bits in its upper half. */
// @ts-expect-error: decorator
@inline
export function upper(x: v128): bool {
  return v128.any_true(i64x2.shr_u(x, 32));
}

/** Four i64 that fit as i32. */
// @ts-expect-error: decorator
@inline
export function lowHalves(x: v128, y: v128): v128 {
  return v128.shuffle<i32>(x, y, 0, 2, 4, 6);
}

/** Four i32 between `-bound` and `bound`. */
// @ts-expect-error: decorator
@inline
export function clamped(x: v128, bound: v128): v128 {
  return i32x4.max_s(i32x4.min_s(x, bound), i32x4.neg(bound));
}

/** The largest number of so many bits, at most 31, four times. */
// @ts-expect-error: decorator
@inline
export function largest(bits: i32): v128 {
  return i32x4.splat(<i32>((<u32>1 << bits) - 1));
}

/** The sum of each vector's four i32, as i64. */
// @ts-expect-error: decorator
@inline
export function totals(x: v128, y: v128): v128 {
  const p = i64x2.add(i64x2.extend_low_i32x4_s(x), i64x2.extend_high_i32x4_s(x));
  const q = i64x2.add(i64x2.extend_low_i32x4_s(y), i64x2.extend_high_i32x4_s(y));
  return i64x2.add(v128.shuffle<i64>(p, q, 0, 2), v128.shuffle<i64>(p, q, 1, 3));
}
