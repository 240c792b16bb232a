import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { ModelFileMissingError, ModelTruncatedError } from "./errors.ts";

/** Bytes that are read where and when they are needed, so that a model's file need not fit into memory. */
export interface ByteSource {
  /** For errors: the file's path. */
  readonly name: string;
  readonly size: number;
  /** The bytes `offset .. offset + length - 1`. @throws ModelTruncatedError if the source ends before. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** Bytes of one system call at most: Linux reads no more than 2^31 at once. */
const PIECE = 1 << 28;

/** A file, open until `close`. */
export function fileBytes(path: string): ByteSource {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw new ModelFileMissingError(path, cause);
  }
  const { size } = fstatSync(fd);
  return {
    name: path,
    size,
    read(offset, length) {
      requireInside(path, size, offset, length);
      const out = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const read = readSync(fd, out, at, Math.min(length - at, PIECE), offset + at);
        if (read === 0) throw new ModelTruncatedError(path, size, offset + at);
        at += read;
      }
      return out;
    },
    close: () => closeSync(fd),
  };
}

/** Bytes in memory. */
export function memoryBytes(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    read(offset, length) {
      requireInside(name, bytes.length, offset, length);
      return bytes.slice(offset, offset + length);
    },
    close() {},
  };
}

function requireInside(name: string, size: number, offset: number, length: number): void {
  if (offset + length > size) throw new ModelTruncatedError(name, offset + length, size);
}
