// SPDX-License-Identifier: GPL-3.0-only
import { POSEIDON_KIND, PoseidonTree, poseidonRow } from "../../commit/poseidon.ts";
import { committedRow } from "../../model/weights-file.ts";
import type { ProverStep, WeightsOpener } from "../inputs.ts";
import { RowOpener, StepCommitment } from "../step-commitment.ts";
import type { ElementCase } from "./cases.ts";

/** A case's rows as an executor commits to them when the step is drawn. */
export function proverOf({ subject, rows }: ElementCase, salt: bigint): ProverStep {
  const { weights, context, cache } = subject;
  const tree = new PoseidonTree(
    weights.count === 0 ? [0n] : Array.from({ length: weights.count }, (_, i) => poseidonRow(committedRow(weights, i))),
  );
  const opener: WeightsOpener = {
    root: tree.root(POSEIDON_KIND.weights),
    count: tree.count,
    row: (index) => new RowOpener(weights.row(index)),
    siblings: (index) => tree.siblings(index),
  };
  return {
    step: new StepCommitment(rows, salt),
    weights: opener,
    context,
    cached: (slot, position) => cache.row(slot, position),
  };
}
