import { concat, word } from "./bytes.ts";
import { type KernelExports, KernelMemory } from "./kernel-memory.ts";
import { CHUNK, chunkCount } from "./row.ts";
import { TAGS } from "./tags.ts";

/** What ts/commit/assembly/rows.ts exports. */
type Exports = KernelExports & {
  leaves(head: number, bytes: number, rowBytes: number, count: number, scratch: number, out: number): void;
  parents(nodes: number, count: number, out: number): void;
};

/** Bytes of a leaf or node. */
const NODE = 32;
/** Rows that go through SHA-256 side by side. */
const LANES = 4;

/** What a leaf's hash begins with, for rows of this type and length. */
export function leafHead(typeCode: number, length: number): Uint8Array {
  return concat([TAGS.row, word(typeCode), word(length)]);
}

/**
 * The fast writing of `rowLeaf` and of a tree's levels: WebAssembly with SIMD, for one thread. ts/commit/row.ts and
 * ts/commit/tree.ts are the specification that it is tested against.
 */
export class RowKernel {
  readonly #exports: Exports;
  readonly #memory: KernelMemory;

  constructor(module: WebAssembly.Module) {
    this.#exports = new WebAssembly.Instance(module, {}).exports as Exports;
    this.#memory = new KernelMemory(this.#exports);
  }

  /** Leaves of `count` rows of equal size that lie one after the other. @param head `leafHead` of their type. */
  leaves(head: Uint8Array, bytes: Uint8Array, count: number): Uint8Array {
    const rowBytes = bytes.length / count;
    const at = this.#memory.put("in", bytes);
    const scratch = this.#memory.room("scratch", LANES * CHUNK * chunkCount(rowBytes));
    const out = this.#memory.room("out", count * NODE);
    this.#exports.leaves(this.#memory.put("head", head), at, rowBytes, count, scratch, out);
    return this.#memory.take(out, count * NODE);
  }

  /** The levels of the tree over these leaves, as `Tree` has them. */
  levels(leaves: Uint8Array): Uint8Array[] {
    const levels = [leaves];
    const nodes = this.#memory.put("in", leaves);
    for (let count = leaves.length / NODE; count > 1; ) {
      this.#exports.parents(nodes, count, nodes);
      count = Math.ceil(count / 2);
      levels.push(this.#memory.take(nodes, count * NODE));
    }
    return levels;
  }
}
