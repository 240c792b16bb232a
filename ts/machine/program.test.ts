import { describe, expect, it } from "vitest";
import { compileLlama } from "../compiler/llama.ts";
import { randomTensors } from "../compiler/random.ts";
import { InvalidProgramError } from "./errors.ts";
import type { Instruction, Operand, Parameters8 } from "./instruction.ts";
import { cacheRowCount, type Program, validateProgram } from "./program.ts";
import { INSTRUCTIONS, type InstructionName } from "./table.ts";

const CONFIG = {
  hidden_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 4,
  intermediate_size: 10,
  vocab_size: 2_500,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 16,
  attention_bias: true,
  qk_norm: true,
};
const { program: VALID } = compileLlama(CONFIG, randomTensors(CONFIG, 1));

/** Where the n-th instruction of this name stands. */
function find(name: InstructionName, n = 0): number {
  const found = VALID.instructions.flatMap(({ opcode }, i) => (opcode === INSTRUCTIONS[name].opcode ? [i] : []));
  return found[n];
}

/** The program with one instruction changed. */
function changed(i: number, change: (instruction: Instruction) => Partial<Instruction>): Program {
  const instructions = [...VALID.instructions];
  instructions[i] = { ...instructions[i], ...change(instructions[i]) };
  return { ...VALID, instructions };
}

function withOperand(name: InstructionName, slot: "a" | "b" | "c", change: Partial<Operand>, n = 0): Program {
  return changed(find(name, n), (instruction) => ({ [slot]: { ...instruction[slot], ...change } }));
}

function withParameter(name: InstructionName, k: number, value: number): Program {
  return changed(find(name), ({ p }) => ({ p: p.map((x, i) => (i === k ? value : x)) as unknown as Parameters8 }));
}

