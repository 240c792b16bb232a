import * as L from "../../plan/layout";

/* How an instruction reaches its operands and its row. */

export const I8 = 0;
export const I16 = 1;
export const I32 = 2;

// @ts-expect-error: decorator
@inline
export function length(at: usize, lengthOffset: usize, modeOffset: usize, lane: usize): i32 {
  const fixed = load<i32>(at + lengthOffset);
  return load<i32>(at + modeOffset) == 1 ? fixed * (load<i32>(lane, L.LANE_T) + 1) : fixed;
}

// @ts-expect-error: decorator
@inline
export function argLength(arg: usize, lane: usize): i32 {
  return length(arg, L.ARG_LENGTH, L.ARG_MODE, lane);
}

/** Address of an operand's row: of this step, or weights. */
// @ts-expect-error: decorator
@inline
export function rowOf(arg: usize, lane: usize): usize {
  const at = <usize>load<u32>(arg, L.ARG_AT);
  return load<i32>(arg, L.ARG_KIND) == 1 ? <usize>load<u32>(lane, L.LANE_ARENA) + at : at;
}

// @ts-expect-error: decorator
@inline
export function parameter(op: usize, i: usize): i32 {
  return load<i32>(op + L.OP_P + (i << 2));
}

// @ts-expect-error: decorator
@inline
export function word(row: usize, e: i32): i64 {
  return <i64>load<i32>(row + (<usize>e << 2));
}

// @ts-expect-error: decorator
@inline
export function long(row: usize, e: i32): i64 {
  return load<i64>(row + (<usize>e << 3));
}

// @ts-expect-error: decorator
@inline
export function putWord(row: usize, e: i32, x: i64): void {
  store<i32>(row + (<usize>e << 2), <i32>x);
}

// @ts-expect-error: decorator
@inline
export function put(type: i32, row: usize, e: i32, x: i64): void {
  if (type == I8) store<i8>(row + e, <i8>x);
  else if (type == I16) store<i16>(row + (<usize>e << 1), <i16>x);
  else if (type == I32) store<i32>(row + (<usize>e << 2), <i32>x);
  else store<i64>(row + (<usize>e << 3), x);
}
