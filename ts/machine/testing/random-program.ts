import type { Prng } from "../../compiler/prng.ts";
import {
  encodeInstruction,
  type Instruction,
  type Mode,
  NO_OPERAND,
  type Operand,
  TOKEN_OPERAND,
} from "../instruction.ts";
import { INSTRUCTIONS, type InstructionName } from "../table.ts";
import type { ElementType } from "../types.ts";
import { randomCase } from "./random-case.ts";

/** A program as it is registered: bytes, and the model's dimensions that its rules speak of. */
export type ProgramBytes = {
  readonly instructions: readonly Uint8Array[];
  readonly weightRows: number;
  readonly contextLength: number;
};

type Draft = Partial<Instruction> & Pick<Instruction, "opcode" | "outType" | "outLength">;

/** Collects instructions; rows that a random instruction reads are made by instructions before it. */
class Producer {
  readonly instructions: Instruction[] = [];
  weightRows = 0;
  #cacheRows = 0;

  push(draft: Draft): Operand {
    const role = draft.role ?? 0;
    const plain = {
      outMode: 0,
      role,
      a: NO_OPERAND,
      b: NO_OPERAND,
      c: NO_OPERAND,
      p: [0, 0, 0, 0, 0, 0, 0, 0],
    } as const;
    const cacheSlot = role === 1 ? this.#cacheRows++ : 0;
    const instruction: Instruction = { ...plain, ...draft, cacheSlot };
    const index = this.instructions.push(instruction) - 1;
    const { outType: type, outMode: mode, outLength: length } = instruction;
    if (role === 1) return { kind: "cache", type, mode, index, length, count: cacheSlot };
    return { kind: "row", type, mode, index, length, count: 0 };
  }

  weights(type: ElementType, length: number, count: number): Operand {
    const operand: Operand = { kind: "weights", type, mode: 0, index: this.weightRows, length, count };
    this.weightRows += count;
    return operand;
  }

  /** A row of this type and shape, made of simpler ones. */
  row(type: ElementType, length: number, mode: Mode, role: 0 | 1 = 0): Operand {
    const p = (...values: number[]) => Object.assign([0, 0, 0, 0, 0, 0, 0, 0], values) as unknown as Instruction["p"];
    if (mode === 1) {
      // Scores over heads of one element are the only rows per position that need none.
      const scores = () => {
        const a = this.row("i16", length, 0);
        const b = this.row("i16", length, 0, 1);
        const { opcode } = INSTRUCTIONS.fold_scores;
        return this.push({ opcode, outType: "i32", outLength: length, outMode: 1, a, b, p: p(1, 1, 0, 0) });
      };
      const a = scores();
      if (type === "i32") return a;
      const { opcode } = INSTRUCTIONS.rescale;
      return this.push({ opcode, outType: type, outLength: length, outMode: 1, a, p: p(1, 0) });
    }
    if (type === "i32" && role === 0) {
      const [b, c] = [this.weights("i8", length, 1), this.weights("i32", 1, 1)];
      const { opcode } = INSTRUCTIONS.embed;
      return this.push({ opcode, outType: "i32", outLength: length, a: TOKEN_OPERAND, b, c, p: p(0, 24) });
    }
    const a = this.row("i32", length, 0);
    if (type === "i64")
      return this.push({ opcode: INSTRUCTIONS.fold_sum.opcode, outType: "i64", outLength: length, a });
    const { opcode } = INSTRUCTIONS.rescale;
    return this.push({ opcode, outType: type, outLength: length, role, a, p: p(1, 0) });
  }

  /** An operand like this one, over a row or weights of this program. */
  operand(like: Operand): Operand {
    switch (like.kind) {
      case "row":
        return this.row(like.type, like.length, like.mode);
      case "cache":
        return this.row(like.type, like.length, 0, 1);
      case "weights":
        return this.weights(like.type, like.length, like.count);
      default:
        return like;
    }
  }

  /** Ends the program with the token row. */
  end() {
    const a = this.row("i32", 3, 0);
    const b = this.row("i64", 2, 0);
    this.push({ opcode: INSTRUCTIONS.fold_pick.opcode, outType: "i64", outLength: 2, role: 2, a, b });
  }
}

/** Whether some instruction makes such a row: nothing makes an i64 per position but what takes one. */
const canBeMade = (operand: Operand) => !(operand.kind === "row" && operand.mode === 1 && operand.type === "i64");

