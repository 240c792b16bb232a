import type { Hex } from "../commit/bytes.ts";
import { saltOf, type TraceRecord, tokenTree, traceTree } from "../commit/record.ts";
import { chunkAt, rowLeafOf, rowTree } from "../commit/row.ts";
import { Tree } from "../commit/tree.ts";
import type { Engine, FineTrace, SequenceInput } from "../engine/types.ts";
import type { Instruction } from "../machine/instruction.ts";
import { cacheRowCount, type Program } from "../machine/program.ts";
import { ELEMENT_CODE, type Row, rowBytes } from "../machine/types.ts";
import type { Weights } from "../machine/weights.ts";
import type { FineStep } from "./source.ts";

/** A model as disputes need it: what it is made of, and the trees over that. */
export interface DisputedModel {
  readonly program: Program;
  readonly weights: Weights;
  readonly programTree: Tree;
  readonly weightsTree: Tree;
}

/** A whole answer as committed: the tokens, and the records under `traceRoot`. */
export interface CommittedAnswer {
  readonly input: SequenceInput;
  readonly outputs: readonly number[];
  readonly records: readonly TraceRecord[];
}

function leafOf(row: Row, byteRoot: Uint8Array): Uint8Array {
  return rowLeafOf(ELEMENT_CODE[row.type], row.data.length, byteRoot);
}

/**
 * One party's fine trace of one step, with every tree over it. It opens the party's own rows; records
 * and trace are the committed ones.
 */
export class StepTrace implements FineStep {
  readonly nIn: number;
  readonly token: number;
  readonly requestHash: Hex;
  readonly temperature: number;
  readonly rows: readonly Row[];
  readonly cache: FineTrace["cache"];
  readonly weights: Weights;
  /** Tree over the row leaves of the step, by instruction. */
  readonly fine: Tree;
  /** Tree over the row leaves of its cached rows, by slot; absent if the program has none. */
  readonly cacheTree: Tree | undefined;
  private readonly rowTrees: readonly Tree[];
  readonly trace: Tree;
  private readonly inputs: Tree;

  constructor(
    readonly model: DisputedModel,
    readonly answer: CommittedAnswer,
    readonly step: number,
    { rows, cache }: FineTrace,
  ) {
    const { input, records } = answer;
    this.nIn = input.prompt.length;
    this.token = step < this.nIn ? input.prompt[step] : records[step - 1].token;
    this.requestHash = input.requestHash;
    this.temperature = input.temperature;
    this.rows = rows;
    this.cache = cache;
    this.weights = model.weights;
    this.rowTrees = rows.map((row) => rowTree(rowBytes(row)));
    const leaves = rows.map((row, i) => leafOf(row, this.rowTrees[i].top));
    this.fine = Tree.of(leaves);
    const cached = leaves.filter((_, i) => model.program.instructions[i].role === 1);
    this.cacheTree = cached.length > 0 ? Tree.of(cached) : undefined;
    this.trace = traceTree(records);
    this.inputs = tokenTree(input.saltKey, "input", input.prompt);
  }

  /** Computes the fine trace of `step` with an engine. */
  static async build(model: DisputedModel, engine: Engine, answer: CommittedAnswer, step: number): Promise<StepTrace> {
    return new StepTrace(model, answer, step, await engine.fine(answer.input, answer.outputs, step));
  }

  /** Byte tree of row `row`. */
  rowTree(row: number): Tree {
    return this.rowTrees[row];
  }

  chunk(row: number, index: number): Uint8Array {
    return chunkAt(rowBytes(this.rows[row]), index);
  }

  programSiblings(row: number): Uint8Array[] {
    return this.model.programTree.siblings(row);
  }

  instruction(row: number): Instruction {
    return this.model.program.instructions[row];
  }
  fineSiblings(row: number): Uint8Array[] {
    return this.fine.siblings(row);
  }
  cacheSiblings(position: number, slot: number): Uint8Array[] {
    const slots = cacheRowCount(this.model.program);
    const rows = Array.from({ length: slots }, (_, s) => this.cache.row(s, position));
    return Tree.of(rows.map((row) => leafOf(row, rowTree(rowBytes(row)).top))).siblings(slot);
  }
  record(position: number): TraceRecord {
    return this.answer.records[position];
  }
  traceSiblings(position: number): Uint8Array[] {
    return this.trace.siblings(position);
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
