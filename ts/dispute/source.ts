import type { Hex } from "../commit/bytes.ts";
import type { TraceRecord } from "../commit/record.ts";
import type { ReaderSource } from "../machine/evaluate.ts";
import type { Instruction } from "../machine/instruction.ts";
import type { NodeTree } from "./node-tree.ts";

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

/** One party's rows of one step with the trees over them: what both sides of a game play from. */
export interface FineStep extends StepSource {
  /** Tree over the row leaves of the step, by instruction. */
  readonly fine: NodeTree;
  /** Tree over the row leaves of its cached rows, by slot; absent if the program has none. */
  readonly cacheTree: NodeTree | undefined;
  /** Tree over the answer's records as committed, as far as they are known. */
  readonly trace: NodeTree;
  /** Byte tree of row `row`. */
  rowTree(row: number): NodeTree;
  /** Chunk `index` of row `row`, zero-padded. */
  chunk(row: number, index: number): Uint8Array;
  /** Siblings of instruction `row` in the program tree. */
  programSiblings(row: number): Uint8Array[];
}
