// SPDX-License-Identifier: GPL-3.0-only
import { describe, expect, it } from "vitest";
import { SMOL_135M, shapeOf } from "../bench/geometries.ts";
import { prng } from "../compiler/prng.ts";
import { type Instruction, NO_OPERAND, type Operand } from "../machine/instruction.ts";
import type { Program } from "../machine/program.ts";
import { INSTRUCTIONS, type InstructionName } from "../machine/table.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import type { ElementType } from "../machine/types.ts";
import { loadModel } from "../model/load.ts";
import { CircuitLimitError } from "./errors.ts";
import { elementInputs } from "./inputs.ts";
import { obstacleAt, provablePositions } from "./provable.ts";
import { largestRow, MOST_ROWS, MOST_WEIGHT_ROWS, RowOpener } from "./step-commitment.ts";
import { elementCase } from "./testing/cases.ts";
import { proverOf } from "./testing/prover.ts";

const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];
const [FEW, MANY] = [largestRow(2), largestRow(3)];

const row = (type: ElementType, length: number, mode: 0 | 1 = 0): Operand => ({
  ...NO_OPERAND,
  kind: "row",
  type,
  length,
  mode,
});
const weights = (type: ElementType, length: number, count = 1): Operand => ({
  ...NO_OPERAND,
  kind: "weights",
  type,
  length,
  count,
});

function instruction(name: InstructionName, outType: ElementType, outLength: number, more: Partial<Instruction>) {
  const plain: Instruction = {
    opcode: INSTRUCTIONS[name].opcode,
    ...{ outType, outMode: 0, role: 0, outLength, cacheSlot: 0 },
    ...{ a: NO_OPERAND, b: NO_OPERAND, c: NO_OPERAND },
    p: [0, 0, 0, 0, 0, 0, 0, 0],
  };
  return { ...plain, ...more } as Instruction;
}

const program = (instructions: Instruction[], contextLength = 1, weightRows = 1): Program => ({
  instructions,
  weightRows,
  contextLength,
});
const provable = (instructions: Instruction[]) => obstacleAt(program(instructions), 0) === undefined;

describe("the elements of a program can be proven", () => {
  it("of all shipped models at every position", async () => {
    for (const name of ["tale-300k", "tale-2m"]) {
      const { program: shipped } = await loadModel(`models/${name}`);
      expect(provablePositions(shipped)).toBe(shipped.contextLength);
    }
    const { program: smollm2 } = shapeOf(SMOL_135M);
    expect(provablePositions(smollm2)).toBe(smollm2.contextLength);
  });

  it("but not of one with more instructions, or weight rows, than circuits count", () => {
    const add = instruction("add", "i8", 4, { a: row("i8", 4), b: row("i8", 4) });
    expect(obstacleAt(program(Array(MOST_ROWS).fill(add)), 0)).toBeUndefined();
    expect(obstacleAt(program(Array(MOST_ROWS + 1).fill(add)), 0)).toEqual({
      instruction: undefined,
      reason: `instructions: ${MOST_ROWS + 1}, at most ${MOST_ROWS}`,
    });
    expect(obstacleAt(program([add], 1, MOST_WEIGHT_ROWS), 0)).toBeUndefined();
    expect(obstacleAt(program([add], 1, MOST_WEIGHT_ROWS + 1), 0)?.reason).toContain("weight rows");
  });

  // The row that is as long as its circuit has room for, and one that is longer by an element, or a group.
  const pairs: [string, (bytes: number) => Instruction, number, number?][] = [
    ["map", (n) => instruction("rescale", "i8", n, { a: row("i8", n) }), MANY],
    ["map with a weight row", (n) => instruction("add", "i8", n, { a: row("i8", n), b: weights("i8", n) }), MANY],
    ["a row of role 1", (n) => instruction("rescale", "i8", n, { a: row("i8", n), role: 1 }), FEW],
    [
      "embed",
      (n) =>
        instruction("embed", "i8", n, {
          a: NO_OPERAND,
          b: weights("i8", n, 4),
          c: weights("i32", 4),
          p: [0, 8, 0, 0, 0, 0, 0, 0],
        }),
      FEW,
    ],
    [
      "scales of embed",
      (n) =>
        instruction("embed", "i8", 4, {
          b: weights("i8", 4, 4),
          c: weights("i32", n / 4),
          p: [0, 8, 0, 0, 0, 0, 0, 0],
        }),
      FEW,
      4,
    ],
    ["rope", (n) => instruction("rope", "i8", n, { a: row("i8", n), b: weights("i16", 2, 4) }), FEW, 2],
    ["fold_dot", (n) => instruction("fold_dot", "i64", 8, { a: row("i8", n), b: weights("i8", n, 8) }), FEW],
    [
      "fold_dot of two bytes",
      (n) => instruction("fold_dot", "i64", 8, { a: row("i16", n / 2), b: weights("i8", n / 2, 8) }),
      FEW,
      2,
    ],
    [
      "out of fold_dot",
      (n) => instruction("fold_dot", "i64", n / 8, { a: row("i8", 8), b: weights("i8", 8, n / 8) }),
      FEW,
      8,
    ],
    ["fold_max", (n) => instruction("fold_max", "i32", 1, { a: row("i32", n / 4) }), MANY, 4],
    ["out of fold_max", (n) => instruction("fold_max", "i32", n / 4, { a: row("i32", n / 4) }), FEW, 4],
  ];
  it.each(pairs)("%s, up to its limit", (_, of, limit, step = 1) => {
    const most = limit - (limit % step);
    expect(obstacleAt(program([of(most)]), 0)).toBeUndefined();
    expect(provable([of(most + step)])).toBe(false);
  });

  it("at positions up to a limit, where rows grow with the position", () => {
    const [heads, size] = [64, 64];
    const scores = instruction("fold_scores", "i32", heads, {
      outMode: 1,
      a: row("i16", heads * size),
      b: { ...row("i8", heads * size), kind: "cache" },
      p: [size, 1, 0, 0, 0, 0, 0, 0],
    });
    const most = Math.floor(MANY / (heads * 4));
    const long = program([scores], 2 ** 17);
    expect(provablePositions(long)).toBe(most);
    expect(obstacleAt(long, most - 1)).toBeUndefined();
    expect(obstacleAt(long, most)).toEqual({
      instruction: 0,
      reason: `bytes of its row: ${(most + 1) * heads * 4}, at most ${MANY}`,
    });
    expect(provablePositions({ ...long, contextLength: most })).toBe(most);
    expect(provablePositions({ ...long, contextLength: most + 1 })).toBe(most);
    // The prover says the same.
    const opener = (t: number) => new RowOpener({ type: "i32", data: new Int32Array((t + 1) * heads) });
    expect(() => opener(most)).toThrow(CircuitLimitError);
  }, 120_000);

  it("in every case that the prover takes", () => {
    for (const name of NAMES) {
      const random = prng(4000 + INSTRUCTIONS[name].opcode);
      for (let n = 0; n < 20 * FUZZ; n++) {
        const { subject, at, element, ...rest } = elementCase(name, random);
        const { t } = subject.context;
        const { instruction: tested } = subject;
        expect(obstacleAt(program([tested], t + 1), t), name).toBeUndefined();
        if (n < 2) elementInputs(proverOf({ subject, at, element, ...rest }, 5n), at, tested, element);
      }
    }
  }, 300_000);
});
