import * as L from "../../plan/layout";
import { divideShifted, isqrtShifted, mulHigh, mulRshrSat, rshr, sat } from "./numbers";
import * as Op from "./opcodes";
import { argLength, I8, I16, I32, length, long, parameter, put, putWord, rowOf, word } from "./operands";
import { dequant, gate, norm, quantize } from "./scaling";
import { totals } from "./vectors";

/*
 * Every instruction but the dot products and attention, for one lane: the whole row, or groups `first .. last - 1` of it. Operands may
 * hold any bits; what cannot overflow 64 bits says why, the rest goes through 128.
 */

export function runInstruction(op: usize, lane: usize, out: usize, first: i32, last: i32): void {
  const a = op + L.OP_A;
  const b = op + L.OP_B;
  const c = op + L.OP_C;
  const count = length(op, L.OP_OUT_LENGTH, L.OP_OUT_MODE, lane);
  const type = load<i32>(op, L.OP_OUT_TYPE);
  switch (load<i32>(op, L.OP_OPCODE)) {
    case Op.FOLD_SUMSQ: {
      foldSumsq(rowOf(a, lane), argLength(a, lane) / count, count, out);
      break;
    }
    case Op.FOLD_AMAX: {
      foldAmax(rowOf(a, lane), argLength(a, lane) / count, count, out);
      break;
    }
    case Op.FOLD_MAX: {
      const start = load<i32>(b, L.ARG_KIND) == 0 ? <usize>0 : rowOf(b, lane);
      foldMax(rowOf(a, lane), argLength(a, lane) / count, start, max(first, 0), last < 0 ? count : last, out);
      break;
    }
    case Op.FOLD_SUM: {
      const start = load<i32>(b, L.ARG_KIND) == 0 ? <usize>0 : rowOf(b, lane);
      const short = load<i32>(a, L.ARG_TYPE) == I16;
      foldSum(rowOf(a, lane), short, argLength(a, lane) / count, start, max(first, 0), last < 0 ? count : last, out);
      break;
    }
    case Op.FOLD_PICK: {
      foldPick(rowOf(a, lane), argLength(a, lane), rowOf(b, lane), parameter(op, 0), out);
      break;
    }
    case Op.EMBED: {
      embed(op, lane, count, out);
      break;
    }
    case Op.RMS: {
      const row = rowOf(a, lane);
      for (let e = 0; e < count; e++) store<i64>(out + (<usize>e << 3), rms(op, long(row, e)));
      break;
    }
    case Op.NORM: {
      norm(op, lane, count, out);
      break;
    }
    case Op.QUANTIZE: {
      quantize(rowOf(a, lane), rowOf(b, lane), argLength(b, lane), count, type, out);
      break;
    }
    case Op.DEQUANT: {
      dequant(op, lane, max(first, 0), last < 0 ? count : last, out);
      break;
    }
    case Op.ADD: {
      const x = rowOf(a, lane);
      const y = rowOf(b, lane);
      const bits = parameter(op, 0);
      for (let e = 0; e < count; e++) putWord(out, e, sat(word(x, e) + word(y, e), bits));
      break;
    }
    case Op.ROPE: {
      rope(op, lane, count, out);
      break;
    }
    case Op.RESCALE: {
      // |a * mul| <= 2^62.
      const row = rowOf(a, lane);
      const mul = <i64>parameter(op, 0);
      const s = parameter(op, 1);
      const bits = (8 << type) - 1;
      for (let e = 0; e < count; e++) put(type, out, e, sat(rshr(word(row, e) * mul, s), bits));
      break;
    }
    case Op.EXP2: {
      const groups = argLength(b, lane);
      exp2(op, lane, count / groups, max(first, 0), last < 0 ? groups : last, type, out);
      break;
    }
    case Op.DIVIDE: {
      divide(rowOf(a, lane), rowOf(b, lane), argLength(b, lane), count, parameter(op, 0), out);
      break;
    }
    case Op.GATE: {
      gate(op, lane, count, out);
      break;
    }
    case Op.WEIGH: {
      weigh(op, lane, count, out);
      break;
    }
    case Op.DRAW: {
      const total = long(rowOf(a, lane), 0);
      const greedy = load<u32>(lane, L.LANE_TEMPERATURE) == 0 || total <= 0;
      store<i64>(out, -1);
      store<i64>(out + 8, greedy ? 0 : <i64>mulHigh(load<u64>(lane, L.LANE_RANDOM), total));
      break;
    }
    default:
      unreachable();
  }
}

