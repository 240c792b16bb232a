import { keccak_256 } from "@noble/hashes/sha3.js";
import { concat } from "./bytes.ts";
import { rowLeaf } from "./row.ts";
import { TAGS } from "./tags.ts";
import { Tree } from "./tree.ts";

/** Tree over a program's instructions, 128 bytes each. Its root, tagged `program`, is `programRoot`. */
export function programTree(encoded: readonly Uint8Array[]): Tree {
  return Tree.of(encoded.map((bytes) => keccak_256(concat([TAGS.instruction, bytes]))));
}

/** A weight row as it is committed. */
export interface CommittedRow {
  readonly typeCode: number;
  /** Elements. */
  readonly length: number;
  /** Little-endian elements. */
  readonly bytes: Uint8Array;
}

/** Tree over `count` rows. Tagged `weights` (or `tokenBytes`), its root is `weightsRoot` (or `tokenBytesRoot`). */
export function rowsTree(
  count: number,
  rowAt: (index: number) => CommittedRow,
  onProgress?: (done: number) => void,
): Tree {
  const leaves = new Uint8Array(count * 32);
  for (let i = 0; i < count; i++) {
    const row = rowAt(i);
    leaves.set(rowLeaf(row.typeCode, row.length, row.bytes), i * 32);
    if (onProgress && i % 256 === 255) onProgress(i + 1);
  }
  onProgress?.(count);
  return new Tree(leaves);
}
