import { type Hex, hashWords, toHex } from "../commit/bytes.ts";
import { programTree } from "../commit/model-trees.ts";
import { recordLeaf, saltOf, type TraceRecord, tokenLeaf } from "../commit/record.ts";
import { chunkAt, rowLeafOf, rowTree } from "../commit/row.ts";
import { TAGS } from "../commit/tags.ts";
import type { Tree } from "../commit/tree.ts";
import type { FineStep } from "../dispute/source.ts";
import { blockWitness } from "../dispute/witness.ts";
import { encodeInstruction, type Instruction } from "../machine/instruction.ts";
import { cacheRowCount, type Program } from "../machine/program.ts";
import { rowShape } from "../machine/shape.ts";
import { ELEMENT_CODE, type Row, rowBytes } from "../machine/types.ts";
import type { WeightSection, Weights } from "../machine/weights.ts";
import { RandomRows } from "./random-rows.ts";
import { SparseTree } from "./sparse-tree.ts";

/** The shape of a model and of an answer by it. */
export interface Shape {
  readonly program: Program;
  readonly sections: readonly WeightSection[];
  readonly nIn: number;
  readonly steps: number;
  readonly vocabSize: number;
}

/** Where a lie is planted. */
export interface Planted {
  readonly row: number;
  readonly element: number;
  /** Block of the fold that the judge computes. */
  readonly block: number;
}

/** Which rows outside the step its judgement opens. */
interface Touched {
  readonly rows: Set<number>;
  readonly weights: Set<number>;
  /** Slots by position. */
  readonly cache: Map<number, Set<number>>;
}

const KEY = hashWords(TAGS.saltKey, 1);

/**
 * One step of an answer of any size, as far as some judgements look: rows are pseudo-random, so that no row follows from others, and any
 * row that claims anything but what the judge computes of its operands is a lie.
 */
export class SparseAnswer {
  readonly weights: Weights;
  readonly weightsTree: SparseTree;
  readonly trace: SparseTree;
  readonly inputs: SparseTree;
  readonly step: number;
  /** The step with all planted rows honest. */
  readonly honest: FineStep;
  readonly record: TraceRecord;
  readonly #shape: Shape;
  readonly #random = new RandomRows();
  readonly #program: Tree;
  readonly #fine: SparseTree;
  readonly #trees = new Map<Row, Tree>();
  readonly #caches = new Map<number, SparseTree>();

