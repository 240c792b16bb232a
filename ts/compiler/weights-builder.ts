import type { Operand } from "../machine/instruction.ts";
import { type DataOf, dataOf, ELEMENT_BYTES, type ElementType, viewRow } from "../machine/types.ts";
import { type WeightSection, WeightStore } from "../machine/weights.ts";

/** Sections start at multiples of this, so that kernels may load whole vectors. */
const ALIGNMENT = 64;

/** Collects weight rows in their order; the bytes are made at the end, one section at a time. */
export class WeightsBuilder {
  readonly #sections: WeightSection[] = [];
  readonly #fills: ((buffer: ArrayBuffer) => void)[] = [];
  #bytes = 0;
  #rows = 0;

  /** What the rows so far are. */
  get sections(): readonly WeightSection[] {
    return this.#sections;
  }

  /** Number of weight rows so far. */
  get rows(): number {
    return this.#rows;
  }

  /** Adds `count` rows of `length` elements, written by `fill` (into zeros) when the model is built. */
  add<T extends ElementType>(
    name: string,
    type: T,
    length: number,
    count: number,
    fill: (data: DataOf<T>) => void,
  ): Operand {
    const section: WeightSection = { name, type, length, first: this.#rows, count, byteOffset: this.#bytes };
    this.#sections.push(section);
    this.#fills.push((buffer) => fill(dataOf(viewRow(type, buffer, section.byteOffset, count * length), type)));
    this.#rows += count;
    this.#bytes += Math.ceil((count * length * ELEMENT_BYTES[type]) / ALIGNMENT) * ALIGNMENT;
    return { kind: "weights", type, mode: 0, index: section.first, length, count };
  }

  /** Adds one row. */
  addRow(name: string, type: "i16", data: Int16Array): Operand;
  addRow(name: string, type: "i32", data: Int32Array): Operand;
  addRow(name: string, type: "i16" | "i32", data: Int16Array | Int32Array): Operand {
    return this.add(name, type, data.length, 1, (out) => out.set(data));
  }

  build(): WeightStore {
    const buffer = new ArrayBuffer(this.#bytes);
    for (const fill of this.#fills) fill(buffer);
    return new WeightStore(buffer, this.#sections);
  }
}
