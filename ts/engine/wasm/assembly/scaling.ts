import * as L from "../../plan/layout";
import { mulRshrSat, rshr, sat } from "./numbers";
import { argLength, I16, I32, long, parameter, put, putWord, rowOf, word } from "./operands";
import { beyond, clamped, largest, lowHalves, shiftAfter, shiftBefore, shifted, upper } from "./vectors";

/*
 * The instructions that multiply and shift each element: four at once where nothing leaves 32 bits, which `beyond` tells; else one by one.
 */

export function norm(op: usize, lane: usize, count: i32, out: usize): void {
  const a = rowOf(op + L.OP_A, lane);
  const b = rowOf(op + L.OP_B, lane);
  const gain = rowOf(op + L.OP_C, lane);
  const groups = argLength(op + L.OP_B, lane);
  const size = count / groups;
  const s1 = parameter(op, 0);
  const s2 = parameter(op, 1);
  const before1 = shiftBefore(s1);
  const after1 = shiftAfter(s1);
  const before2 = shiftBefore(s2);
  const after2 = shiftAfter(s2);
  const most = largest(31);
  for (let g = 0; g < groups; g++) {
    const factor = long(b, g);
    const factors = i64x2.splat(factor);
    // |x| < 2^small: the product is at most 2^62.
    const small = min(<i32>clz(factor ^ (factor >> 63)) - 2, 31);
    const bounds = i32x4.splat(small > 0 ? (1 << small) - 1 : 0);
    for (let i = 0; i < size; ) {
      let stop = size;
      if (i + 4 <= size) {
        const x = v128.load(a + (<usize>(g * size + i) << 2));
        const wide = i32x4.gt_u(i32x4.abs(x), bounds);
        const y0 = shifted(i64x2.mul(i64x2.extend_low_i32x4_s(x), factors), before1, s1, after1);
        const y1 = shifted(i64x2.mul(i64x2.extend_high_i32x4_s(x), factors), before1, s1, after1);
        const y = clamped(lowHalves(y0, y1), most);
        const gains = v128.load(gain + (<usize>i << 2));
        const z0 = shifted(i64x2.extmul_low_i32x4_s(y, gains), before2, s2, after2);
        const z1 = shifted(i64x2.extmul_high_i32x4_s(y, gains), before2, s2, after2);
        const large = v128.or(v128.or(beyond(y0), beyond(y1)), v128.or(beyond(z0), beyond(z1)));
        if (!v128.any_true(v128.or(wide, i64x2.shr_u(large, 32)))) {
          v128.store(out + (<usize>(g * size + i) << 2), clamped(lowHalves(z0, z1), most));
          i += 4;
          continue;
        }
        stop = i + 4;
      }
      for (; i < stop; i++) {
        const e = g * size + i;
        const x = mulRshrSat(word(a, e), factor, s1, 31);
        // |x * gain| <= 2^62.
        putWord(out, e, sat(rshr(x * word(gain, i), s2), 31));
      }
    }
  }
}

/** Fraction bits of the reciprocal. */
const FRACTION = 47;

export function quantize(a: usize, b: usize, groups: i32, count: i32, type: i32, out: usize): void {
  const bits = (8 << type) - 1;
  const most = ((<i64>1 << bits) - 1) << FRACTION;
  const size = count / groups;
  const before = shiftBefore(FRACTION);
  const after = shiftAfter(FRACTION);
  for (let g = 0; g < groups; g++) {
    const top = max(word(b, g), 1);
    const inverse = most / top;
    const tops = i32x4.splat(<i32>top);
    const inverses = i64x2.splat(inverse);
    const end = (g + 1) * size;
    for (let e = g * size; e < end; ) {
      let stop = end;
      if (type == I16 && e + 4 <= end) {
        const x = v128.load(a + (<usize>e << 2));
        if (!v128.any_true(i32x4.gt_u(i32x4.abs(x), tops))) {
          const y0 = shifted(i64x2.mul(i64x2.extend_low_i32x4_s(x), inverses), before, FRACTION, after);
          const y1 = shifted(i64x2.mul(i64x2.extend_high_i32x4_s(x), inverses), before, FRACTION, after);
          v128.store64_lane(out + (<usize>e << 1), v128.shuffle<i16>(y0, y1, 0, 4, 8, 12, 0, 4, 8, 12), 0);
          e += 4;
          continue;
        }
        stop = e + 4;
      }
      for (; e < stop; e++) {
        const x = word(a, e);
        // |x| <= top: at most Q * 2^47, below 2^62. Larger ones saturate: their quotient is beyond Q.
        if (x > top || x < -top) put(type, out, e, mulRshrSat(x, inverse, FRACTION, bits));
        else put(type, out, e, sat(rshr(x * inverse, FRACTION), bits));
      }
    }
  }
}

