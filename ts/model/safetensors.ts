import { open } from "node:fs/promises";
import { z } from "zod";
import { ModelFileMissingError, SafetensorsError } from "./errors.ts";

/** A float tensor in row-major order. */
export type Tensor = { readonly shape: readonly number[]; readonly data: Float32Array };

const DTYPE_BYTES = { F32: 4, F16: 2, BF16: 2 } as const;
type Dtype = keyof typeof DTYPE_BYTES;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
});
const headerSchema = z.record(z.string(), z.unknown());

/** Larger headers are refused, as the format's own readers do. */
const MAX_HEADER = 100_000_000;

/** Reads every tensor of one safetensors file (F32, F16 or BF16) as float32. */
export async function readSafetensors(path: string): Promise<Map<string, Tensor>> {
  const file = await open(path).catch((cause: unknown) => {
    throw new ModelFileMissingError(path, cause);
  });
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(size - at, 1 << 28), at);
      if (bytesRead === 0)
        throw new SafetensorsError(path, `The file ended at byte ${at} of ${size} while being read.`);
      at += bytesRead;
    }
    return parseSafetensors(bytes, path);
  } finally {
    await file.close();
  }
}

/** Parses the bytes of a safetensors file; `name` is used in errors only. */
export function parseSafetensors(bytes: Uint8Array, name = "model.safetensors"): Map<string, Tensor> {
  if (bytes.length < 8)
    throw new SafetensorsError(name, `It has ${bytes.length} bytes, fewer than the 8 of the header's length.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = view.getBigUint64(0, true);
  if (headerLength > BigInt(MAX_HEADER) || Number(headerLength) > bytes.length - 8) {
    throw new SafetensorsError(
      name,
      `The header should have ${headerLength} bytes; the file has ${bytes.length} in all.`,
    );
  }
  const dataStart = 8 + Number(headerLength);
  const header = parseHeader(bytes.subarray(8, dataStart), name);
  const data = bytes.subarray(dataStart);

  const out = new Map<string, Tensor>();
  const ranges: [number, number][] = [];
  for (const [tensor, raw] of Object.entries(header)) {
    if (tensor === "__metadata__") continue;
    const entry = entrySchema.safeParse(raw);
    if (!entry.success) throw new SafetensorsError(name, `The header's entry for ${tensor} is malformed.`, entry.error);
    const { dtype, shape, data_offsets: range } = entry.data;
    if (!isDtype(dtype))
      throw new SafetensorsError(name, `${tensor} has type ${dtype}; supported are F32, F16 and BF16.`);
    const count = shape.reduce((product, n) => product * n, 1);
    const length = range[1] - range[0];
    if (range[1] > data.length) {
      throw new SafetensorsError(
        name,
        `${tensor} ends at byte ${range[1]} of the data, which has ${data.length}: the file is truncated.`,
      );
    }
    if (length !== count * DTYPE_BYTES[dtype]) {
      throw new SafetensorsError(name, `${tensor} of shape [${shape}] and type ${dtype} cannot have ${length} bytes.`);
    }
    ranges.push([range[0], range[1]]);
    out.set(tensor, { shape, data: decode(dtype, data.subarray(range[0], range[1]), count) });
  }
  requireCover(ranges, data.length, name);
  return out;
}

function isDtype(dtype: string): dtype is Dtype {
  return Object.hasOwn(DTYPE_BYTES, dtype);
}

function parseHeader(bytes: Uint8Array, name: string): Record<string, unknown> {
  try {
    return headerSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (cause) {
    throw new SafetensorsError(name, "The header is not a JSON object.", cause);
  }
}

/** The format allows neither holes nor overlaps: bytes that no tensor names could hide anything. */
function requireCover(ranges: [number, number][], length: number, name: string): void {
  ranges.sort((x, y) => x[0] - y[0] || x[1] - y[1]);
  let at = 0;
  for (const [start, end] of ranges) {
    if (start !== at)
      throw new SafetensorsError(name, `Tensor data overlaps or leaves a hole at byte ${Math.min(at, start)}.`);
    at = end;
  }
  if (at !== length) throw new SafetensorsError(name, `${length - at} bytes after the last tensor.`);
}

function decode(dtype: Dtype, bytes: Uint8Array, count: number): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(count);
  if (dtype === "F32") {
    for (let i = 0; i < count; i++) out[i] = view.getFloat32(4 * i, true);
  } else if (dtype === "BF16") {
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < count; i++) bits[i] = view.getUint16(2 * i, true) << 16;
  } else {
    for (let i = 0; i < count; i++) out[i] = halfToFloat(view.getUint16(2 * i, true));
  }
  return out;
}

/** IEEE 754 binary16 to a number. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