/** Squares are at most 2^62 and the sum only grows: it saturates as soon as it leaves 63 bits. */
function foldSumsq(a: usize, size: i32, count: i32, out: usize): void {
  for (let e = 0; e < count; e++) {
    let sum: u64 = 0;
    for (let i = e * size; i < (e + 1) * size; i++) {
      const x = word(a, i);
      sum += <u64>(x * x);
      if (sum >> 63 != 0) sum = 0x7fffffffffffffff;
    }
    store<i64>(out + (<usize>e << 3), sum);
  }
}

function foldAmax(a: usize, size: i32, count: i32, out: usize): void {
  for (let e = 0; e < count; e++) {
    let top: u32 = 0;
    let i = e * size;
    const end = i + size;
    let tops = i32x4.splat(0);
    for (; i + 4 <= end; i += 4) tops = i32x4.max_u(tops, i32x4.abs(v128.load(a + (<usize>i << 2))));
    for (; i < end; i++) {
      const x = load<i32>(a + (<usize>i << 2));
      top = max(top, x < 0 ? 0 - <u32>x : <u32>x);
    }
    top = max(top, max(<u32>i32x4.extract_lane(tops, 0), <u32>i32x4.extract_lane(tops, 1)));
    top = max(top, max(<u32>i32x4.extract_lane(tops, 2), <u32>i32x4.extract_lane(tops, 3)));
    store<u32>(out + (<usize>e << 2), min(top, 0x7fffffff));
  }
}

function foldMax(a: usize, size: i32, start: usize, first: i32, last: i32, out: usize): void {
  for (let e = first; e < last; e++) {
    let top = start == 0 ? i32.MIN_VALUE : load<i32>(start + (<usize>e << 2));
    let i = e * size;
    const end = i + size;
    let tops = i32x4.splat(i32.MIN_VALUE);
    for (; i + 4 <= end; i += 4) tops = i32x4.max_s(tops, v128.load(a + (<usize>i << 2)));
    for (; i < end; i++) top = max(top, load<i32>(a + (<usize>i << 2)));
    top = max(top, max(i32x4.extract_lane(tops, 0), i32x4.extract_lane(tops, 1)));
    top = max(top, max(i32x4.extract_lane(tops, 2), i32x4.extract_lane(tops, 3)));
    store<i32>(out + (<usize>e << 2), max(top, -i32.MAX_VALUE));
  }
}

/** A group's own sum is at most 2^24 * 2^31; only the initial value can make it leave 64 bits. */
function foldSum(a: usize, short: bool, size: i32, start: usize, first: i32, last: i32, out: usize): void {
  for (let e = first; e < last; e++) {
    let sum: i64 = 0;
    let i = e * size;
    const end = i + size;
    while (short && i + 8 <= end) {
      // Pairs of at most 2^16, below 2^30 in a run.
      const stop = min(end - 7, i + (8 << 13));
      let sums = i32x4.splat(0);
      for (; i < stop; i += 8) {
        sums = i32x4.add(sums, i32x4.dot_i16x8_s(v128.load(a + (<usize>i << 1)), i16x8.splat(1)));
      }
      sums = totals(sums, sums);
      sum += i64x2.extract_lane(sums, 0);
    }
    for (; i < end; i++) {
      sum += short ? <i64>load<i16>(a + (<usize>i << 1)) : word(a, i);
    }
    const before = start == 0 ? 0 : long(start, e);
    const total = before + sum;
    // Both addends of one sign and the sum of the other: it went around.
    let saturated = total;
    if (((before ^ total) & (sum ^ total)) < 0) saturated = before < 0 ? -i64.MAX_VALUE : i64.MAX_VALUE;
    store<i64>(out + (<usize>e << 3), max(saturated, -i64.MAX_VALUE));
  }
}