function rejects(program: Program, rule: RegExp): void {
  let thrown: unknown;
  try {
    validateProgram(program);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(InvalidProgramError);
  expect((thrown as InvalidProgramError).rule).toMatch(rule);
}

describe("validateProgram", () => {
  it("accepts a compiled program, which has two cached rows a layer", () => {
    validateProgram(VALID);
    expect(cacheRowCount(VALID)).toBe(2);
  });

  it("rejects programs as a whole", () => {
    rejects({ ...VALID, instructions: [] }, /has instructions/);
    rejects({ ...VALID, contextLength: 0 }, /contextLength/);
    rejects({ ...VALID, contextLength: 2 ** 22 + 1 }, /contextLength/);
    rejects({ ...VALID, weightRows: -1 }, /weightRows/);
    rejects({ ...VALID, weightRows: VALID.weightRows - 1 }, /below weightRows/);
    rejects({ ...VALID, instructions: VALID.instructions.slice(0, -1) }, /role token/);
  });

  it("rejects broken headers", () => {
    const last = VALID.instructions.length - 1;
    rejects(
      changed(0, () => ({ opcode: 0x7f })),
      /opcode is known/,
    );
    rejects(
      changed(0, () => ({ outType: "i8" })),
      /output type/,
    );
    rejects(
      changed(0, () => ({ outLength: 0 })),
      /outLength/,
    );
    rejects(
      changed(0, () => ({ outLength: 2 ** 24 + 1 })),
      /outLength/,
    );
    rejects(
      changed(find("fold_scores"), () => ({ outLength: 2 ** 24 + 1 })),
      /outLength/,
    );
    rejects({ ...changed(find("fold_scores"), () => ({ outLength: 2 ** 24 })), contextLength: 17 }, /2\^28/);
    rejects(
      changed(last, () => ({ role: 0 })),
      /role token/,
    );
    rejects(
      changed(find("fold_pick"), () => ({ role: 2 })),
      /role token/,
    );
    rejects(
      changed(last, () => ({ outLength: 3 })),
      /token row|length 2/,
    );
    rejects(
      changed(find("fold_scores"), () => ({ role: 1 })),
      /fixed length/,
    );
    rejects(
      changed(find("rescale"), () => ({ cacheSlot: 0 })),
      /cache slots/,
    );
    rejects(
      changed(find("rescale"), () => ({ cacheSlot: 2 })),
      /cache slots/,
    );
    rejects(
      changed(0, () => ({ cacheSlot: 1 })),
      /cache slots/,
    );
  });

  it("rejects broken operands", () => {
    const norm = find("norm");
    rejects(withOperand("norm", "a", { kind: "token" }), /operand a: its kind/);
    rejects(withOperand("norm", "a", { type: "i64" }), /operand a: its type/);
    rejects(withOperand("norm", "a", { index: norm }), /earlier/);
    rejects(withOperand("norm", "a", { index: norm + 1 }), /earlier/);
    rejects(withOperand("norm", "a", { length: 13 }), /those of its row/);
    rejects(withOperand("norm", "a", { mode: 1 }), /those of its row/);
    rejects(withOperand("norm", "a", { count: 1 }), /count is 0/);
    rejects(withOperand("norm", "c", { mode: 1 }), /weight rows/);
    rejects(withOperand("norm", "c", { length: 0 }), /length in/);
    rejects(withOperand("norm", "c", { count: 0 }), /count >= 1/);
    rejects(withOperand("norm", "c", { count: 2 }), /one row/);
    rejects(withOperand("norm", "c", { index: VALID.weightRows }), /below weightRows/);
    rejects(withOperand("embed", "a", { index: 1 }), /unused fields/);
    rejects(withOperand("rms", "b", { kind: "row" }), /its kind/);
    rejects(withOperand("rms", "c", { length: 1 }), /unused fields/);
    rejects(withOperand("fold_scores", "b", { count: 1 }), /cached row and its slot/);
    rejects(withOperand("fold_scores", "b", { index: find("rope") }), /cached row|those of its row/);
    rejects(withOperand("fold_scores", "b", { kind: "row", count: 0 }), /its kind/);
  });

  it("rejects parameters out of range", () => {
    const cases: readonly [InstructionName, parameter: number, values: number[], rule: RegExp][] = [
      ["fold_pick", 0, [-1], /base/],
      ["fold_scores", 0, [0, 5, 257], /D/],
      ["fold_scores", 1, [0, 2 ** 24], /mul/],
      ["fold_scores", 2, [-1, 63], /shift/],
      ["fold_scores", 3, [-1], /window/],
      ["fold_mix", 0, [0, 5], /D/],
      ["embed", 0, [-1, 63], /shift/],
      ["embed", 1, [0, 32], /bits/],
      ["rms", 0, [0, -1], /n >= 1/],
      ["rms", 1, [0, -1], /eps/],
      ["rms", 2, [-1, 17], /u in/],
      ["rms", 3, [-1, 63], /c in/],
      ["norm", 0, [-1, 63], /s1/],
      ["norm", 1, [-1, 63], /s2/],
      ["dequant", 0, [-1, 63], /k in/],
      ["dequant", 1, [0, 62], /mbits/],
      ["dequant", 2, [0, 62], /abits/],
      ["dequant", 2, [50], /abits \+ mbits/],
      ["dequant", 3, [-1, 63], /s in/],
      ["dequant", 4, [0, 32], /bits/],
      ["add", 0, [0, 32], /bits/],
      ["rope", 0, [-1, 63], /shift/],
      ["rescale", 0, [0, -1], /mul/],
      ["rescale", 1, [-1, 63], /s in/],
      ["exp2", 0, [11, 63], /f in/],
      ["exp2", 1, [0, 17, 11], /tb|2\^tb/],
      ["exp2", 2, [-1, 63], /s in/],
      ["divide", 0, [-1, 63], /k in/],
      ["gate", 0, [-1, 63], /s1/],
      ["gate", 1, [-1, 63], /s2/],
      ["gate", 2, [-1, 63], /s3/],
      ["weigh", 0, [0, 2 ** 24], /mul/],
      ["weigh", 1, [0, 17, 11], /tb|2\^tb/],
      ["weigh", 2, [-1, 63], /s in/],
    ];
    for (const [name, parameter, values, rule] of cases) {
      for (const value of values) rejects(withParameter(name, parameter, value), rule);
    }
  });

  it("rejects unused parameters that are not zero", () => {
    for (const name of Object.keys(INSTRUCTIONS) as InstructionName[]) {
      const used = INSTRUCTIONS[name].parameters.length;
      rejects(withParameter(name, used, 1), /unused ones are zero/);
      rejects(withParameter(name, 7, 1), /unused ones are zero/);
    }
    rejects(withParameter("embed", 0, 2 ** 31), /fit 32 bits/);
  });

  it("rejects shapes that do not fit together", () => {
    const outLength = (name: InstructionName, length: number) => changed(find(name), () => ({ outLength: length }));
    rejects(outLength("fold_sumsq", 5), /divides/);
    rejects(outLength("fold_amax", 5), /divides/);
    rejects(outLength("fold_max", 3), /divides/);
    rejects(outLength("fold_sum", 3), /divides/);
    rejects(outLength("fold_pick", 3), /length 2/);
    rejects(outLength("fold_dot", 17), /number of b's rows/);
    rejects(outLength("fold_scores", 5), /outLength \* D/);
    rejects(outLength("fold_mix", 15), /H \* D/);
    rejects(outLength("embed", 11), /length of b's rows/);
    rejects(outLength("draw", 1), /length 2/);
    for (const name of ["rms", "norm", "quantize", "add", "exp2", "divide", "gate", "weigh"] as const) {
      rejects(outLength(name, 997), /shape of a/);
    }
    rejects(outLength("rope", 2), /shape of a/);
    rejects(outLength("rescale", 2), /shape of a/);
    rejects(outLength("dequant", 2), /shape of a/);
    const perPosition = (name: InstructionName) => changed(find(name), () => ({ outMode: 1 }));
    for (const name of ["fold_sumsq", "fold_amax", "fold_max", "fold_sum"] as const)
      rejects(perPosition(name), /fixed length/);
    rejects(
      changed(find("fold_scores"), () => ({ outMode: 0 })),
      /per position/,
    );
    rejects(withOperand("embed", "c", { count: 1 }), /scale for every row/);
    rejects(withOperand("gate", "c", { length: 3 }), /even length/);
    rejects(withOperand("dequant", "c", { length: 3 }), /at least a's length/);
    rejects(withOperand("rope", "b", { length: 3 }), /even/);
    rejects(withOperand("norm", "c", { length: 11 }), /group's length/);
    rejects(
      changed(find("fold_dot"), () => ({ outType: "i64" })),
      /i8 makes i32/,
    );
  });

  it("rejects groups whose sums could leave int64", () => {
    // A sum of squares over the positions of a long context.
    const scores = VALID.instructions[find("fold_scores")];
    const i = find("fold_max");
    const a: Operand = { ...VALID.instructions[i].a, length: scores.outLength, mode: 1 };
    const long = changed(i, () => ({ opcode: INSTRUCTIONS.fold_sumsq.opcode, outType: "i64", a }));
    rejects({ ...long, contextLength: 2 ** 14 + 1 }, /2\^14/);
  });
});
