// SPDX-License-Identifier: GPL-3.0-only
import { PoseidonTree, poseidonRow } from "../../commit/poseidon.ts";
import { committedRow } from "../../model/weights-file.ts";
import type { ProverStep } from "../inputs.ts";
import { StepCommitment } from "../step-commitment.ts";
import { weightsOpener } from "../weights-opener.ts";
import type { ElementCase } from "./cases.ts";

/** A case's rows as an executor commits to them when the step is drawn. */
export function proverOf({ subject, rows }: ElementCase, salt: bigint): ProverStep {
  const { weights, context, cache } = subject;
  const tree = new PoseidonTree(
    weights.count === 0 ? [0n] : Array.from({ length: weights.count }, (_, i) => poseidonRow(committedRow(weights, i))),
  );
  return {
    step: new StepCommitment(rows, salt),
    weights: weightsOpener(weights, tree),
    context,
    cached: (slot, position) => cache.row(slot, position),
  };
}