  constructor(shape: Shape, planted: readonly Planted[], requestHash: Hex) {
    this.#shape = shape;
    this.step = shape.steps - 1;
    this.#program = programTree(shape.program.instructions.map(encodeInstruction));
    this.weights = { count: shape.program.weightRows, row: (index) => this.#weight(index), range: unused };
    const touched = this.#touch(planted, requestHash);
    this.weightsTree = new SparseTree(
      shape.program.weightRows,
      "weights",
      new Map([...touched.weights].map((index) => [index, this.#leaf(this.weights.row(index))])),
    );
    for (const [position, slots] of touched.cache)
      this.#caches.set(
        position,
        new SparseTree(
          cacheRowCount(shape.program),
          `cache ${position}`,
          new Map([...slots].map((slot) => [slot, this.#leaf(this.#cached(slot, position))])),
        ),
      );
    this.record = this.#record(this.step);
    const positions = [...touched.cache.keys(), this.step - 1, this.step].filter((p) => p >= 0);
    this.trace = new SparseTree(
      shape.steps,
      "trace",
      new Map(positions.map((position) => [position, recordLeaf(this.#record(position))])),
    );
    this.inputs = new SparseTree(shape.nIn, "input", new Map([[0, tokenLeaf(saltOf(KEY, "input", 0), this.#token)]]));
    for (const { row } of planted) touched.rows.add(row);
    const leaves = [...touched.rows].map((row) => [row, this.#leaf(this.#row(row))] as const);
    this.#fine = new SparseTree(shape.program.instructions.length, "fine", new Map(leaves));
    this.honest = this.#stepOf(requestHash, this.#fine, (row) => this.#row(row));
  }

  /** The step as an executor claims it that has another value in one element. */
  lie({ row, element }: Planted, requestHash: Hex): FineStep {
    const honest = this.#row(row);
    const claimed = { type: honest.type, data: honest.data.slice() } as Row;
    if (claimed.type === "i64") claimed.data[element] ^= 1n;
    else claimed.data[element] ^= 1;
    const fine = this.#fine.with(new Map([[row, this.#leaf(claimed)]]));
    return this.#stepOf(requestHash, fine, (i) => (i === row ? claimed : this.#row(i)));
  }

  instruction(row: number): Instruction {
    return this.#shape.program.instructions[row];
  }

  /** What the judgements open, found by making their witnesses over trees that hold nothing. */
  #touch(planted: readonly Planted[], requestHash: Hex): Touched {
    const touched: Touched = { rows: new Set(), weights: new Set(), cache: new Map() };
    const nothing = () => [];
    const probe = Object.assign(
      this.#stepOf(requestHash, undefined as never, (row) => this.#row(row)),
      {
        fineSiblings: (row: number) => note(touched.rows, row),
        weightSiblings: (index: number) => note(touched.weights, index),
        cacheSiblings: (position: number, slot: number) => {
          touched.cache.set(position, (touched.cache.get(position) ?? new Set()).add(slot));
          return [];
        },
        record: () => ({ salt: KEY, token: this.#token, cacheRoot: KEY }),
        traceSiblings: nothing,
        inputSiblings: nothing,
      },
    );
    for (const { row, element, block } of planted) {
      const pair = this.instruction(row).outType === "i64" && this.#shape.program.instructions.length - 1 === row;
      const before = block === 0 ? undefined : pair ? [0n, 0n] : [0n];
      blockWitness(probe, row, element, block, before);
    }
    return touched;
  }

  #stepOf(requestHash: Hex, fine: SparseTree, rowOf: (row: number) => Row): FineStep {
    const { nIn, program } = this.#shape;
    const { step } = this;
    const rows = new Proxy([] as Row[], { get: (_, key) => rowOf(Number(key)) });
    const self = this;
    return {
      step,
      nIn,
      requestHash,
      temperature: 65_536,
      token: this.#token,
      rows,
      cache: { row: (slot, position) => (position === step ? this.#own(slot, rowOf) : this.#cached(slot, position)) },
      weights: this.weights,
      fine,
      cacheTree: undefined,
      get trace() {
        return self.trace;
      },
      instruction: (row) => program.instructions[row],
      fineSiblings: (row) => fine.siblings(row),
      rowTree: (row) => this.#tree(rowOf(row)),
      chunk: (row, index) => chunkAt(rowBytes(rowOf(row)), index),
      programSiblings: (row) => this.#program.siblings(row),
      cacheSiblings: (position, slot) => this.#caches.get(position)!.siblings(slot),
      record: (position) => this.#record(position),
      traceSiblings: (position) => this.trace.siblings(position),
      weightSiblings: (index) => this.weightsTree.siblings(index),
      inputSalt: (index) => saltOf(KEY, "input", index),
      inputSiblings: (index) => this.inputs.siblings(index),
    };
  }

  /** The last token of the vocabulary, everywhere. */
  get #token(): number {
    return this.#shape.vocabSize - 1;
  }

  #row(row: number): Row {
    const { type, length } = rowShape(this.instruction(row), this.step);
    return this.#random.row(`row ${row}`, type, length);
  }

  /** Row that the step itself caches in a slot. */
  #own(slot: number, rowOf: (row: number) => Row): Row {
    return rowOf(this.#shape.program.instructions.findIndex((i) => i.role === 1 && i.cacheSlot === slot));
  }

  #cached(slot: number, position: number): Row {
    const made = this.#shape.program.instructions.find((i) => i.role === 1 && i.cacheSlot === slot)!;
    return this.#random.row(`cache ${slot} ${position}`, made.outType, made.outLength);
  }

  #weight(index: number): Row {
    const section = this.#shape.sections.findLast(({ first }) => first <= index)!;
    return this.#random.row(`weights ${index}`, section.type, section.length);
  }

  #record(position: number): TraceRecord {
    const cacheRoot = this.#caches.get(position)?.root(TAGS.cache) ?? hashWords(TAGS.cache, position);
    return { salt: saltOf(KEY, "record", position), token: this.#token, cacheRoot };
  }

  #tree(row: Row): Tree {
    const tree = this.#trees.get(row) ?? rowTree(rowBytes(row));
    this.#trees.set(row, tree);
    return tree;
  }

  #leaf(row: Row): Uint8Array {
    return rowLeafOf(ELEMENT_CODE[row.type], row.data.length, this.#tree(row).top);
  }
}

function note(set: Set<number>, item: number): Uint8Array[] {
  set.add(item);
  return [];
}

function unused(): never {
  throw new Error("Ranges of weight rows are for engines.");
}

/** Root of the weights as a manifest holds it. */
export function weightsRoot(answer: SparseAnswer): Hex {
  return toHex(answer.weightsTree.root(TAGS.weights));
}
