import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fromHex, type Hex, toHex } from "../commit/bytes.ts";
import { SENTINEL_TOKEN } from "../commit/record.ts";
import { evaluateElement, memoryReader } from "./evaluate.ts";
import { decodeInstruction, encodeInstruction, type Instruction, type Operand } from "./instruction.ts";
import { KvCache } from "./kv-cache.ts";
import { type Program, validateProgram } from "./program.ts";
import { semanticsOf } from "./registry.ts";
import type { Accumulator, Reader, StepContext } from "./semantics.ts";
import { runStep, stepContext, stepToken } from "./step.ts";
import { INSTRUCTIONS, type InstructionName } from "./table.ts";
import { ELEMENT_BYTES, type ElementType, elementAt, type Row, rowBytes, viewRow } from "./types.ts";
import { type WeightSection, WeightStore } from "./weights.ts";

/** What the NumPy oracle wrote: test/oracle/README.md describes the format. */
type VectorOperand = { readonly type: ElementType; readonly rows: Readonly<Record<string, string>> };
type VectorCase = {
  readonly instructionHex: string;
  readonly context: StepContext;
  readonly operands: { readonly a?: VectorOperand; readonly b?: VectorOperand; readonly c?: VectorOperand };
  readonly out: { readonly type: ElementType; readonly length: number; readonly data: string };
  readonly blocks?: readonly {
    readonly element: number;
    readonly accumulators: readonly (string | readonly string[])[];
  }[];
};
type VectorProgram = {
  readonly contextLength: number;
  readonly weightRows: number;
  readonly instructions: readonly string[];
  readonly weights: readonly { readonly type: ElementType; readonly data: string }[];
  readonly runs: readonly {
    readonly nIn: number;
    readonly requestHash: Hex;
    readonly temperature: number;
    readonly steps: readonly {
      readonly t: number;
      readonly token: number;
      readonly rows: readonly string[];
      readonly recorded: number;
    }[];
  }[];
};

function load(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../test/vectors/machine/${name}.json`, import.meta.url), "utf8"));
}

function toRow(type: ElementType, hex: string): Row {
  const bytes = fromHex(hex);
  return viewRow(type, bytes.buffer, 0, bytes.length / ELEMENT_BYTES[type]);
}

/** The operand's rows one after the other. */
function joined({ type, rows }: VectorOperand): Row {
  const ordered = Object.keys(rows).sort((x, y) => Number(x) - Number(y));
  return toRow(type, `0x${ordered.map((key) => rows[key].slice(2)).join("")}`);
}

describe.each(Object.keys(INSTRUCTIONS) as InstructionName[])("%s", (name) => {
  const { cases } = load(name) as { cases: VectorCase[] };

  it("makes the oracle's rows and accumulators", () => {
    expect(cases.length).toBeGreaterThan(0);
    for (const { instructionHex, context, operands, out, blocks } of cases) {
      const instruction = decodeInstruction(fromHex(instructionHex));
      expect(toHex(encodeInstruction(instruction))).toBe(instructionHex);
      const semantics = semanticsOf(instruction);
      expect(semantics.name).toBe(name);
      expect(semantics.validate(instruction, context.t + 1)).toBeUndefined();
      const source = (operand: Operand) => {
        const slot = operandSlot(instruction, operand);
        return joined(operands[slot]!);
      };
      const row = semantics.run(instruction, context, { row: source, weights: source, cache: source });
      expect(toHex(rowBytes(row))).toBe(out.data);
      expect(row.type).toBe(out.type);
      expect(row.data.length).toBe(out.length);

      const read = (operand: Operand, key: number, first: number, count: number) => {
        const { type, rows } = operands[operandSlot(instruction, operand)]!;
        const from = toRow(type, rows[String(key)]);
        return Array.from({ length: count }, (_, i) => elementAt(from, first + i));
      };
      const reader: Reader = {
        row: (operand, first, count) => read(operand, 0, first, count),
        cache: read,
        weights: read,
        token: () => BigInt(context.token),
      };
      const last = out.length - 1;
      for (const e of new Set([0, last >> 1, last])) {
        expect(evaluateElement(instruction, context, e, reader)).toBe(elementAt(row, e));
      }
      for (const { element, accumulators } of blocks ?? []) {
        if (semantics.kind !== "fold") expect.fail("a map has no blocks");
        expect(semantics.blocks(instruction, context.t)).toBe(accumulators.length);
        let accumulator: Accumulator | undefined;
        accumulators.forEach((expected, block) => {
          accumulator = semantics.evaluate(instruction, context, element, block, accumulator, reader);
          expect(accumulator).toEqual([expected].flat().map(BigInt));
        });
      }
    }
  });
});

function operandSlot({ a, b }: Instruction, operand: Operand): "a" | "b" | "c" {
  return operand === a ? "a" : operand === b ? "b" : "c";
}

describe("program", () => {
  const vector = load("program") as VectorProgram;
  const program: Program = {
    instructions: vector.instructions.map((hex) => decodeInstruction(fromHex(hex))),
    weightRows: vector.weightRows,
    contextLength: vector.contextLength,
  };
  const weights = weightStore(vector.weights);

  it("is valid", () => validateProgram(program));

  it.each(vector.runs.map((run, i) => [i, run] as const))("makes the oracle's rows in run %i", (_i, run) => {
    const cache = new KvCache(program);
    for (const { t, token, rows: expected, recorded } of run.steps) {
      const context = stepContext({ ...run, t, token });
      const rows = runStep(program, weights, context, cache);
      rows.forEach((row, i) => {
        expect(`${i} ${toHex(rowBytes(row))}`).toBe(`${i} ${expected[i]}`);
      });
      expect(t < run.nIn - 1 ? SENTINEL_TOKEN : stepToken(rows)).toBe(recorded);
      const reader = memoryReader({ rows, weights, cache, token });
      rows.forEach((row, i) => {
        for (const e of new Set([0, row.data.length - 1])) {
          expect(evaluateElement(program.instructions[i], context, e, reader)).toBe(elementAt(row, e));
        }
      });
    }
  });
});

/** Rows of equal type and length that follow each other make a section. */
function weightStore(rows: VectorProgram["weights"]): WeightStore {
  const sections: WeightSection[] = [];
  let bytes = 0;
  rows.forEach(({ type, data }, index) => {
    const length = (data.length - 2) / 2 / ELEMENT_BYTES[type];
    const last = sections.at(-1);
    if (last?.type === type && last.length === length)
      sections[sections.length - 1] = { ...last, count: last.count + 1 };
    else {
      bytes = Math.ceil(bytes / 8) * 8;
      sections.push({ name: `rows from ${index}`, type, length, first: index, count: 1, byteOffset: bytes });
    }
    bytes += length * ELEMENT_BYTES[type];
  });
  const store = new WeightStore(new ArrayBuffer(bytes), sections);
  rows.forEach(({ data }, index) => {
    rowBytes(store.row(index)).set(fromHex(data));
  });
  return store;
}
