import { TensorError, TensorRangeError } from "./errors.ts";

/** A model's float tensors by Hugging Face name, row-major; may load them when asked. A `Map` is one. */
export interface TensorSource {
  get(name: string): Float32Array | undefined;
  /** Largest magnitude of each of the tensor's `rows` rows, for sources that know it without loading the tensor. */
  magnitudes?(name: string, rows: number): Float64Array;
}

/** A source that keeps what it has loaded: for repeated use of tensors that fit into memory. */
export function keptTensors(source: TensorSource): TensorSource {
  const kept = new Map<string, Float32Array | undefined>();
  return {
    get(name) {
      if (!kept.has(name)) kept.set(name, source.get(name));
      return kept.get(name);
    },
  };
}

/** The tensor of this name, which must have `size` elements. */
export function tensor(tensors: TensorSource, name: string, size: number): Float32Array {
  const data = tensors.get(name);
  if (data?.length !== size) throw new TensorError(name, size, data?.length);
  return data;
}

/** Largest magnitude of each of the `rows` rows. */
export function rowMagnitudes(name: string, data: Float32Array, rows: number): Float64Array {
  const length = data.length / rows;
  const out = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let max = 0;
    for (let i = r * length; i < (r + 1) * length; i++) {
      const x = Math.abs(data[i]);
      // Also true for NaN.
      if (!(x <= Number.MAX_VALUE)) throw new TensorRangeError(name, x);
      if (x > max) max = x;
    }
    out[r] = max;
  }
  return out;
}

/** Symmetric int8 quantisation of each row by its own largest magnitude, into `out`. */
export function quantizeRows(data: Float32Array, magnitudes: Float64Array, out: Int8Array): void {
  const length = data.length / magnitudes.length;
  for (let r = 0; r < magnitudes.length; r++) {
    const inverse = magnitudes[r] === 0 ? 0 : 127 / magnitudes[r];
    for (let i = r * length; i < (r + 1) * length; i++) out[i] = Math.round(data[i] * inverse);
  }
}

/** Fixed-point copy with `fraction` fraction bits, saturated to 31 bits. */
export function fixedPoint(name: string, data: Float32Array, fraction: number, factor = 1): Int32Array {
  return Int32Array.from(data, (x) => {
    const scaled = Math.round(x * factor * 2 ** fraction);
    if (!(Math.abs(scaled) < 2 ** 31)) throw new TensorRangeError(name, x);
    return scaled;
  });
}
