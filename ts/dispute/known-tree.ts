import { equal, fromHex } from "../commit/bytes.ts";
import { parent, width } from "../commit/tree.ts";
import type { NodeTree } from "./node-tree.ts";
import type { GameReveal, GameTree } from "./view.ts";

/**
 * The asserter's tree as the challenger knows it: the nodes that reveals have shown, and the challenger's own tree
 * elsewhere. Siblings taken from it are right wherever both trees agree outside of what was revealed, which holds for
 * every leaf before the first difference.
 */
export class KnownTree {
  private readonly shown = new Map<string, Uint8Array>();
  private readonly own: NodeTree;

  constructor(own: NodeTree, tree: GameTree, reveals: readonly GameReveal[]) {
    this.own = own;
    for (const reveal of reveals) if (reveal.tree === tree) this.add(reveal);
  }

  /** The asserter's node at (`level`, `index`). */
  node(level: number, index: number): Uint8Array {
    return this.shown.get(`${level}:${index}`) ?? this.own.node(level, index);
  }

  /** Siblings of a single leaf up to its ancestor at `toLevel` (default: the top), as `Tree.siblings`. */
  siblings(index: number, toLevel = this.own.depth): Uint8Array[] {
    const out: Uint8Array[] = [];
    for (let level = 0, i = index; level < toLevel; level++, i = Math.floor(i / 2)) {
      if (i % 2 === 1) out.push(this.node(level, i - 1));
      else if (i + 1 < width(this.own.count, level)) out.push(this.node(level, i + 1));
    }
    return out;
  }

  private add(reveal: GameReveal): void {
    let nodes = reveal.nodes.map(fromHex);
    let first = reveal.index * 2 ** reveal.levels;
    for (let level = reveal.level - reveal.levels; level <= reveal.level; level++) {
      nodes.forEach((node, i) => {
        this.shown.set(`${level}:${first + i}`, node);
      });
      nodes = nodes.flatMap((node, i) => (i % 2 === 0 ? [parent(node, nodes[i + 1])] : []));
      first = Math.floor(first / 2);
    }
  }
}

/** Index (at the revealed level) of the first revealed node that differs from `own`; `undefined` if none does. */
export function firstDifference(reveal: GameReveal, own: NodeTree): number | undefined {
  const level = reveal.level - reveal.levels;
  const first = reveal.index * 2 ** reveal.levels;
  const at = reveal.nodes.findIndex((node, i) => !equal(fromHex(node), own.node(level, first + i)));
  return at === -1 ? undefined : first + at;
}

/** The first leaf below (`level`, `index`) in which two trees of one shape differ; `undefined` if the nodes are equal. */
export function firstDifferentLeaf(a: NodeTree, b: NodeTree, level = a.depth, index = 0): number | undefined {
  if (equal(a.node(level, index), b.node(level, index))) return undefined;
  let at = index;
  for (let below = level - 1; below >= 0; below--) {
    at *= 2;
    // Equal left nodes: the difference is on the right, unless a parent is not made of its children.
    if (equal(a.node(below, at), b.node(below, at))) at++;
    if (at >= width(a.count, below)) return undefined;
  }
  return at;
}

/** Whether a tree has the nodes that a reveal shows. */
export function holds(tree: NodeTree, { level, index, levels, nodes }: GameReveal): boolean {
  if (level > tree.depth) return false;
  const own = tree.descendants(level, index, levels);
  return own.length === nodes.length && own.every((node, i) => equal(node, fromHex(nodes[i])));
}
