import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { prng } from "../compiler/prng.ts";
import { InstructionDecodeError, InstructionEncodeError } from "./errors.ts";
import { decodeInstruction, encodeInstruction, INSTRUCTION_BYTES, type Instruction } from "./instruction.ts";
import { solidityOpcodes } from "./opcode-files.ts";
import { INSTRUCTIONS, type InstructionName, OPERAND_KINDS } from "./table.ts";
import { FUZZ } from "./testing/fuzz.ts";
import { ELEMENT_TYPES } from "./types.ts";

const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];

function randomInstruction(seed: number): Instruction {
  const random = prng(seed);
  const u32 = () => random.pick([0, 1, 2 ** 32 - 1, Math.floor(random.uniform() * 2 ** 32)]);
  const i32 = () => random.pick([0, -1, -(2 ** 31), 2 ** 31 - 1, Math.floor(random.uniform() * 2 ** 32) - 2 ** 31]);
  const operand = () => ({
    kind: random.pick(OPERAND_KINDS),
    type: random.pick(ELEMENT_TYPES),
    mode: random.pick([0, 1] as const),
    index: u32(),
    length: u32(),
    count: u32(),
  });
  return {
    opcode: INSTRUCTIONS[random.pick(NAMES)].opcode,
    outType: random.pick(ELEMENT_TYPES),
    outMode: random.pick([0, 1] as const),
    role: random.pick([0, 1, 2] as const),
    outLength: u32(),
    cacheSlot: u32(),
    a: operand(),
    b: operand(),
    c: operand(),
    p: [i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32()],
  };
}

describe("encoding", () => {
  it("comes back from its bytes", () => {
    for (let seed = 0; seed < 500 * FUZZ; seed++) {
      const instruction = randomInstruction(seed);
      const bytes = encodeInstruction(instruction);
      expect(bytes.length).toBe(INSTRUCTION_BYTES);
      expect(decodeInstruction(bytes)).toEqual(instruction);
      expect(encodeInstruction(decodeInstruction(bytes))).toEqual(bytes);
    }
  });

  it("rejects every byte that no encoder writes", () => {
    const bytes = encodeInstruction(randomInstruction(1));
    const bad: readonly [offset: number, value: number][] = [
      [0, 0x00],
      [0, 0x09],
      [0, 0x2d],
      [1, 4],
      [2, 2],
      [3, 3],
      ...[12, 20, 31, 80, 95].map((offset): [number, number] => [offset, 1]),
      ...[32, 48, 64].flatMap((offset): [number, number][] => [
        [offset, 5],
        [offset + 1, 4],
        [offset + 2, 2],
        [offset + 3, 1],
      ]),
    ];
    for (const [offset, value] of bad) {
      const changed = bytes.slice();
      changed[offset] = value;
      expect(() => decodeInstruction(changed), `byte ${offset} = ${value}`).toThrow(InstructionDecodeError);
    }
    expect(() => decodeInstruction(bytes.subarray(1))).toThrow(InstructionDecodeError);
  });

  it("rejects fields that do not fit", () => {
    const instruction = randomInstruction(2);
    expect(() => encodeInstruction({ ...instruction, outLength: 2 ** 32 })).toThrow(InstructionEncodeError);
    expect(() => encodeInstruction({ ...instruction, p: [0.5, 0, 0, 0, 0, 0, 0, 0] })).toThrow(InstructionEncodeError);
    const a = { ...instruction.a, count: -1 };
    expect(() => encodeInstruction({ ...instruction, a })).toThrow(InstructionEncodeError);
  });

  it("reads instructions at an offset of a larger buffer", () => {
    const instruction = randomInstruction(3);
    const bytes = new Uint8Array(1 + INSTRUCTION_BYTES);
    bytes.set(encodeInstruction(instruction), 1);
    expect(decodeInstruction(bytes.subarray(1))).toEqual(instruction);
  });
});

describe("the table", () => {
  it("has an opcode of its own for every instruction", () => {
    expect(new Set(NAMES.map((name) => INSTRUCTIONS[name].opcode)).size).toBe(NAMES.length);
  });

  it("is what src/machine/Opcodes.sol was generated from", () => {
    const committed = readFileSync(new URL("../../src/machine/Opcodes.sol", import.meta.url), "utf8");
    expect(committed, "run: npx tsx tools/generate-opcodes.ts").toBe(solidityOpcodes());
  });
});
