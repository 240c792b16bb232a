import type { Program } from "../machine/program.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import { dataOf, type Row } from "../machine/types.ts";
import type { WeightStore } from "../machine/weights.ts";
import { type InputMoments, inputMoments } from "./rounding.ts";

/**
 * What enters a program's matrix products, collected from the rows of steps that it made. Rows are the same on every backend, so the
 * weights that are rounded by them are, too.
 */
export class Calibration {
  /** Of each matrix, by the name of its section: the instruction whose row is quantised for it. */
  readonly #sources = new Map<string, number>();
  /** By that instruction. */
  readonly #samples = new Map<number, Float32Array[]>();
  readonly #moments = new Map<number, InputMoments>();

  constructor({ instructions }: Program, { sections }: Pick<WeightStore, "sections">) {
    for (const { opcode, a, b } of instructions) {
      if (opcode !== INSTRUCTIONS.fold_dot.opcode) continue;
      const section = sections.find(({ first, count }) => b.index >= first && b.index < first + count)!;
      const source = instructions[a.index].a.index;
      this.#sources.set(section.name, source);
      this.#samples.set(source, []);
    }
  }

  /** Takes what one step shows. @param rows Of every instruction. */
  add(rows: readonly Row[]): void {
    for (const [source, samples] of this.#samples) samples.push(Float32Array.from(dataOf(rows[source], "i32")));
  }

  /** Moments of what a matrix is multiplied with; undefined for one that is not in a product, such as an untied embedding. */
  moments(name: string): InputMoments | undefined {
    const source = this.#sources.get(name);
    const samples = source === undefined ? undefined : this.#samples.get(source);
    if (source === undefined || samples === undefined || samples.length === 0) return undefined;
    const known = this.#moments.get(source) ?? inputMoments(samples);
    this.#moments.set(source, known);
    return known;
  }
}
