import { concat, word } from "../commit/bytes.ts";
import { CHUNK, chunkAt, rowTree } from "../commit/row.ts";
import { memoryReader, type Read, tracedReader } from "../machine/evaluate.ts";
import type { Instruction } from "../machine/instruction.ts";
import { semanticsOf } from "../machine/registry.ts";
import type { Accumulator, StepContext } from "../machine/semantics.ts";
import { rowShape } from "../machine/shape.ts";
import { stepContext } from "../machine/step.ts";
import { ELEMENT_BYTES, type Row, rowBytes } from "../machine/types.ts";
import type { StepSource } from "./source.ts";

/** Collects the opening of each read, in order: docs/protocol.md, section 5. */
class WitnessWriter {
  private readonly parts: Uint8Array[] = [];
  private previous: string | undefined;

  constructor(private readonly source: StepSource) {}

  add(read: Read): void {
    const { source } = this;
    if (read.kind === "token") {
      this.addToken();
    } else if (read.kind === "weights") {
      const index = read.operand.index + read.row;
      this.addRow(`weights ${index}`, source.weights.row(index), read, () => source.weightSiblings(index));
    } else if (read.kind === "row" || read.position === source.step) {
      // At the step itself a cached row is opened in the fine tree, like any other row of the step.
      const { index } = read.operand;
      this.addRow(`row ${index}`, source.rows[index], read, () => source.fineSiblings(index));
    } else {
      const { position } = read;
      const slot = read.operand.count;
      this.addRow(`cache ${position} ${slot}`, source.cache.row(slot, position), read, () => {
        const { salt, token } = source.record(position);
        return [...source.cacheSiblings(position, slot), salt, tokenBytes(token), ...source.traceSiblings(position)];
      });
    }
  }

  bytes(): Uint8Array {
    return concat(this.parts);
  }

  private addRow(
    key: string,
    row: Row,
    { first, count }: { first: number; count: number },
    path: () => Uint8Array[],
  ): void {
    const bytes = rowBytes(row);
    const size = ELEMENT_BYTES[row.type];
    const lo = Math.floor((first * size) / CHUNK);
    const hi = Math.floor(((first + count) * size - 1) / CHUNK);
    for (let i = lo; i <= hi; i++) this.parts.push(chunkAt(bytes, i));
    this.parts.push(...rowTree(bytes).range(lo, hi));
    if (key !== this.previous) this.parts.push(...path());
    this.previous = key;
  }

  private addToken(): void {
    const { source } = this;
    const { step } = source;
    this.previous = undefined;
    if (step < source.nIn) {
      this.parts.push(source.inputSalt(step), tokenBytes(source.token), ...source.inputSiblings(step));
      return;
    }
    const { salt, token, cacheRoot } = source.record(step - 1);
    this.parts.push(salt, tokenBytes(token), cacheRoot, ...source.traceSiblings(step - 1));
  }
}

/** A token on the wire: 4 bytes, big-endian. */
function tokenBytes(token: number): Uint8Array {
  return word(token).subarray(28);
}

/** The context in which the instructions of the source's step are evaluated. */
function contextOf({ step, nIn, token, requestHash, temperature }: StepSource): StepContext {
  return stepContext({ t: step, nIn, token, requestHash, temperature });
}

/** Blocks of the fold behind an element (1 for maps). */
export function blocksOf(instruction: Instruction, step: number): number {
  const semantics = semanticsOf(instruction);
  return semantics.kind === "map" ? 1 : semantics.blocks(instruction, step);
}

/** Witness with which the judge computes `element` of row `row`: a map, or a fold of one block. Empty for padding. */
export function elementWitness(source: StepSource, row: number, element: number): Uint8Array {
  if (element >= rowShape(source.instruction(row), source.step).length) return new Uint8Array();
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
  const writer = new WitnessWriter(source);
  const reader = tracedReader(memoryReader(source), (read) => writer.add(read));
  if (semantics.kind === "map") semantics.evaluate(instruction, contextOf(source), element, reader);
  else semantics.evaluate(instruction, contextOf(source), element, block, before, reader);
  return writer.bytes();
}

/** The accumulator after every block of the fold behind an element. */
export function accumulatorsOf(source: StepSource, row: number, element: number): Accumulator[] {
  const instruction = source.instruction(row);
  const semantics = semanticsOf(instruction);
  if (semantics.kind === "map") return [];
  const reader = memoryReader(source);
  const context = contextOf(source);
  const out: Accumulator[] = [];
  for (let block = 0; block < semantics.blocks(instruction, source.step); block++)
    out.push(semantics.evaluate(instruction, context, element, block, out[block - 1], reader));
  return out;
}
