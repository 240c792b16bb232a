import { sha256 } from "@noble/hashes/sha2.js";
import { hashWords } from "./bytes.ts";
import { TAGS } from "./tags.ts";
import { Tree } from "./tree.ts";

/** Bytes of a chunk: one SHA-256 leaf. */
export const CHUNK = 32;

/** Number of chunks of a row of `bytes` bytes; the empty row (an empty token) is one zero chunk. */
export function chunkCount(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / CHUNK));
}

/** Chunk `index` of a row's bytes, zero-padded to 32 bytes. */
export function chunkAt(bytes: Uint8Array, index: number): Uint8Array {
  const slice = bytes.subarray(index * CHUNK, index * CHUNK + CHUNK);
  if (slice.length === CHUNK) return slice;
  const out = new Uint8Array(CHUNK);
  out.set(slice);
  return out;
}

/** The byte tree of a row: SHA-256 leaves of its chunks. Its top is `B(row)`. */
export function rowTree(bytes: Uint8Array): Tree {
  const chunks = chunkCount(bytes.length);
  const leaves = new Uint8Array(chunks * 32);
  for (let i = 0; i < chunks; i++) leaves.set(sha256(chunkAt(bytes, i)), i * 32);
  return new Tree(leaves);
}

/** `H(TAG row, type, length, B)`: the leaf of a row in weights, cache and fine trees. */
export function rowLeafOf(typeCode: number, length: number, byteRoot: Uint8Array): Uint8Array {
  return hashWords(TAGS.row, typeCode, length, byteRoot);
}

/** Row leaf from the row's bytes (little-endian elements). */
export function rowLeaf(typeCode: number, length: number, bytes: Uint8Array): Uint8Array {
  return rowLeafOf(typeCode, length, rowTree(bytes).top);
}
