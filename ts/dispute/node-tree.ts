/** A tree as games look at it, node by node: ts/commit/tree.ts keeps all nodes, others compute those that are asked for. */
export interface NodeTree {
  /** Leaves. */
  readonly count: number;
  /** Levels above the leaves. */
  readonly depth: number;
  /** The existing node (`level`, `index`). */
  node(level: number, index: number): Uint8Array;
  /** The existing descendants of a node, `levels` below it, in order. */
  descendants(level: number, index: number, levels: number): Uint8Array[];
  /** Siblings from the node (`level`, `index`) up to its ancestor at `toLevel` (default: the top). */
  siblings(index: number, level?: number, toLevel?: number): Uint8Array[];
}
