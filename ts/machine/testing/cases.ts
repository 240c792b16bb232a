import type { Prng } from "../../compiler/prng.ts";
import { type Instruction, type Mode, NO_OPERAND, type Operand, type Parameters8 } from "../instruction.ts";
import { KvCache } from "../kv-cache.ts";
import type { RunInputs, StepContext } from "../semantics.ts";
import { lengthAt } from "../shape.ts";
import { stepContext } from "../step.ts";
import { INSTRUCTIONS, type InstructionName } from "../table.ts";
import { ELEMENT_BYTES, type ElementType, type Row, viewRow } from "../types.ts";
import { type WeightSection, WeightStore } from "../weights.ts";
import { randomRow } from "./rows.ts";

/** One instruction with everything that it reads. */
export type Case = {
  readonly instruction: Instruction;
  readonly context: StepContext;
  /** Rows of the step, by the operands' indices. */
  readonly rows: readonly Row[];
  readonly weights: WeightStore;
  readonly cache: KvCache;
};

/** The case's operands as `run` wants them. */
export function caseInputs({ rows, weights, cache, context }: Case): RunInputs {
  return {
    row: ({ index }) => rows[index],
    weights: ({ index, count }) => weights.range(index, count),
    cache: ({ count }) => cache.rows(count, context.t + 1),
  };
}

/** Makes random operands and, with `done`, the case. */
export class CaseBuilder {
  readonly random: Prng;
  readonly t: number;
  readonly #rows: Row[] = [];
  readonly #weights: { type: ElementType; length: number; rows: Row }[] = [];
  readonly #cached: { operand: Operand; positions: Row[] }[] = [];

  constructor(random: Prng) {
    this.random = random;
    this.t = random.pick([0, 1, 2, 5, 11]);
  }

  /** A shift: mostly of a useful size, at times an extreme. */
  shift(): number {
    return this.random.pick([0, 1, this.random.int(2, 30), this.random.int(2, 30), this.random.int(31, 61), 62]);
  }

  bits(): number {
    return this.random.pick([1, 31, this.random.int(1, 31)]);
  }

  row(type: ElementType, length: number, mode: Mode = 0): Operand {
    const index = this.#rows.push(randomRow(this.random, type, lengthAt({ length, mode }, this.t))) - 1;
    return { kind: "row", type, mode, index, length, count: 0 };
  }

  weights(type: ElementType, length: number, count: number): Operand {
    const index = this.#weights.reduce((sum, { length, rows }) => sum + rows.data.length / length, 0);
    this.#weights.push({ type, length, rows: randomRow(this.random, type, length * count) });
    return { kind: "weights", type, mode: 0, index, length, count };
  }

  cache(type: ElementType, length: number): Operand {
    const positions = Array.from({ length: this.t + 1 }, () => randomRow(this.random, type, length));
    const index = this.#rows.push(positions[this.t]) - 1;
    const operand: Operand = { kind: "cache", type, mode: 0, index, length, count: this.#cached.length };
    this.#cached.push({ operand, positions });
    return operand;
  }

  done(
    name: InstructionName,
    out: { type: ElementType; length: number; mode?: Mode },
    operands: { a: Operand; b?: Operand; c?: Operand },
    parameters: readonly number[] = [],
    context: Partial<StepContext> = {},
  ): Case {
    const instruction: Instruction = {
      opcode: INSTRUCTIONS[name].opcode,
      outType: out.type,
      outMode: out.mode ?? 0,
      role: 0,
      outLength: out.length,
      cacheSlot: 0,
      a: operands.a,
      b: operands.b ?? NO_OPERAND,
      c: operands.c ?? NO_OPERAND,
      p: Array.from({ length: 8 }, (_, i) => parameters[i] ?? 0) as unknown as Parameters8,
    };
    return {
      instruction,
      context: stepContext({
        t: this.t,
        nIn: this.random.int(1, 3),
        token: 0,
        requestHash: `0x${this.random.bits().toString(16).padStart(64, "0")}`,
        temperature: this.random.pick([0, 1, 65_536, this.random.int(1, 2 ** 20), 2 ** 32 - 1]),
        ...context,
      }),
      rows: this.#rows,
      weights: this.#weightStore(),
      cache: this.#kvCache(),
    };
  }

  #weightStore(): WeightStore {
    const sections: WeightSection[] = [];
    let first = 0;
    let byteOffset = 0;
    for (const { type, length, rows } of this.#weights) {
      const count = rows.data.length / length;
      sections.push({ name: `w${sections.length}`, type, length, first, count, byteOffset });
      first += count;
      byteOffset += Math.ceil((rows.data.length * ELEMENT_BYTES[type]) / 8) * 8;
    }
    const buffer = new ArrayBuffer(byteOffset);
    sections.forEach((section, i) => {
      const from = this.#weights[i].rows;
      const to = viewRow(section.type, buffer, section.byteOffset, from.data.length);
      for (let e = 0; e < from.data.length; e++) to.data[e] = from.data[e];
    });
    return new WeightStore(buffer, sections);
  }

  #kvCache(): KvCache {
    const instructions = this.#cached.map(
      ({ operand }): Instruction => ({
        opcode: INSTRUCTIONS.rescale.opcode,
        outType: operand.type,
        outMode: 0,
        role: 1,
        outLength: operand.length,
        cacheSlot: operand.count,
        a: NO_OPERAND,
        b: NO_OPERAND,
        c: NO_OPERAND,
        p: [0, 0, 0, 0, 0, 0, 0, 0],
      }),
    );
    const cache = new KvCache({ instructions, weightRows: 0, contextLength: this.t + 1 });
    this.#cached.forEach(({ positions }, slot) => {
      positions.forEach((row, p) => {
        cache.store(slot, p, row);
      });
    });
    return cache;
  }
}
