import { crc32, inflateRawSync } from "node:zlib";
import type { ByteSource } from "./byte-source.ts";
import { ModelFormatError } from "./errors.ts";

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
/** Fixed parts of the records, and the longest comment behind the last one. */
const SIZES = { end: 22, entry: 46, local: 30, comment: 0xffff } as const;
const STORED = 0;
const DEFLATED = 8;

/** The content of one file of a ZIP archive (APPNOTE.TXT; no ZIP64, no encryption). @throws ModelFormatError */
export function readZipEntry(archive: ByteSource, name: string): Uint8Array {
  const fail = (expected: string, got: string, cause?: unknown) =>
    new ModelFormatError(archive.name, expected, got, cause);
  try {
    const { offset, compressed, size, method, crc } = findEntry(archive, name) ?? {};
    if (offset === undefined) throw fail(`an archive with ${name}`, "none of this name");
    const local = view(archive.read(offset, SIZES.local));
    if (local.getUint32(0, true) !== LOCAL) throw fail("a file where the directory says", "other bytes");
    const start = offset + SIZES.local + local.getUint16(26, true) + local.getUint16(28, true);
    const bytes = archive.read(start, compressed!);
    if (method !== STORED && method !== DEFLATED) throw fail("a stored or deflated file", `method ${method}`);
    const content = method === STORED ? bytes : inflateRawSync(bytes, { maxOutputLength: Math.max(size!, 1) });
    if (content.length !== size || crc32(content) !== crc)
      throw fail(`${name} with the stated checksum`, "another one");
    return content;
  } catch (cause) {
    if (cause instanceof ModelFormatError) throw cause;
    throw fail("a whole ZIP archive", "a damaged one", cause);
  }
}

type Entry = { offset: number; compressed: number; size: number; method: number; crc: number };

function findEntry(archive: ByteSource, name: string): Entry | undefined {
  const tailSize = Math.min(archive.size, SIZES.end + SIZES.comment);
  const tail = view(archive.read(archive.size - tailSize, tailSize));
  let end = tailSize - SIZES.end;
  while (end >= 0 && tail.getUint32(end, true) !== END) end--;
  if (end < 0) throw new ModelFormatError(archive.name, "a ZIP archive", "no directory at its end");
  const directory = archive.read(tail.getUint32(end + 16, true), tail.getUint32(end + 12, true));
  const entries = view(directory);
  for (let at = 0; at + SIZES.entry <= directory.length && entries.getUint32(at, true) === ENTRY; ) {
    const nameEnd = at + SIZES.entry + entries.getUint16(at + 28, true);
    if (new TextDecoder().decode(directory.subarray(at + SIZES.entry, nameEnd)) === name) {
      return {
        method: entries.getUint16(at + 10, true),
        crc: entries.getUint32(at + 16, true),
        compressed: entries.getUint32(at + 20, true),
        size: entries.getUint32(at + 24, true),
        offset: entries.getUint32(at + 42, true),
      };
    }
    at = nameEnd + entries.getUint16(at + 30, true) + entries.getUint16(at + 32, true);
  }
  return undefined;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
