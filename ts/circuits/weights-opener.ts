// SPDX-License-Identifier: GPL-3.0-only
import type { DigestTree } from "../commit/digest-tree.ts";
import { POSEIDON_KIND, type PoseidonTree } from "../commit/poseidon.ts";
import type { Weights } from "../machine/weights.ts";
import type { WeightsOpener } from "./inputs.ts";
import { RowOpener } from "./step-commitment.ts";

/** Opens a model's weight rows under `weightsRootP`, the root of the tree over their digests (of large models `DigestTree`). */
export function weightsOpener(weights: Weights, tree: PoseidonTree | DigestTree): WeightsOpener {
  return {
    root: tree.root(POSEIDON_KIND.weights),
    count: tree.count,
    row: (index) => new RowOpener(weights.row(index)),
    siblings: (index) => tree.siblings(index),
  };
}