/** The threshold only gets smaller by what it covers: once it is 0 or more it stays so. */
function foldPick(a: usize, count: i32, b: usize, base: i32, out: usize): void {
  let token = long(b, 0);
  let threshold = long(b, 1);
  for (let k = 0; k < count && token < 0; k++) {
    const v = max(word(a, k), 0);
    if (v > threshold) token = <i64>base + k;
    else threshold -= v;
  }
  store<i64>(out, max(token, -i64.MAX_VALUE));
  store<i64>(out + 8, max(threshold, -i64.MAX_VALUE));
}

function embed(op: usize, lane: usize, count: i32, out: usize): void {
  const b = op + L.OP_B;
  const token = min(load<u32>(lane, L.LANE_TOKEN), load<u32>(b, L.ARG_COUNT) - 1);
  const scale = <i64>load<i32>(<usize>load<u32>(op + L.OP_C, L.ARG_AT) + (<usize>token << 2));
  const row = <usize>load<u32>(b, L.ARG_AT) + <usize>token * load<u32>(b, L.ARG_LENGTH);
  const shift = parameter(op, 0);
  const bits = parameter(op, 1);
  for (let e = 0; e < count; e++) putWord(out, e, sat(rshr(<i64>load<i8>(row + e) * scale, shift), bits));
}

/** The mean is at most 2^63 + 2^31: it fits a u64. */
function rms(op: usize, sum: i64): i64 {
  const mean = <u64>max(sum, 0) / <u64>parameter(op, 0) + <u64>parameter(op, 1);
  const root = isqrtShifted(mean, parameter(op, 2));
  return (<i64>1 << parameter(op, 3)) / <i64>max(root, 1);
}

function rope(op: usize, lane: usize, count: i32, out: usize): void {
  const a = rowOf(op + L.OP_A, lane);
  const b = op + L.OP_B;
  const size = load<i32>(b, L.ARG_LENGTH);
  const row = min(load<u32>(lane, L.LANE_T), load<u32>(b, L.ARG_COUNT) - 1);
  const table = <usize>load<u32>(b, L.ARG_AT) + (<usize>row * size << 1);
  const shift = parameter(op, 0);
  const half = size >> 1;
  for (let head = 0; head < count; head += size) {
    for (let j = 0; j < half; j++) {
      const cos = <i64>load<i16>(table + (<usize>j << 1));
      const sin = <i64>load<i16>(table + (<usize>(half + j) << 1));
      const x = word(a, head + j);
      const y = word(a, head + half + j);
      store<i16>(out + (<usize>(head + j) << 1), <i16>sat(rshr(x * cos - y * sin, shift), 15));
      store<i16>(out + (<usize>(head + half + j) << 1), <i16>sat(rshr(y * cos + x * sin, shift), 15));
    }
  }
}

/** `2^-i` of i in table steps, shifted right by s more: 0 from 2^-62 on. */
// @ts-expect-error: decorator
@inline
function power(table: usize, i: i64, tb: i32, s: i32, bits: i32): i64 {
  const n = (i >> tb) + s;
  if (n > 62) return 0;
  return sat(rshr(word(table, <i32>(i & ((<i64>1 << tb) - 1))), <i32>n), bits);
}

