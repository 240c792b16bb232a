import { halfToFloat } from "./half.ts";

/** A type of GGUF tensors: `elements` values in `bytes` bytes, decoded block by block. */
export type BlockFormat = {
  readonly name: string;
  readonly elements: number;
  readonly bytes: number;
  /** Writes the values of the block at byte `at` to `out` from element `to`. */
  readonly decode: (view: DataView, at: number, out: Float32Array, to: number) => void;
};

/** float32 arithmetic, as llama.cpp's own decoders have it. */
const { fround } = Math;
const half = (view: DataView, at: number) => halfToFloat(view.getUint16(at, true));

/** Values of a super-block of the k-quants. */
const SUPER = 256;

/**
 * The supported tensor types by their number in the file (ggml.h, `enum ggml_type`). Layouts as in ggml-common.h: the
 * values of a block of 32 are `d * q` or `d * q + m`, its first half in the low nibbles; the k-quants have 8 (or, Q6_K, 16)
 * groups a block with scales of their own.
 */
export const BLOCK_FORMATS: Readonly<Record<number, BlockFormat>> = {
  0: { name: "F32", elements: 1, bytes: 4, decode: decodeF32 },
  1: { name: "F16", elements: 1, bytes: 2, decode: decodeF16 },
  30: { name: "BF16", elements: 1, bytes: 2, decode: decodeBf16 },
  2: {
    name: "Q4_0",
    elements: 32,
    bytes: 18,
    decode: (view, at, out, to) => nibbles(view, at + 2, out, to, half(view, at), 8),
  },
  3: {
    name: "Q4_1",
    elements: 32,
    bytes: 20,
    decode: (view, at, out, to) => nibbles(view, at + 4, out, to, half(view, at), 0, half(view, at + 2)),
  },
  6: {
    name: "Q5_0",
    elements: 32,
    bytes: 22,
    decode: (view, at, out, to) => nibbles(view, at + 6, out, to, half(view, at), 16, 0, view.getUint32(at + 2, true)),
  },
  7: {
    name: "Q5_1",
    elements: 32,
    bytes: 24,
    decode: (view, at, out, to) =>
      nibbles(view, at + 8, out, to, half(view, at), 0, half(view, at + 2), view.getUint32(at + 4, true)),
  },
  8: { name: "Q8_0", elements: 32, bytes: 34, decode: decodeQ8 },
  12: { name: "Q4_K", elements: SUPER, bytes: 144, decode: (view, at, out, to) => decodeQ45K(view, at, out, to, 0) },
  13: { name: "Q5_K", elements: SUPER, bytes: 176, decode: (view, at, out, to) => decodeQ45K(view, at, out, to, 32) },
  14: { name: "Q6_K", elements: SUPER, bytes: 210, decode: decodeQ6K },
};

/** Decodes `count` values, a multiple of the format's block. */
export function decodeBlocks(format: BlockFormat, bytes: Uint8Array, count: number): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(count);
  for (let at = 0, to = 0; to < count; at += format.bytes, to += format.elements) format.decode(view, at, out, to);
  return out;
}

function decodeF32(view: DataView, at: number, out: Float32Array, to: number): void {
  out[to] = view.getFloat32(at, true);
}

function decodeF16(view: DataView, at: number, out: Float32Array, to: number): void {
  out[to] = half(view, at);
}

const word = new DataView(new ArrayBuffer(4));

function decodeBf16(view: DataView, at: number, out: Float32Array, to: number): void {
  word.setUint16(2, view.getUint16(at, true), true);
  out[to] = word.getFloat32(0, true);
}

/** 16 bytes of nibbles, with one more bit each from `fifth`: `(q - offset) * d + m`. */
function nibbles(
  view: DataView,
  at: number,
  out: Float32Array,
  to: number,
  d: number,
  offset: number,
  m = 0,
  fifth = 0,
): void {
  for (let i = 0; i < 16; i++) {
    const byte = view.getUint8(at + i);
    const low = (byte & 15) | (((fifth >>> i) & 1) << 4);
    const high = (byte >> 4) | (((fifth >>> (i + 16)) & 1) << 4);
    out[to + i] = fround(d * (low - offset)) + m;
    out[to + i + 16] = fround(d * (high - offset)) + m;
  }
}

function decodeQ8(view: DataView, at: number, out: Float32Array, to: number): void {
  const d = half(view, at);
  for (let i = 0; i < 32; i++) out[to + i] = d * view.getInt8(at + 2 + i);
}

/** Q4_K, or with `highBytes` bytes of fifth bits Q5_K: 8 groups of 32, `d * scale * q - dmin * min`. */
function decodeQ45K(view: DataView, at: number, out: Float32Array, to: number, highBytes: 0 | 32): void {
  const d = half(view, at);
  const dmin = half(view, at + 2);
  const low = at + 16 + highBytes;
  for (let group = 0; group < 8; group++) {
    const [scale, min] = scaleAndMin(view, at + 4, group);
    const factor = fround(d * scale);
    const shift = fround(dmin * min);
    for (let i = 0; i < 32; i++) {
      const byte = view.getUint8(low + (group >> 1) * 32 + i);
      let q = (byte >> (4 * (group & 1))) & 15;
      if (highBytes > 0) q |= ((view.getUint8(at + 16 + i) >> group) & 1) << 4;
      out[to + group * 32 + i] = fround(factor * q) - shift;
    }
  }
}

/** The 6-bit scale and minimum of a group: 12 bytes hold 8 of each. */
function scaleAndMin(view: DataView, at: number, group: number): [scale: number, min: number] {
  if (group < 4) return [view.getUint8(at + group) & 63, view.getUint8(at + 4 + group) & 63];
  const low = view.getUint8(at + 4 + group);
  return [
    (low & 15) | ((view.getUint8(at + group - 4) >> 6) << 4),
    (low >> 4) | ((view.getUint8(at + group) >> 6) << 4),
  ];
}

/** 16 groups of 16 with int8 scales; 4 low bits and 2 high bits a value. */
function decodeQ6K(view: DataView, at: number, out: Float32Array, to: number): void {
  const d = half(view, at + 208);
  for (let e = 0; e < SUPER; e++) {
    // Each half of the block, 128 values, has 64 bytes of low and 32 of high bits.
    const [part, quarter, i] = [e >> 7, (e >> 5) & 3, e & 31];
    const low = (view.getUint8(at + part * 64 + (quarter & 1) * 32 + i) >> (4 * (quarter >> 1))) & 15;
    const high = (view.getUint8(at + 128 + part * 32 + i) >> (2 * quarter)) & 3;
    const scale = fround(d * view.getInt8(at + 192 + (e >> 4)));
    out[to + e] = scale * ((low | (high << 4)) - 32);
  }
}
