import { hashWords } from "./bytes.ts";
import { parent } from "./tree.ts";

/**
 * A tree that grows at its right end and keeps only the left nodes that still wait for their sibling: memory and the cost of a root are
 * logarithmic. Same roots as `Tree`.
 */
export class TreeFrontier {
  /** At level L: the complete subtree of `2^L` leaves that waits for its right sibling, if bit L of `count` is set. */
  readonly #waiting: (Uint8Array | undefined)[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Appends a leaf of 32 bytes. */
  push(leaf: Uint8Array): void {
    let [node, level] = [leaf, 0];
    for (; this.#waiting[level] !== undefined; level++) {
      node = parent(this.#waiting[level]!, node);
      this.#waiting[level] = undefined;
    }
    this.#waiting[level] = node;
    this.#count++;
  }

  /** `H(tag, count, top)`; at least one leaf is there. */
  root(tag: Uint8Array): Uint8Array {
    let node: Uint8Array | undefined;
    this.#waiting.forEach((left, level) => {
      const last = level === this.#waiting.length - 1;
      if (node === undefined) node = left === undefined || last ? left : parent(left);
      else if (left !== undefined) node = parent(left, node);
      else if (!last) node = parent(node);
    });
    return hashWords(tag, this.#count, node!);
  }
}