function exp2(op: usize, lane: usize, size: i32, first: i32, last: i32, type: i32, out: usize): void {
  const a = rowOf(op + L.OP_A, lane);
  const b = rowOf(op + L.OP_B, lane);
  const table = rowOf(op + L.OP_C, lane);
  const tb = parameter(op, 1);
  const shift = parameter(op, 0) - tb;
  const s = parameter(op, 2);
  const bits = (8 << type) - 1;
  const bound: i64 = (<i64>1 << bits) - 1;
  const mask = i32x4.splat((1 << tb) - 1);
  const half = shift == 0 ? i32x4.splat(0) : i32x4.splat(1);
  for (let g = first; g < last; g++) {
    const top = word(b, g);
    const tops = i32x4.splat(<i32>top);
    const end = (g + 1) * size;
    let e = g * size;
    // Places in the table and shifts of four at once: a rounding shift without the carry that would leave 32 bits.
    for (; shift < 32 && e + 4 <= end; e += 4) {
      const x = i32x4.sub(tops, i32x4.min_s(tops, v128.load(a + (<usize>e << 2))));
      const i = i32x4.add(i32x4.shr_u(x, shift), v128.and(i32x4.shr_u(x, shift - 1), half));
      const n = i32x4.add(i32x4.shr_u(i, tb), i32x4.splat(s));
      const k = v128.and(i, mask);
      put(type, out, e, entry(table, i32x4.extract_lane(k, 0), i32x4.extract_lane(n, 0), bound));
      put(type, out, e + 1, entry(table, i32x4.extract_lane(k, 1), i32x4.extract_lane(n, 1), bound));
      put(type, out, e + 2, entry(table, i32x4.extract_lane(k, 2), i32x4.extract_lane(n, 2), bound));
      put(type, out, e + 3, entry(table, i32x4.extract_lane(k, 3), i32x4.extract_lane(n, 3), bound));
    }
    for (; e < end; e++) {
      put(type, out, e, power(table, rshr(max(top - word(a, e), 0), shift), tb, s, bits));
    }
  }
}

/** Entry k of a table shifted right by n, between `-bound` and `bound`: 0 from 2^-62 on. */
// @ts-expect-error: decorator
@inline
function entry(table: usize, k: i32, n: i32, bound: i64): i64 {
  if (<u32>n > 62) return 0;
  const x = (word(table, k) + ((<i64>1 << n) >> 1)) >> n;
  return min(max(x, -bound), bound);
}

function divide(a: usize, b: usize, groups: i32, count: i32, k: i32, out: usize): void {
  const size = count / groups;
  for (let g = 0; g < groups; g++) {
    const divisor = max(long(b, g), 1);
    const half = divisor >> 1;
    for (let e = g * size; e < (g + 1) * size; e++) {
      const x = long(a, e);
      // x << k and half are below 2^62: no sum overflows.
      if (clz(x ^ (x >> 63)) >= k + 2) {
        const n = (x << k) + half;
        const q = n / divisor;
        putWord(out, e, sat(q - (n < 0 && q * divisor != n ? 1 : 0), 31));
      } else {
        putWord(out, e, divideShifted(x, divisor, k));
      }
    }
  }
}

function weigh(op: usize, lane: usize, count: i32, out: usize): void {
  const a = rowOf(op + L.OP_A, lane);
  const top = word(rowOf(op + L.OP_B, lane), 0);
  const table = rowOf(op + L.OP_C, lane);
  const tb = parameter(op, 1);
  const s = parameter(op, 2);
  const temperature = <i64>load<u32>(lane, L.LANE_TEMPERATURE);
  if (temperature == 0) {
    for (let e = 0; e < count; e++) putWord(out, e, word(a, e) >= top ? 1 : 0);
    return;
  }
  const inverse = <u64>min((<i64>parameter(op, 0) << 16) / temperature, 0x7fffffff);
  for (let e = 0; e < count; e++) {
    // Below 2^32 times 2^31: a u64, and half of 2^16 more.
    const i = (<u64>max(top - word(a, e), 0) * inverse + 0x8000) >> 16;
    putWord(out, e, power(table, <i64>i, tb, s, 31));
  }
}
