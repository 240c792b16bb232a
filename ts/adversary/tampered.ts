import { concat } from "../commit/bytes.ts";
import { rowLeafOf, rowTree } from "../commit/row.ts";
import { parent, Tree } from "../commit/tree.ts";
import type { FineStep } from "../dispute/source.ts";
import { ELEMENT_CODE, type Row } from "../machine/types.ts";

/** What an executor claims instead of a row: its chunks, or only a leaf that hides nothing that could be shown. */
export type RowClaim = { readonly chunks: readonly Uint8Array[] } | { readonly leaf: Uint8Array };

/** A step as an executor claims it that keeps to no format: rows and trees are changed independently of each other. */
export function tampered(
  step: FineStep,
  claims: ReadonlyMap<number, RowClaim>,
  treeOf: (leaves: readonly Uint8Array[]) => Tree = Tree.of,
): FineStep {
  const trees = new Map<number, Tree>();
  const leaves = Array.from({ length: step.fine.count }, (_, row) => {
    const claim = claims.get(row);
    if (claim === undefined) return step.fine.node(0, row);
    if ("leaf" in claim) return claim.leaf;
    // A whole number of chunks: nothing is padded.
    const tree = rowTree(concat(claim.chunks));
    trees.set(row, tree);
    return rowLeafOf(ELEMENT_CODE[step.rows[row].type], step.rows[row].data.length, tree.top);
  });
  const chunk = (row: number, index: number) => {
    const claim = claims.get(row);
    return claim !== undefined && "chunks" in claim ? claim.chunks[index] : step.chunk(row, index);
  };
  return Object.create(step, {
    fine: { value: treeOf(leaves) },
    rowTree: { value: (row: number) => trees.get(row) ?? step.rowTree(row) },
    chunk: { value: chunk },
  }) as FineStep;
}

/** All chunks of a row, to be changed. */
export function chunksOf(step: FineStep, row: number): Uint8Array[] {
  return Array.from({ length: step.rowTree(row).count }, (_, i) => step.chunk(row, i).slice());
}

/** The leaf of a row with another type or length than it has. */
export function misshapenLeaf(step: FineStep, row: number, { type, length }: { type: Row["type"]; length: number }) {
  const tree = step.rowTree(row);
  return rowLeafOf(ELEMENT_CODE[type], length, tree.node(tree.depth, 0));
}

/** A tree whose nodes beyond the leaves are `garbage` instead of zero, from `level` on. Nobody can show it: no rule makes such a node. */
export function overgrownTree(leaves: readonly Uint8Array[], garbage: Uint8Array, level = 0): Tree {
  const levels = [concat(leaves)];
  for (let width = leaves.length; width > 1; width = Math.ceil(width / 2)) {
    const below = levels[levels.length - 1];
    const nodes: Uint8Array[] = [];
    for (let i = 0; i < width; i += 2) {
      const missing = levels.length > level ? garbage : undefined;
      const right = i + 1 < width ? below.subarray(i * 32 + 32, i * 32 + 64) : missing;
      nodes.push(parent(below.subarray(i * 32, i * 32 + 32), right));
    }
    levels.push(concat(nodes));
  }
  return Object.create(Tree.prototype, { levels: { value: levels }, count: { value: leaves.length } }) as Tree;
}
