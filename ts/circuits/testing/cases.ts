// SPDX-License-Identifier: GPL-3.0-only
import type { Prng } from "../../compiler/prng.ts";
import { evaluateElement, memoryReader } from "../../machine/evaluate.ts";
import { SEMANTICS } from "../../machine/registry.ts";
import { rowShape } from "../../machine/shape.ts";
import type { InstructionName } from "../../machine/table.ts";
import { type Case, caseInputs } from "../../machine/testing/cases.ts";
import { randomCase } from "../../machine/testing/random-case.ts";
import type { Row } from "../../machine/types.ts";

/** A random instruction, the row that it makes, one element of it, and what the reference says that is. */
export type ElementCase = {
  readonly subject: Case;
  /** Rows of the step: the operands', and at `at` the instruction's own. */
  readonly rows: readonly Row[];
  readonly at: number;
  readonly element: number;
  readonly expected: bigint;
};

/** Rows of cases name their operands' instructions; the instruction stands behind them. */
export function elementCase(name: InstructionName, random: Prng): ElementCase {
  const subject = randomCase(name, random);
  const { instruction, context } = subject;
  const element = random.int(0, rowShape(instruction, context.t).length - 1);
  const reader = memoryReader({ ...subject, token: context.token });
  const expected = evaluateElement(instruction, context, element, reader);
  const made = SEMANTICS[name].run(instruction, context, caseInputs(subject));
  return { subject, rows: [...subject.rows, made], at: subject.rows.length, element, expected };
}
