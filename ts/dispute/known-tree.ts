import { equal, fromHex } from "../commit/bytes.ts";
import { parent, type Tree, width } from "../commit/tree.ts";
import type { GameReveal, GameTree } from "./view.ts";

/**
 * The asserter's tree as the challenger knows it: the nodes that reveals have shown, and the challenger's own tree
 * elsewhere. Siblings taken from it are right wherever both trees agree outside of what was revealed, which holds for
 * every row before the first difference.
 */
export class KnownTree {
  private readonly shown = new Map<string, Uint8Array>();
  private readonly own: Tree;

  constructor(own: Tree, tree: GameTree, reveals: readonly GameReveal[]) {
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
export function firstDifference(reveal: GameReveal, own: Tree): number | undefined {
  const level = reveal.level - reveal.levels;
  const first = reveal.index * 2 ** reveal.levels;
  const at = reveal.nodes.findIndex((node, i) => !equal(fromHex(node), own.node(level, first + i)));
  return at === -1 ? undefined : first + at;
}
