import { keccak_256 } from "@noble/hashes/sha3.js";
import { concat, hashWords, word } from "../commit/bytes.ts";
import { depth, parent, width } from "../commit/tree.ts";
import type { NodeTree } from "../dispute/node-tree.ts";
import { levelsBelowChosen, levelsBelowTop } from "../dispute/view.ts";

/**
 * A tree of which only some leaves are known; all others, and nodes above none of them, are pseudo-random. What a game opens looks the
 * same as in a whole tree, at any size.
 */
export class SparseTree implements NodeTree {
  readonly depth: number;
  readonly #known: ReadonlyMap<number, Uint8Array>;
  readonly #seed: Uint8Array;
  /** Indices above known leaves, by level. */
  readonly #above: readonly ReadonlySet<number>[];
  readonly #nodes = new Map<string, Uint8Array>();
  /** Levels of which a walk shows nodes: those may be anything, and the nodes between must follow from them. */
  readonly #shown: ReadonlySet<number>;

  constructor(
    readonly count: number,
    seed: string,
    known: ReadonlyMap<number, Uint8Array>,
  ) {
    this.depth = depth(count);
    this.#known = known;
    this.#seed = keccak_256(new TextEncoder().encode(seed));
    this.#shown = shownLevels(this.depth);
    this.#above = Array.from(
      { length: this.depth + 1 },
      (_, level) => new Set([...known.keys()].map((leaf) => Math.floor(leaf / 2 ** level))),
    );
  }

  /** The same tree with other leaves in some of the known places. */
  with(leaves: ReadonlyMap<number, Uint8Array>): SparseTree {
    const tree = new SparseTree(this.count, "", new Map([...this.#known, ...leaves]));
    tree.#seed.set(this.#seed);
    return tree;
  }

  node(level: number, index: number): Uint8Array {
    const key = `${level}:${index}`;
    const made = this.#nodes.get(key) ?? this.#make(level, index);
    this.#nodes.set(key, made);
    return made;
  }

  get top(): Uint8Array {
    return this.node(this.depth, 0);
  }

  root(tag: Uint8Array): Uint8Array {
    return hashWords(tag, this.count, this.top);
  }

  descendants(level: number, index: number, levels: number): Uint8Array[] {
    const first = index * 2 ** levels;
    const count = Math.min(2 ** levels, width(this.count, level - levels) - first);
    return Array.from({ length: count }, (_, i) => this.node(level - levels, first + i));
  }

  siblings(index: number, level = 0, toLevel = this.depth): Uint8Array[] {
    const out: Uint8Array[] = [];
    for (let [at, i] = [level, index]; at < toLevel; at++, i = Math.floor(i / 2)) {
      const sibling = i % 2 === 1 ? i - 1 : i + 1;
      if (sibling < width(this.count, at)) out.push(this.node(at, sibling));
    }
    return out;
  }

  #make(level: number, index: number): Uint8Array {
    const above = this.#above[level].has(index);
    if (above && level === 0) return this.#known.get(index)!;
    if (!above && this.#shown.has(level)) return keccak_256(concat([this.#seed, word(level), word(index)]));
    const right = 2 * index + 1 < width(this.count, level - 1) ? this.node(level - 1, 2 * index + 1) : undefined;
    return parent(this.node(level - 1, 2 * index), right);
  }
}

/** From the top down, as a challenger walks that does not jump. */
function shownLevels(depth: number): Set<number> {
  const shown = new Set([0, depth - levelsBelowTop(depth)]);
  for (let level = depth - levelsBelowTop(depth); level > 0; level -= levelsBelowChosen(level))
    shown.add(level - levelsBelowChosen(level));
  return shown;
}
