import type { Hex } from "../commit/bytes.ts";
import type { TraceRecord } from "../commit/record.ts";
import type { ReaderSource } from "../machine/evaluate.ts";
import type { Instruction } from "../machine/instruction.ts";

/**
 * Everything that one step's values depend on (`ReaderSource`), with its openings. Openings lead to the asserter's committed
 * roots, so `fineSiblings` are the asserter's, while rows are those that both sides agree on.
 */
export interface StepSource extends ReaderSource {
  /** The step t, and the number of prompt tokens. */
  readonly step: number;
  readonly nIn: number;
  readonly requestHash: Hex;
  /** 16.16 fixed point as the machine sees it. */
  readonly temperature: number;
  /** Instruction that makes row `row`. */
  instruction(row: number): Instruction;
  /** Siblings of row `row` in the fine tree. */
  fineSiblings(row: number): Uint8Array[];
  /** Siblings of cached row `slot` of an earlier step in that step's cache tree. */
  cacheSiblings(position: number, slot: number): Uint8Array[];
  /** Record of an earlier step as committed, and its siblings in the trace. */
  record(position: number): TraceRecord;
  traceSiblings(position: number): Uint8Array[];
  /** Siblings of weight row `index` in the weights tree. */
  weightSiblings(index: number): Uint8Array[];
  /** Salt and siblings of a prompt token in the input tree. */
  inputSalt(index: number): Uint8Array;
  inputSiblings(index: number): Uint8Array[];
}
