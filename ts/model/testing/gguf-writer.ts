import { concat } from "../../commit/bytes.ts";

/** For tests: a metadata value as it is written, with its type (gguf.md of ggml). */
export type GgufValue =
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly bool: boolean }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly i32s: readonly number[] }
  | { readonly f32s: readonly number[] };

/** For tests: a tensor as it is written; `shape` is row-major. */
export type WrittenTensor = {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
};

const ALIGNMENT = 32;

/** For tests: the bytes of a GGUF file, version 3. */
export function writeGguf(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly WrittenTensor[],
): Uint8Array {
  const parts = [new TextEncoder().encode("GGUF"), u32(3), u64(tensors.length), u64(Object.keys(metadata).length)];
  for (const [key, value] of Object.entries(metadata)) parts.push(text(key), encoded(value));
  let at = 0;
  const data: Uint8Array[] = [];
  for (const { name, type, shape, bytes } of tensors) {
    parts.push(text(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(type), u64(at));
    const padded = padding(bytes.length);
    data.push(bytes, padded);
    at += bytes.length + padded.length;
  }
  const header = concat(parts);
  return concat([header, padding(header.length), ...data]);
}

function padding(length: number): Uint8Array {
  return new Uint8Array((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);
}

function encoded(value: GgufValue): Uint8Array {
  if ("u32" in value) return concat([u32(4), u32(value.u32)]);
  if ("f32" in value) return concat([u32(6), bytesOf(Float32Array.of(value.f32))]);
  if ("bool" in value) return concat([u32(7), Uint8Array.of(value.bool ? 1 : 0)]);
  if ("text" in value) return concat([u32(8), text(value.text)]);
  if ("texts" in value) return concat([u32(9), u32(8), u64(value.texts.length), ...value.texts.map(text)]);
  if ("i32s" in value) return concat([u32(9), u32(5), u64(value.i32s.length), bytesOf(Int32Array.from(value.i32s))]);
  return concat([u32(9), u32(6), u64(value.f32s.length), bytesOf(Float32Array.from(value.f32s))]);
}

function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return concat([u64(bytes.length), bytes]);
}

function u32(value: number): Uint8Array {
  return bytesOf(Uint32Array.of(value));
}

function u64(value: number): Uint8Array {
  return bytesOf(BigUint64Array.of(BigInt(value)));
}

/** The elements' bytes, little-endian. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
