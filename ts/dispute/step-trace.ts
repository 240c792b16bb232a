import type { Hex } from "../commit/bytes.ts";
import type { Tree } from "../commit/tree.ts";
import { Tree as BinaryTree } from "../commit/tree.ts";
import { saltOf, type TraceRecord, tokenTree, traceTree } from "../commit/record.ts";
import { rowLeafOf, rowTree } from "../commit/row.ts";
import type { Engine, SequenceInput } from "../engine/types.ts";
import type { Instruction } from "../machine/instruction.ts";
import type { Program } from "../machine/program.ts";
import { ELEMENT_CODE, type Row, rowBytes } from "../machine/types.ts";
import type { StepSource } from "./source.ts";

/** A model as disputes need it: what it is made of, and the trees over that. */
export interface DisputedModel {
  readonly program: Program;
  readonly programTree: Tree;
  readonly weightsTree: Tree;
  weightRow(index: number): Row;
}

/** A whole answer as committed: the tokens, and the records under `traceRoot`. */
export interface CommittedAnswer {
  readonly input: SequenceInput;
  readonly outputs: readonly number[];
  readonly records: readonly TraceRecord[];
}

/** Row leaf of a row. */
function leafOf(row: Row, tree: Tree): Uint8Array {
  return rowLeafOf(ELEMENT_CODE[row.type], row.data.length, tree.top);
}

/**
 * One party's fine trace of one step, with every tree over it. As a `StepSource` it opens the party's own rows; records
 * and trace are the committed ones.
 */
export class StepTrace implements StepSource {
  readonly nIn: number;
  readonly prompt: readonly number[];
  readonly requestHash: Hex;
  readonly temperature: number;
  /** Tree over the row leaves of the step, by instruction. */
  readonly fine: Tree;
  /** Tree over the row leaves of its cached rows, by slot; absent if the program has none. */
  readonly cacheTree: Tree | undefined;
  private readonly rowTrees: Tree[];
  private readonly trace: Tree;
  private readonly inputs: Tree;

  constructor(
    readonly model: DisputedModel,
    readonly answer: CommittedAnswer,
    readonly step: number,
    readonly rows: readonly Row[],
    private readonly cachedRows: readonly (readonly Row[])[],
  ) {
    const { input, records } = answer;
    this.nIn = input.prompt.length;
    this.prompt = input.prompt;
    this.requestHash = input.requestHash;
    this.temperature = input.temperature;
    this.rowTrees = rows.map((row) => rowTree(rowBytes(row)));
    const leaves = rows.map((row, i) => leafOf(row, this.rowTrees[i]));
    this.fine = BinaryTree.of(leaves);
    const cachedLeaves = leaves.filter((_, i) => model.program.instructions[i].role === 1);
    this.cacheTree = cachedLeaves.length > 0 ? BinaryTree.of(cachedLeaves) : undefined;
    this.trace = traceTree(records);
    this.inputs = tokenTree(input.saltKey, "input", input.prompt);
  }

  /** Computes the fine trace of `step` with an engine. */
  static async build(model: DisputedModel, engine: Engine, answer: CommittedAnswer, step: number): Promise<StepTrace> {
    const rows = await engine.rows(answer.input, answer.outputs, step);
    const cached = await engine.cached(answer.input, answer.outputs, step);
    return new StepTrace(model, answer, step, rows, cached);
  }

  /** Byte tree of row `row`. */
  rowTree(row: number): Tree {
    return this.rowTrees[row];
  }

  instruction(row: number): Instruction {
    return this.model.program.instructions[row];
  }
  row(row: number): Row {
    return this.rows[row];
  }
  fineSiblings(row: number): Uint8Array[] {
    return this.fine.siblings(row);
  }
  cached(position: number, slot: number): Row {
    return this.cachedRows[position][slot];
  }
  cacheSiblings(position: number, slot: number): Uint8Array[] {
    const leaves = this.cachedRows[position].map((row) => leafOf(row, rowTree(rowBytes(row))));
    return BinaryTree.of(leaves).siblings(slot);
  }
  record(position: number): TraceRecord {
    return this.answer.records[position];
  }
  traceSiblings(position: number): Uint8Array[] {
    return this.trace.siblings(position);
  }
  weightRow(index: number): Row {
    return this.model.weightRow(index);
  }
  weightSiblings(index: number): Uint8Array[] {
    return this.model.weightsTree.siblings(index);
  }
  inputSalt(index: number): Uint8Array {
    return saltOf(this.answer.input.saltKey, "input", index);
  }
  inputSiblings(index: number): Uint8Array[] {
    return this.inputs.siblings(index);
  }
}
