import { keccak_256 } from "@noble/hashes/sha3.js";
import { hashWords } from "./bytes.ts";

/** Nodes at `level` of a tree with `n` leaves. */
export function width(n: number, level: number): number {
  return Math.ceil(n / 2 ** level);
}

/** Levels above the leaves: `ceil(log2 n)`. */
export function depth(n: number): number {
  let d = 0;
  while (width(n, d) > 1) d++;
  return d;
}

const pair = new Uint8Array(64);

/** `keccak256(left ‖ right)`; a missing right node is the zero node. */
export function parent(left: Uint8Array, right?: Uint8Array): Uint8Array {
  pair.set(left, 0);
  if (right === undefined) pair.fill(0, 32);
  else pair.set(right, 32);
  return keccak_256(pair);
}

/**
 * The one binary tree of the protocol (docs/protocol.md, section 1): leaves of 32 bytes, nodes beyond a level's width are
 * zero and not stored. All levels are kept: 64 bytes per leaf.
 */
export class Tree {
  /** Flat levels, level 0 first; level L holds `width(count, L)` nodes of 32 bytes. */
  readonly levels: readonly Uint8Array[];
  readonly count: number;

  /**
   * @param leaves Flat leaves, 32 bytes each; at least one.
   * @param known All levels, if something faster has computed them.
   */
  constructor(leaves: Uint8Array, known?: readonly Uint8Array[]) {
    this.count = leaves.length / 32;
    if (known !== undefined) {
      this.levels = known;
      return;
    }
    const levels = [leaves];
    for (let w = this.count; w > 1; w = Math.ceil(w / 2)) {
      const below = levels[levels.length - 1]!;
      const next = new Uint8Array(Math.ceil(w / 2) * 32);
      for (let i = 0; i < w; i += 2) {
        const right = i + 1 < w ? below.subarray(i * 32 + 32, i * 32 + 64) : undefined;
        next.set(parent(below.subarray(i * 32, i * 32 + 32), right), i * 16);
      }
      levels.push(next);
    }
    this.levels = levels;
  }

  /** A tree over separate leaves. */
  static of(leaves: readonly Uint8Array[]): Tree {
    const flat = new Uint8Array(leaves.length * 32);
    leaves.forEach((leaf, i) => {
      flat.set(leaf, i * 32);
    });
    return new Tree(flat);
  }

  /** Levels above the leaves. */
  get depth(): number {
    return this.levels.length - 1;
  }

  /** The single node of the highest level. */
  get top(): Uint8Array {
    return this.node(this.depth, 0);
  }

  /** `H(tag, count, top)`. */
  root(tag: Uint8Array): Uint8Array {
    return hashWords(tag, this.count, this.top);
  }

  /** The existing node (`level`, `index`). */
  node(level: number, index: number): Uint8Array {
    return this.levels[level]!.subarray(index * 32, index * 32 + 32);
  }

  /** The existing descendants of a node, `levels` below it, in order: what a reveal shows. */
  descendants(level: number, index: number, levels: number): Uint8Array[] {
    const below = level - levels;
    const first = index * 2 ** levels;
    const last = Math.min(first + 2 ** levels, width(this.count, below));
    const out: Uint8Array[] = [];
    for (let i = first; i < last; i++) out.push(this.node(below, i));
    return out;
  }

  /** Siblings from the node (`level`, `index`) up to its ancestor at `toLevel` (default: the top). */
  siblings(index: number, level = 0, toLevel = this.depth): Uint8Array[] {
    return this.range(index, index, level, toLevel);
  }

  /** Siblings of the range opening of nodes `lo..hi` (inclusive) at `level`. */
  range(lo: number, hi: number, level = 0, toLevel = this.depth): Uint8Array[] {
    const out: Uint8Array[] = [];
    let [l, h] = [lo, hi];
    for (let at = level; at < toLevel; at++) {
      if (l % 2 === 1) out.push(this.node(at, l - 1));
      if (h % 2 === 0 && h + 1 < width(this.count, at)) out.push(this.node(at, h + 1));
      l = Math.floor(l / 2);
      h = Math.floor(h / 2);
    }
    return out;
  }
}
