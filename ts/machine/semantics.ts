import type { Hex } from "../commit/bytes.ts";
import type { Instruction, Operand } from "./instruction.ts";
import type { InstructionName } from "./table.ts";
import type { Row } from "./types.ts";

/** What a step depends on besides weights and cached rows. */
export type StepContext = {
  /** Token position, from 0. */
  readonly t: number;
  /** Prompt tokens. */
  readonly nIn: number;
  /** Input token of the step, below 2^32. */
  readonly token: number;
  /** EIP-712 digest of the request: seeds `draw`. */
  readonly requestHash: Hex;
  /** Unsigned 16.16 fixed point; 0 is greedy. */
  readonly temperature: number;
  /** `max(t - (nIn - 1), 0)`. */
  readonly outputIndex: number;
};

/** Whole operand rows, for `run`. */
export interface RunInputs {
  /** The row of this step that the operand names. */
  row(operand: Operand): Row;
  /** The operand's weight rows, one after the other: `count * length` elements. */
  weights(operand: Operand): Row;
  /** Cached rows of positions 0..t, one after the other: `(t + 1) * length` elements. */
  cache(operand: Operand): Row;
}

/** Ranges of elements of opened rows, for `evaluate`: each call is one read of docs/machine.md, section 7. */
export interface Reader {
  row(operand: Operand, first: number, count: number): readonly bigint[];
  cache(operand: Operand, position: number, first: number, count: number): readonly bigint[];
  /** Elements of row `row` (0-based within the operand's range) of a weight range. */
  weights(operand: Operand, row: number, first: number, count: number): readonly bigint[];
  token(): bigint;
}

/** State of a fold between blocks: one integer, for `fold_pick` the pair (token, threshold). */
export type Accumulator = readonly bigint[];

/** A rule that an instruction breaks, in words; `undefined` if it breaks none. */
export type BrokenRule = string | undefined;

interface Semantics {
  readonly name: InstructionName;
  readonly opcode: number;
  /**
   * Checks what the instruction table cannot say: shapes, groups, bounds and parameter ranges, for positions below
   * `contextLength`.
   */
  validate(instruction: Instruction, contextLength: number): BrokenRule;
  /** Makes the whole row. Exact for every bit pattern of the operands. */
  run(instruction: Instruction, context: StepContext, inputs: RunInputs): Row;
}

/** `out[e] = f(entries of the operands)`. */
export interface MapSemantics extends Semantics {
  readonly kind: "map";
  /** Element `element`, from reads in the order of docs/machine.md, section 7. */
  evaluate(instruction: Instruction, context: StepContext, element: number, reader: Reader): bigint;
}

/** `out[e] = finish(fold(initial, blocks))`. */
export interface FoldSemantics extends Semantics {
  readonly kind: "fold";
  /** Blocks behind one element at position t. */
  blocks(instruction: Instruction, t: number): number;
  /**
   * Accumulator after block `block` of element `element`; `accumulator` is the one before, `undefined` for block 0,
   * which reads the initial value itself.
   */
  evaluate(
    instruction: Instruction,
    context: StepContext,
    element: number,
    block: number,
    accumulator: Accumulator | undefined,
    reader: Reader,
  ): Accumulator;
  /** Element that a finished accumulator gives at position t. */
  finish(instruction: Instruction, t: number, element: number, accumulator: Accumulator): bigint;
}

export type InstructionSemantics = MapSemantics | FoldSemantics;