export function dequant(op: usize, lane: usize, first: i32, last: i32, out: usize): void {
  const a = rowOf(op + L.OP_A, lane);
  const wide = load<i32>(op + L.OP_A, L.ARG_TYPE) != I32;
  const scale = word(rowOf(op + L.OP_B, lane), 0);
  const channel = rowOf(op + L.OP_C, lane);
  const k = parameter(op, 0);
  const mbits = parameter(op, 1);
  const abits = parameter(op, 2);
  const s = parameter(op, 3);
  const bits = parameter(op, 4);
  const fits = mbits + abits <= 62;
  const end = fits && mbits <= 31 && abits >= 32 ? last - 3 : first;
  const scales = i32x4.splat(<i32>scale);
  const kBefore = shiftBefore(k);
  const kAfter = shiftAfter(k);
  const sBefore = shiftBefore(s);
  const sAfter = shiftAfter(s);
  const most = largest(bits);
  const mMost = largest(mbits);
  for (let e = first; e < last; ) {
    let stop = last;
    if (e < end) {
      // Four at once, if neither the sums nor anything else leaves 32 bits.
      const channels = v128.load(channel + (<usize>e << 2));
      const m0 = shifted(i64x2.extmul_low_i32x4_s(scales, channels), kBefore, k, kAfter);
      const m1 = shifted(i64x2.extmul_high_i32x4_s(scales, channels), kBefore, k, kAfter);
      let large = v128.or(beyond(m0), beyond(m1));
      let x: v128;
      if (wide) {
        const x0 = v128.load(a + (<usize>e << 3));
        const x1 = v128.load(a + (<usize>e << 3), 16);
        large = v128.or(large, v128.or(beyond(x0), beyond(x1)));
        x = lowHalves(x0, x1);
      } else {
        x = v128.load(a + (<usize>e << 2));
      }
      const m = clamped(lowHalves(m0, m1), mMost);
      // |x * m| <= 2^62, as mbits <= 31.
      const y0 = shifted(i64x2.extmul_low_i32x4_s(x, m), sBefore, s, sAfter);
      const y1 = shifted(i64x2.extmul_high_i32x4_s(x, m), sBefore, s, sAfter);
      large = v128.or(large, v128.or(beyond(y0), beyond(y1)));
      if (!upper(large)) {
        v128.store(out + (<usize>e << 2), clamped(lowHalves(y0, y1), most));
        e += 4;
        continue;
      }
      stop = e + 4;
    }
    for (; e < stop; e++) {
      // |scale * channel| <= 2^62.
      const m = sat(rshr(scale * word(channel, e), k), mbits);
      const x = sat(wide ? long(a, e) : word(a, e), abits);
      putWord(out, e, fits ? sat(rshr(x * m, s), bits) : mulRshrSat(x, m, s, bits));
    }
  }
}

export function gate(op: usize, lane: usize, count: i32, out: usize): void {
  const a = rowOf(op + L.OP_A, lane);
  const b = rowOf(op + L.OP_B, lane);
  const c = op + L.OP_C;
  const table = <usize>load<u32>(c, L.ARG_AT);
  const entries = <i64>load<i32>(c, L.ARG_LENGTH);
  const s1 = parameter(op, 0);
  const s2 = parameter(op, 1);
  const s3 = parameter(op, 2);
  const before2 = shiftBefore(s2);
  const after2 = shiftAfter(s2);
  const before3 = shiftBefore(s3);
  const after3 = shiftAfter(s3);
  const most = largest(31);
  for (let e = 0; e < count; ) {
    let stop = count;
    if (e + 4 <= count) {
      const w0 = weightOf(a, e, s1, table, entries);
      const w1 = weightOf(a, e + 1, s1, table, entries);
      const w2 = weightOf(a, e + 2, s1, table, entries);
      const w3 = weightOf(a, e + 3, s1, table, entries);
      let w = i32x4.splat(w0);
      w = i32x4.replace_lane(w, 1, w1);
      w = i32x4.replace_lane(w, 2, w2);
      w = i32x4.replace_lane(w, 3, w3);
      const x = v128.load(a + (<usize>e << 2));
      const y0 = shifted(i64x2.extmul_low_i32x4_s(x, w), before2, s2, after2);
      const y1 = shifted(i64x2.extmul_high_i32x4_s(x, w), before2, s2, after2);
      const y = clamped(lowHalves(y0, y1), most);
      const z = v128.load(b + (<usize>e << 2));
      const z0 = shifted(i64x2.extmul_low_i32x4_s(y, z), before3, s3, after3);
      const z1 = shifted(i64x2.extmul_high_i32x4_s(y, z), before3, s3, after3);
      if (!upper(v128.or(v128.or(beyond(y0), beyond(y1)), v128.or(beyond(z0), beyond(z1))))) {
        v128.store(out + (<usize>e << 2), clamped(lowHalves(z0, z1), most));
        e += 4;
        continue;
      }
      stop = e + 4;
    }
    for (; e < stop; e++) {
      // |x * weight| <= 2^46, then |. * b| <= 2^62.
      const gated = sat(rshr(word(a, e) * weightOf(a, e, s1, table, entries), s2), 31);
      putWord(out, e, sat(rshr(gated * word(b, e), s3), 31));
    }
  }
}

/** The weight of a gate's element e, from its table. */
// @ts-expect-error: decorator
@inline
function weightOf(a: usize, e: i32, shift: i32, table: usize, entries: i64): i32 {
  const i = min(max(rshr(word(a, e), shift) + (entries >> 1), 0), entries - 1);
  return load<i16>(table + (<usize>i << 1));
}
