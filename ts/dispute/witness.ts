import { CHUNK, chunkAt, chunkCount, rowTree } from "../commit/row.ts";
import { depth, type Tree } from "../commit/tree.ts";
import { concat, word } from "../commit/bytes.ts";
import type { Instruction, Operand } from "../machine/instruction.ts";
import { semanticsOf } from "../machine/instructions/index.ts";
import type { Accumulator, Reader, StepContext } from "../machine/semantics.ts";
import { ELEMENT_BYTES, elementAt, type Row, rowBytes } from "../machine/types.ts";
import type { StepSource } from "./source.ts";

/**
 * Opens operands while an instruction is evaluated: every read appends its part of the witness (docs/protocol.md, section 5),
 * so that value and witness come from the same reads.
 */
class WitnessReader implements Reader {
  private readonly parts: Uint8Array[] = [];
  private previous: string | undefined;
  private readonly trees = new Map<string, Tree>();

  constructor(private readonly source: StepSource) {}

  row(operand: Operand, first: number, count: number): readonly bigint[] {
    const index = operand.index;
    return this.open(`row ${index}`, this.source.row(index), first, count, () => this.source.fineSiblings(index));
  }

  cache(operand: Operand, position: number, first: number, count: number): readonly bigint[] {
    // At the step itself the cached row is opened in the fine tree, like any other row of the step.
    if (position === this.source.step) return this.row(operand, first, count);
    const slot = operand.count;
    return this.open(`cache ${position} ${slot}`, this.source.cached(position, slot), first, count, () => {
      const record = this.source.record(position);
      return [
        ...this.source.cacheSiblings(position, slot),
        record.salt,
        word(record.token).subarray(28),
        ...this.source.traceSiblings(position),
      ];
    });
  }

  weights(operand: Operand, row: number, first: number, count: number): readonly bigint[] {
    const index = operand.index + row;
    return this.open(`weights ${index}`, this.source.weightRow(index), first, count, () =>
      this.source.weightSiblings(index),
    );
  }

  token(): bigint {
    const { step, nIn } = this.source;
    this.previous = undefined;
    if (step < nIn) {
      const token = this.source.prompt[step];
      this.parts.push(this.source.inputSalt(step), word(token).subarray(28), ...this.source.inputSiblings(step));
      return BigInt(token);
    }
    const record = this.source.record(step - 1);
    this.parts.push(record.salt, word(record.token).subarray(28), record.cacheRoot);
    this.parts.push(...this.source.traceSiblings(step - 1));
    return BigInt(record.token);
  }

  /** The witness of all reads so far. */
  witness(): Uint8Array {
    return concat(this.parts);
  }

  private open(key: string, row: Row, first: number, count: number, path: () => Uint8Array[]): readonly bigint[] {
    const bytes = rowBytes(row);
    const size = ELEMENT_BYTES[row.type];
    const lo = Math.floor((first * size) / CHUNK);
    const hi = Math.floor(((first + count) * size - 1) / CHUNK);
    for (let i = lo; i <= hi; i++) this.parts.push(chunkAt(bytes, i));
    if (depth(chunkCount(bytes.length)) > 0) this.parts.push(...this.tree(key, bytes).range(lo, hi));
    if (key !== this.previous) this.parts.push(...path());
    this.previous = key;
    return Array.from({ length: count }, (_, k) => elementAt(row, first + k));
  }

  private tree(key: string, bytes: Uint8Array): Tree {
    let tree = this.trees.get(key);
    if (tree === undefined) {
      tree = rowTree(bytes);
      this.trees.set(key, tree);
    }
    return tree;
  }
}

/** Reads without keeping a witness. */
class PlainReader implements Reader {
  constructor(private readonly source: StepSource) {}

  row(operand: Operand, first: number, count: number): readonly bigint[] {
    return slice(this.source.row(operand.index), first, count);
  }
  cache(operand: Operand, position: number, first: number, count: number): readonly bigint[] {
    if (position === this.source.step) return this.row(operand, first, count);
    return slice(this.source.cached(position, operand.count), first, count);
  }
  weights(operand: Operand, row: number, first: number, count: number): readonly bigint[] {
    return slice(this.source.weightRow(operand.index + row), first, count);
  }
  token(): bigint {
    const { step, nIn } = this.source;
    return BigInt(step < nIn ? this.source.prompt[step] : this.source.record(step - 1).token);
  }
}

function slice(row: Row, first: number, count: number): readonly bigint[] {
  return Array.from({ length: count }, (_, k) => elementAt(row, first + k));
}

/** The context in which the instructions of the source's step are evaluated. */
export function contextOf(source: StepSource): StepContext {
  const t = source.step;
  return {
    t,
    nIn: source.nIn,
    token: t < source.nIn ? source.prompt[t] : source.record(t - 1).token,
    requestHash: source.requestHash,
    temperature: source.temperature,
    outputIndex: Math.max(t - (source.nIn - 1), 0),
  };
}

/** Blocks of the fold behind an element of row `row` (1 for maps). */
export function blocksOf(instruction: Instruction, step: number): number {
  const semantics = semanticsOf(instruction);
  return semantics.kind === "map" ? 1 : semantics.blocks(instruction, step);
}

/** Witness with which the judge computes `element` of row `row`: a map, or a fold of one block. Empty for padding. */
export function elementWitness(source: StepSource, row: number, element: number): Uint8Array {
  if (element >= source.row(row).data.length) return new Uint8Array();
  return blockWitness(source, row, element, 0, undefined);
}

/** Witness with which the judge computes the accumulator after `block`, given the one before. */
export function blockWitness(
  source: StepSource,
  row: number,
  element: number,
  block: number,
  before: Accumulator | undefined,
): Uint8Array {
  const instruction = source.instruction(row);
  const semantics = semanticsOf(instruction);
  const reader = new WitnessReader(source);
  if (semantics.kind === "map") semantics.evaluate(instruction, contextOf(source), element, reader);
  else semantics.evaluate(instruction, contextOf(source), element, block, before, reader);
  return reader.witness();
}

/** The accumulator after every block of the fold behind an element. */
export function accumulatorsOf(source: StepSource, row: number, element: number): Accumulator[] {
  const instruction = source.instruction(row);
  const semantics = semanticsOf(instruction);
  if (semantics.kind === "map") return [];
  const reader = new PlainReader(source);
  const context = contextOf(source);
  const out: Accumulator[] = [];
  for (let block = 0; block < semantics.blocks(instruction, source.step); block++)
    out.push(semantics.evaluate(instruction, context, element, block, out[block - 1], reader));
  return out;
}
