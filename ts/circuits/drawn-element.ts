// SPDX-License-Identifier: GPL-3.0-only
import type { Hex } from "../commit/bytes.ts";
import type { Instruction } from "../machine/instruction.ts";
import { rowShape } from "../machine/shape.ts";
import { blockOf, elementOf, instructionOf } from "../spotcheck/draws.ts";
import { BlocksNotDrawnError } from "./errors.ts";
import { type ClaimedStep, segmentCount, statementOf } from "./statement.ts";

/** Most claims of a fold that is proven whole: `WHOLE` of `src/spotcheck/ElementVerifier.sol`. */
export const WHOLE = 9;

/** A pair of a drawn step as the contract has it; of a long fold also what came after. */
export type DrawnPair = {
  readonly pair: number;
  /** Of the second draw's round. */
  readonly value: Hex;
  /** Root over the states of a long fold, once it is posted. */
  readonly statesRoot?: Hex | undefined;
  /** Of the third draw's round. */
  readonly blockValue?: Hex | undefined;
};

/** Which element a pair is about. */
export type DrawnElement = {
  /** Number of the instruction. */
  readonly at: number;
  readonly instruction: Instruction;
  readonly element: number;
  /** Segments behind the element. */
  readonly segments: number;
  /** Only drawn segments are proven, once the states between them have been posted. */
  readonly long: boolean;
};

/** Elements that are drawn from: of the token row only the token is committed elsewhere, and nothing reads the row. */
export function drawableElements(instruction: Instruction, t: number): number {
  return instruction.role === 2 ? 1 : rowShape(instruction, t).length;
}

/** What must be proven of an element of the row that instruction number `at` makes. */
export function elementAt(at: number, instruction: Instruction, context: ClaimedStep, element: number): DrawnElement {
  const segments = segmentCount(instruction, context, element);
  const { circuit } = statementOf(at, instruction, context, element);
  const claims = circuit === "attention" ? 2 * segments : segments;
  return { at, instruction, element, segments, long: claims > WHOLE };
}

/** The element that a pair draws: `src/spotcheck/ElementVerifier.sol` does the same. */
export function drawnElement(
  instructions: readonly Instruction[],
  receiptHash: Hex,
  context: ClaimedStep,
  { pair, value }: DrawnPair,
): DrawnElement {
  const at = instructionOf(value, receiptHash, pair, instructions.length);
  const instruction = instructions[at];
  const element = elementOf(value, receiptHash, pair, drawableElements(instruction, context.t));
  return elementAt(at, instruction, context, element);
}

/**
 * Segments that must be proven, in the contract's order; a segment may be drawn twice.
 * @param blocks `BLOCKS` of the verifier.
 * @throws BlocksNotDrawnError if that is not known yet.
 */
export function provenSegments(
  { segments, long }: DrawnElement,
  receiptHash: Hex,
  { pair, statesRoot, blockValue }: DrawnPair,
  blocks: number,
): number[] {
  if (!long) return Array.from({ length: segments }, (_, i) => i);
  if (statesRoot === undefined || blockValue === undefined) throw new BlocksNotDrawnError(pair);
  return Array.from({ length: blocks }, (_, number) => blockOf(blockValue, receiptHash, pair, number, segments));
}
