// SPDX-License-Identifier: GPL-3.0-only
import type { Instruction } from "../machine/instruction.ts";
import type { Program } from "../machine/program.ts";
import type { StepContext } from "../machine/semantics.ts";
import { rowShape } from "../machine/shape.ts";
import { ELEMENT_BYTES } from "../machine/types.ts";
import { CircuitLimitError } from "./errors.ts";
import { segmentCount, statementOf } from "./statement.ts";
import { LEVELS, largestRow, MOST_ROWS, MOST_WEIGHT_ROWS, ROOM } from "./step-commitment.ts";

/** What a program asks of the circuits beyond what they take: an instruction, and why. */
export type Obstacle = { readonly instruction: number | undefined; readonly reason: string };

/**
 * At how many positions, from the first on, every element that can be drawn can be proven. Below `contextLength`, an answer that goes further
 * must not be given under rules with draws: an honest executor could not answer for it.
 */
export function provablePositions(program: Program): number {
  const { contextLength } = program;
  if (obstacleAt(program, contextLength - 1) === undefined) return contextLength;
  // Rows only grow with the position.
  let [provable, beyond] = [0, contextLength - 1];
  while (provable < beyond) {
    const t = Math.floor((provable + beyond) / 2);
    if (obstacleAt(program, t) === undefined) provable = t + 1;
    else beyond = t;
  }
  return provable;
}

/** The first thing that cannot be proven at position t; undefined if all elements can. */
export function obstacleAt({ instructions, weightRows }: Program, t: number): Obstacle | undefined {
  const of = (instruction: number | undefined, what: string, value: number, limit: number): Obstacle => ({
    instruction,
    reason: `${what}: ${value}, at most ${limit}`,
  });
  if (instructions.length > MOST_ROWS) return of(undefined, "instructions", instructions.length, MOST_ROWS);
  if (weightRows > MOST_WEIGHT_ROWS) return of(undefined, "weight rows", weightRows, MOST_WEIGHT_ROWS);
  for (const [at, instruction] of instructions.entries()) {
    const { type, length } = rowShape(instruction, t);
    const bytes = length * ELEMENT_BYTES[type];
    // Every row of the step is committed to, and those of role 1 are linked to the record.
    const most = largestRow(instruction.role === 1 ? ROOM.link.row : LEVELS);
    if (bytes > most) return of(at, "bytes of its row", bytes, most);
    const reason = unprovableElement(at, instruction, t, length);
    if (reason !== undefined) return { instruction: at, reason };
  }
  return undefined;
}

/** What is beyond the circuit in the statements about a row's elements. They differ by their places: the ends are the extremes. */
function unprovableElement(at: number, instruction: Instruction, t: number, length: number): string | undefined {
  for (const element of new Set([0, Math.min(1, length - 1), length >> 1, length - 1])) {
    const context = extremeContext(instruction, t);
    try {
      const count = segmentCount(instruction, context, element);
      for (const segment of new Set([0, count - 1])) {
        const statement = statementOf(at, instruction, context, element, segment);
        for (const [operand, levels] of Object.entries(ROOM[statement.circuit])) {
          const read = statement[operand as "out" | "a" | "b" | "c"];
          const [bytes, most] = [read.length * ELEMENT_BYTES[read.type], largestRow(levels)];
          if (bytes > most) return `bytes of row ${operand}: ${bytes}, at most ${most}`;
        }
      }
    } catch (error) {
      // A number that its field of a public word does not hold; the contract refuses it, too.
      if (!(error instanceof RangeError) && !(error instanceof CircuitLimitError)) throw error;
      return error.message;
    }
  }
  return undefined;
}

/** The step whose numbers are the largest. */
function extremeContext({ b }: Instruction, t: number): StepContext {
  const token = b.kind === "weights" ? Math.max(b.count - 1, 0) : 0;
  return { t, nIn: 1, token, temperature: 1, requestHash: `0x${"ff".repeat(32)}`, outputIndex: t };
}
