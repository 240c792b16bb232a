/*
 * Dot products of one activation row with every row of a matrix, four rows at a time, so that an activation is loaded
 * once for four products. Sums are int32 (`| 0`) over runs too short to overflow, and doubles between runs. One
 * function for each type of activations: a loop that sees two kinds of typed arrays is compiled to slow generic loads.
 */

/** Terms of an i8 run: 2^16 * 2^14 = 2^30. */
const RUN_I8 = 2 ** 16;
/** Terms of an i16 run: 2^8 * 2^22 = 2^30. */
const RUN_I16 = 2 ** 8;

/** `out[e] = a . row e of b`, b row-major with rows of a's length; exact, at most 2^24 * 2^14 in magnitude. */
export function dotRowsI8(a: Int8Array, b: Int8Array, out: Float64Array): void {
  const size = a.length;
  for (let from = 0; from < size; from += RUN_I8) {
    const to = Math.min(from + RUN_I8, size);
    let e = 0;
    for (; e + 3 < out.length; e += 4) {
      const r0 = e * size;
      const r1 = r0 + size;
      const r2 = r1 + size;
      const r3 = r2 + size;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let k = from; k < to; k++) {
        const x = a[k];
        s0 = (s0 + x * b[r0 + k]) | 0;
        s1 = (s1 + x * b[r1 + k]) | 0;
        s2 = (s2 + x * b[r2 + k]) | 0;
        s3 = (s3 + x * b[r3 + k]) | 0;
      }
      out[e] += s0;
      out[e + 1] += s1;
      out[e + 2] += s2;
      out[e + 3] += s3;
    }
    for (; e < out.length; e++) {
      let s = 0;
      for (let k = from; k < to; k++) s = (s + a[k] * b[e * size + k]) | 0;
      out[e] += s;
    }
  }
}

/** As `dotRowsI8` for i16 activations: at most 2^24 * 2^22 in magnitude. */
export function dotRowsI16(a: Int16Array, b: Int8Array, out: Float64Array): void {
  const size = a.length;
  for (let from = 0; from < size; from += RUN_I16) {
    const to = Math.min(from + RUN_I16, size);
    let e = 0;
    for (; e + 3 < out.length; e += 4) {
      const r0 = e * size;
      const r1 = r0 + size;
      const r2 = r1 + size;
      const r3 = r2 + size;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let k = from; k < to; k++) {
        const x = a[k];
        s0 = (s0 + x * b[r0 + k]) | 0;
        s1 = (s1 + x * b[r1 + k]) | 0;
        s2 = (s2 + x * b[r2 + k]) | 0;
        s3 = (s3 + x * b[r3 + k]) | 0;
      }
      out[e] += s0;
      out[e + 1] += s1;
      out[e + 2] += s2;
      out[e + 3] += s3;
    }
    for (; e < out.length; e++) {
      let s = 0;
      for (let k = from; k < to; k++) s = (s + a[k] * b[e * size + k]) | 0;
      out[e] += s;
    }
  }
}
