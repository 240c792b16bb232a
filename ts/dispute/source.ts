import type { Hex } from "../commit/bytes.ts";
import type { TraceRecord } from "../commit/record.ts";
import type { Instruction } from "../machine/instruction.ts";
import type { Row } from "../machine/types.ts";

/**
 * Everything that one step's values depend on, with its openings. Openings lead to the asserter's committed roots, so
 * `fineSiblings` are the asserter's, while rows are those that both sides agree on.
 */
export interface StepSource {
  /** The step t, and the number of prompt tokens. */
  readonly step: number;
  readonly nIn: number;
  readonly prompt: readonly number[];
  readonly requestHash: Hex;
  /** 16.16 fixed point as the machine sees it. */
  readonly temperature: number;
  /** Instruction that makes row `row`. */
  instruction(row: number): Instruction;
  /** Row `row` of the step, and its siblings in the fine tree. */
  row(row: number): Row;
  fineSiblings(row: number): Uint8Array[];
  /** Cached row `slot` of an earlier step, and its siblings in that step's cache tree. */
  cached(position: number, slot: number): Row;
  cacheSiblings(position: number, slot: number): Uint8Array[];
  /** Record of an earlier step as committed, and its siblings in the trace. */
  record(position: number): TraceRecord;
  traceSiblings(position: number): Uint8Array[];
  /** Weight row `index`, and its siblings in the weights tree. */
  weightRow(index: number): Row;
  weightSiblings(index: number): Uint8Array[];
  /** Salt and siblings of a prompt token in the input tree. */
  inputSalt(index: number): Uint8Array;
  inputSiblings(index: number): Uint8Array[];
}
