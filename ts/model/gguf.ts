import { type GGUFParseOutput, gguf } from "@huggingface/gguf";
import { type ByteSource, fileBytes } from "./byte-source.ts";
import { GgufError } from "./errors.ts";
import { BLOCK_FORMATS, type BlockFormat, decodeBlocks } from "./gguf-blocks.ts";

/** Where a tensor lies and how its values are written. */
export type GgufTensor = {
  readonly format: BlockFormat;
  /** Row-major: the last dimension is the one that lies together. */
  readonly shape: readonly number[];
  readonly elements: number;
  /** In the file. */
  readonly offset: number;
  readonly bytes: number;
};

/** An open GGUF file: metadata and tensor table checked, tensors read and decoded when they are asked for. */
export type GgufFile = {
  readonly path: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** The tensor's values as float32; undefined if there is none of this name. */
  read(name: string): Float32Array | undefined;
  close(): void;
};

/** Opens a GGUF file. @throws GgufError, ModelFileMissingError */
export async function openGguf(path: string): Promise<GgufFile> {
  const source = fileBytes(path);
  try {
    const parsed = await parse(path);
    const tensors = checkedTensors(source, parsed);
    const read = (name: string) => {
      const tensor = tensors.get(name);
      if (tensor === undefined) return undefined;
      return decodeBlocks(tensor.format, readTensor(source, name, tensor), tensor.elements);
    };
    return { path, metadata: { ...parsed.metadata }, tensors, read, close: () => source.close() };
  } catch (error) {
    source.close();
    throw error;
  }
}

async function parse(path: string): Promise<GGUFParseOutput> {
  try {
    return await gguf(path, { allowLocalFile: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GgufError(path, `The header is malformed or cut short: ${reason}`, { cause });
  }
}

/**
 * The parser reads zeros beyond the file's end and believes every size: here each tensor must lie in the file, aligned,
 * apart from the others, and in a type that we decode.
 */
function checkedTensors({ name: file, size }: ByteSource, parsed: GGUFParseOutput): Map<string, GgufTensor> {
  if (!parsed.littleEndian) throw new GgufError(file, "It is big-endian.");
  const headerEnd = parsed.tensorInfoByteRange[1];
  if (headerEnd > size) throw new GgufError(file, `The header ends at byte ${headerEnd}, the file at ${size}.`);
  const start = Number(parsed.tensorDataOffset);
  const tensors = new Map<string, GgufTensor>();
  for (const { name, shape: reversed, dtype, offset: relative } of parsed.tensorInfos) {
    const fail = (reason: string) => new GgufError(file, reason, { tensor: name });
    if (tensors.has(name)) throw fail("It is there twice.");
    const format = BLOCK_FORMATS[dtype];
    if (format === undefined) throw fail(`Type ${dtype} is not supported. Supported: ${supported()}.`);
    // The file has the dimension that lies together first.
    const shape = reversed.map(Number).reverse();
    const elements = shape.reduce((product, n) => product * n, 1);
    if (elements === 0 || (shape.at(-1) ?? 1) % format.elements !== 0) {
      throw fail(`Shape [${shape}] does not fit blocks of ${format.elements} values of type ${format.name}.`);
    }
    const bytes = (elements / format.elements) * format.bytes;
    const offset = start + Number(relative);
    if (!(offset + bytes <= size)) {
      throw fail(`It ends at byte ${offset + bytes}, the file at ${size}: the file is cut short.`);
    }
    tensors.set(name, { format, shape, elements, offset, bytes });
  }
  requireApart(file, tensors);
  return tensors;
}

function requireApart(file: string, tensors: ReadonlyMap<string, GgufTensor>): void {
  let end = 0;
  for (const [tensor, { offset, bytes }] of [...tensors].sort(([, x], [, y]) => x.offset - y.offset)) {
    if (offset < end) throw new GgufError(file, "It overlaps the tensor before it.", { tensor });
    end = offset + bytes;
  }
}

function readTensor(source: ByteSource, tensor: string, { offset, bytes }: GgufTensor): Uint8Array {
  try {
    return source.read(offset, bytes);
  } catch (cause) {
    throw new GgufError(source.name, "Its bytes cannot be read any more.", { tensor, cause });
  }
}

function supported(): string {
  return Object.values(BLOCK_FORMATS)
    .map(({ name }) => name)
    .join(", ");
}
