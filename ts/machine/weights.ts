import { WeightRangeError } from "./errors.ts";
import { ELEMENT_BYTES, type ElementType, type Row, viewRow } from "./types.ts";

/** A model's weight rows, numbered over the whole model. */
export interface Weights {
  /** Number of weight rows. */
  readonly count: number;
  row(index: number): Row;
  /** Rows `first .. first + count - 1`, of one type and length, one after the other. */
  range(first: number, count: number): Row;
}

/** Consecutive weight rows of one type and length, contiguous in memory. */
export type WeightSection = {
  /** What it is, for example `layers.0.q_proj`. */
  readonly name: string;
  readonly type: ElementType;
  /** Elements of each row. */
  readonly length: number;
  /** Number of its first row, and how many rows it has. */
  readonly first: number;
  readonly count: number;
  /** Where it starts in the buffer: a multiple of the element size. */
  readonly byteOffset: number;
};

/** Weight rows in one buffer, described by sections in ascending order of their rows. */
export class WeightStore implements Weights {
  readonly buffer: ArrayBufferLike;
  readonly sections: readonly WeightSection[];
  readonly count: number;

  constructor(buffer: ArrayBufferLike, sections: readonly WeightSection[]) {
    this.buffer = buffer;
    this.sections = sections;
    const last = sections.at(-1);
    this.count = last === undefined ? 0 : last.first + last.count;
  }

  row(index: number): Row {
    return this.range(index, 1);
  }

  range(first: number, count: number): Row {
    const section = this.sectionOf(first);
    if (section === undefined) throw new WeightRangeError(first, count, `The model has ${this.count} weight rows.`);
    const { type, length, byteOffset } = section;
    if (first + count > section.first + section.count) {
      throw new WeightRangeError(
        first,
        count,
        `Section ${section.name} ends at row ${section.first + section.count - 1}.`,
      );
    }
    const start = byteOffset + (first - section.first) * length * ELEMENT_BYTES[type];
    return viewRow(type, this.buffer, start, count * length);
  }

  /** The section that holds weight row `index`. */
  sectionOf(index: number): WeightSection | undefined {
    let low = 0;
    let high = this.sections.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sections[middle].first <= index) low = middle + 1;
      else high = middle;
    }
    const section = this.sections[low - 1];
    return section !== undefined && index < section.first + section.count ? section : undefined;
  }
}