/** A program around a random instruction of this name and `extra` others. Valid for the shorter contexts at least. */
export function randomProgram(name: InstructionName, random: Prng, extra = random.int(0, 2)): ProgramBytes {
  const producer = new Producer();
  const names = [name];
  for (let k = 0; k < extra; k++) names.push(random.pick(Object.keys(INSTRUCTIONS) as InstructionName[]));
  for (const each of names) {
    let { instruction } = randomCase(each, random);
    while (![instruction.a, instruction.b, instruction.c].every(canBeMade))
      ({ instruction } = randomCase(each, random));
    const [a, b, c] = [instruction.a, instruction.b, instruction.c].map((like) => producer.operand(like));
    producer.push({ ...instruction, a, b, c });
  }
  producer.end();
  return {
    instructions: producer.instructions.map(encodeInstruction),
    weightRows: producer.weightRows + random.pick([0, 0, 1]),
    contextLength: random.pick([1, 12, 2048, 2 ** 22]),
  };
}

/** Where the fields of an instruction lie, and how wide they are (docs/machine.md, section 2). */
const FIELDS: readonly (readonly [offset: number, bytes: 1 | 4])[] = [
  ...[0, 1, 2, 3].map((offset) => [offset, 1] as const),
  ...[4, 8].map((offset) => [offset, 4] as const),
  ...[32, 48, 64].flatMap((operand) => [
    ...[0, 1, 2, 3].map((offset) => [operand + offset, 1] as const),
    ...[4, 8, 12].map((offset) => [operand + offset, 4] as const),
  ]),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((k) => [96 + 4 * k, 4] as const),
];
/** Values at which rules begin or end. */
const BORDERS = [
  0,
  1,
  2,
  3,
  4,
  15,
  16,
  17,
  31,
  32,
  61,
  62,
  63,
  64,
  127,
  128,
  255,
  256,
  257,
  2 ** 14,
  2 ** 14 + 1,
  2 ** 16,
  2 ** 22,
  2 ** 22 + 1,
  2 ** 24 - 1,
  2 ** 24,
  2 ** 24 + 1,
  2 ** 28,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];

/** The program with one to three things changed: a field, a byte, an instruction moved, dropped or repeated, a dimension. */
export function mutatedProgram(program: ProgramBytes, random: Prng): ProgramBytes {
  const instructions = program.instructions.map((bytes) => Uint8Array.from(bytes));
  let { weightRows, contextLength } = program;
  for (let changes = random.pick([1, 1, 1, 2, 3]); changes > 0; changes--) {
    const at = random.int(0, instructions.length - 1);
    const bytes = instructions[at];
    const view = new DataView(bytes.buffer);
    switch (random.int(0, 11)) {
      case 0:
        bytes[random.int(0, 127)] = random.int(0, 255);
        break;
      case 1:
        instructions.splice(at, 1);
        if (instructions.length === 0) instructions.push(bytes);
        break;
      case 2:
        instructions.splice(random.int(0, instructions.length), 0, Uint8Array.from(bytes));
        break;
      case 3: {
        const other = random.int(0, instructions.length - 1);
        [instructions[at], instructions[other]] = [instructions[other], instructions[at]];
        break;
      }
      case 4:
        weightRows = random.pick([0, Math.max(weightRows - 1, 0), Math.min(weightRows + 1, 2 ** 32 - 1), 2 ** 32 - 1]);
        break;
      case 5:
        contextLength = random.pick([0, 1, 2 ** 14, 2 ** 14 + 1, 2 ** 22, 2 ** 22 + 1, 2 ** 32 - 1]);
        break;
      default: {
        const [offset, width] = random.pick(FIELDS);
        const old = width === 1 ? view.getUint8(offset) : view.getUint32(offset);
        const value = random.pick([random.pick(BORDERS), old + 1, old - 1, old * 2]);
        if (width === 1) view.setUint8(offset, random.pick([0, 1, 2, 3, 4, 5, value]));
        else view.setUint32(offset, value);
      }
    }
  }
  return { instructions, weightRows, contextLength };
}

/** The program, once for each field of its instruction `at` and each value at which a rule of that field may begin or end. */
export function programsAtBorders(program: ProgramBytes, at: number): ProgramBytes[] {
  const original = program.instructions[at];
  return FIELDS.flatMap(([offset, width]) => {
    const view = new DataView(original.buffer, original.byteOffset);
    const old = width === 1 ? view.getUint8(offset) : view.getUint32(offset);
    const values = width === 1 ? [0, 1, 2, 3, 4, 5, old + 1, 255] : [...BORDERS, old - 1, old + 1, old * 2];
    const limit = 256 ** width;
    return [...new Set(values.map((value) => (value + limit) % limit))].map((value) => {
      const bytes = Uint8Array.from(original);
      if (width === 1) bytes[offset] = value;
      else new DataView(bytes.buffer).setUint32(offset, value);
      return { ...program, instructions: program.instructions.with(at, bytes) };
    });
  });
}
