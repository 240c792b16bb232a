import { z } from "zod";
import type { ByteSource } from "./byte-source.ts";
import { SafetensorsError } from "./errors.ts";
import { BLOCK_FORMATS, type BlockFormat, decodeBlocks } from "./gguf-blocks.ts";

/** An open safetensors file: the header checked, tensors read and decoded when they are asked for. */
export type SafetensorsFile = {
  readonly names: ReadonlySet<string>;
  /** Type of each tensor. */
  readonly types: readonly string[];
  /** Row-major float32 values; undefined if there is no such tensor. */
  read(name: string): Float32Array | undefined;
};

type Entry = {
  readonly format: BlockFormat;
  readonly elements: number;
  readonly offset: number;
  readonly bytes: number;
};

/** The supported types, which GGUF files have too. */
const FORMATS = new Map(
  Object.values(BLOCK_FORMATS)
    .filter(({ elements }) => elements === 1)
    .map((format) => [format.name, format]),
);

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
});
const headerSchema = z.record(z.string(), z.unknown());

/** Larger headers are refused, as the format's own readers do. */
const MAX_HEADER = 100_000_000;

/** Reads and checks the header of a safetensors file (F32, F16 or BF16). @throws SafetensorsError */
export function openSafetensors(source: ByteSource): SafetensorsFile {
  const { name, size } = source;
  if (size < 8) throw new SafetensorsError(name, `It has ${size} bytes, fewer than the 8 of the header's length.`);
  const first = source.read(0, 8);
  const headerLength = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (headerLength > BigInt(MAX_HEADER) || Number(headerLength) > size - 8) {
    throw new SafetensorsError(name, `The header should have ${headerLength} bytes; the file has ${size} in all.`);
  }
  const dataStart = 8 + Number(headerLength);
  const header = parseHeader(source.read(8, Number(headerLength)), name);
  const dataLength = size - dataStart;

  const entries = new Map<string, Entry>();
  const ranges: [number, number][] = [];
  for (const [tensor, raw] of Object.entries(header)) {
    if (tensor === "__metadata__") continue;
    const entry = entrySchema.safeParse(raw);
    if (!entry.success) throw new SafetensorsError(name, `The header's entry for ${tensor} is malformed.`, entry.error);
    const { dtype, shape, data_offsets: range } = entry.data;
    const format = FORMATS.get(dtype);
    if (format === undefined) {
      throw new SafetensorsError(name, `${tensor} has type ${dtype}; supported are ${[...FORMATS.keys()].join(", ")}.`);
    }
    const elements = shape.reduce((product, n) => product * n, 1);
    const bytes = range[1] - range[0];
    if (range[1] > dataLength) {
      throw new SafetensorsError(
        name,
        `${tensor} ends at byte ${range[1]} of the data, which has ${dataLength}: the file is truncated.`,
      );
    }
    if (bytes !== elements * format.bytes) {
      throw new SafetensorsError(name, `${tensor} of shape [${shape}] and type ${dtype} cannot have ${bytes} bytes.`);
    }
    ranges.push([range[0], range[1]]);
    entries.set(tensor, { format, elements, offset: dataStart + range[0], bytes });
  }
  requireCover(ranges, dataLength, name);
  return {
    names: new Set(entries.keys()),
    types: [...entries.values()].map(({ format }) => format.name),
    read(tensor) {
      const entry = entries.get(tensor);
      return entry && decodeBlocks(entry.format, read(source, tensor, entry), entry.elements);
    },
  };
}

function read(source: ByteSource, tensor: string, { offset, bytes }: Entry): Uint8Array {
  try {
    return source.read(offset, bytes);
  } catch (cause) {
    throw new SafetensorsError(source.name, `The bytes of ${tensor} cannot be read any more.`, cause);
  }
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
