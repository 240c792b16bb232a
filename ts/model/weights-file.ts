import type { CommittedRow } from "../commit/model-trees.ts";
import { ELEMENT_BYTES, ELEMENT_CODE, rowBytes } from "../machine/types.ts";
import { type WeightSection, WeightStore, type Weights } from "../machine/weights.ts";
import { ModelCorruptError } from "./errors.ts";
import type { WeightRange } from "./package.ts";

/** Where sections start in memory: good for every element type, and for the vector loads of kernels. */
const ALIGNMENT = 64;

/** Bytes of one row. */
function rowSize({ type, length }: WeightRange | WeightSection): number {
  return length * ELEMENT_BYTES[type];
}

/** The weight table of `model.json`. */
export function weightTable(store: WeightStore): WeightRange[] {
  return store.sections.map(({ name, type, length, count }) => ({ name, type, length, count }));
}

/** `weights.bin`: the rows back to back, in order. */
export function encodeWeights(store: WeightStore): Uint8Array {
  const out = new Uint8Array(store.sections.reduce((sum, section) => sum + section.count * rowSize(section), 0));
  let at = 0;
  for (const { first, count } of store.sections) {
    const bytes = rowBytes(store.range(first, count));
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

/** The rows of `weights.bin`; copied if they lie where typed arrays may not view them. */
export function decodeWeights(bytes: Uint8Array, table: readonly WeightRange[]): WeightStore {
  const sections: WeightSection[] = [];
  let [first, byteOffset, size] = [0, 0, 0];
  for (const range of table) {
    sections.push({ ...range, first, byteOffset });
    first += range.count;
    size += range.count * rowSize(range);
    byteOffset = Math.ceil((byteOffset + range.count * rowSize(range)) / ALIGNMENT) * ALIGNMENT;
  }
  if (size !== bytes.length)
    throw new ModelCorruptError("weights", `a table of ${bytes.length} bytes`, `${size} bytes`);
  // Where nothing needs padding, which is the rule for real models, the file's bytes are the weights: no second copy.
  const whole = bytes.byteOffset === 0 && bytes.length === byteOffset && bytes.buffer.byteLength === byteOffset;
  if (whole) return new WeightStore(bytes.buffer, sections);
  const memory = new Uint8Array(byteOffset);
  let at = 0;
  for (const section of sections) {
    const end = at + section.count * rowSize(section);
    memory.set(bytes.subarray(at, end), section.byteOffset);
    at = end;
  }
  return new WeightStore(memory.buffer, sections);
}

/** Weight row `index` as it is committed. */
export function committedRow(weights: Weights, index: number): CommittedRow {
  const row = weights.row(index);
  return { typeCode: ELEMENT_CODE[row.type], length: row.data.length, bytes: rowBytes(row) };
}

/** All weight rows in order, as they are committed. */
export function* committedRows(weights: Weights): Generator<CommittedRow> {
  for (let i = 0; i < weights.count; i++) yield committedRow(weights, i);
}
