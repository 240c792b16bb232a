import type { FaultyModel } from "../../adversary/random-fault.ts";
import type { Prng } from "../../compiler/prng.ts";
import { InvalidProgramError } from "../../machine/errors.ts";
import { decodeInstruction, type Operand } from "../../machine/instruction.ts";
import { type Program, validateProgram } from "../../machine/program.ts";
import type { InstructionName } from "../../machine/table.ts";
import { randomProgram } from "../../machine/testing/random-program.ts";
import { ELEMENT_BYTES } from "../../machine/types.ts";
import { WeightStore } from "../../machine/weights.ts";

/** Positions that a game needs at least. */
const POSITIONS = 8;
const TRIES = 1000;

/**
 * A random program that the validator accepts, around an instruction, with random weights: nothing that a compiler would make. Small, so
 * that a game about it is quick.
 */
export function randomModel(name: InstructionName, random: Prng): FaultyModel {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const { instructions, weightRows, contextLength } = randomProgram(name, random);
    const program: Program = { instructions: instructions.map(decodeInstruction), weightRows, contextLength };
    const weights = randomWeights(program, random);
    const rows = program.instructions.reduce((sum, { outLength }) => sum + outLength, 0);
    if (contextLength < POSITIONS || weights === undefined || rows > 20_000 || !isValid(program)) continue;
    return { program, weights, vocabSize: vocabSizeOf(program) };
  }
  throw new Error(`No small random program with ${name} was found.`);
}

/** Some random programs are valid for short contexts only. */
function isValid(program: Program): boolean {
  try {
    validateProgram(program);
    return true;
  } catch (error) {
    if (error instanceof InvalidProgramError) return false;
    throw error;
  }
}

/** Weight rows as the program states them, of random bytes; `undefined` if they are many. */
function randomWeights({ instructions, weightRows }: Program, random: Prng): WeightStore | undefined {
  const operands = new Map<number, Operand>();
  for (const { a, b, c } of instructions)
    for (const operand of [a, b, c]) if (operand.kind === "weights") operands.set(operand.index, operand);
  let [rows, bytes] = [0, 0];
  const sections = [...operands.values()]
    .sort((x, y) => x.index - y.index)
    .map(({ type, length, index, count }) => {
      const section = { name: `${index}`, type, length, first: index, count, byteOffset: bytes };
      rows += count;
      bytes = Math.ceil((bytes + count * length * ELEMENT_BYTES[type]) / 8) * 8;
      return section;
    });
  if (rows !== weightRows || bytes > 1 << 20) return undefined;
  const buffer = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) buffer[i] = random.int(0, 255);
  return new WeightStore(buffer.buffer, sections);
}

/** Tokens that every `embed` has a row for. */
function vocabSizeOf({ instructions }: Program): number {
  const counts = instructions.filter(({ a }) => a.kind === "token").map(({ b }) => b.count);
  return Math.min(40, ...counts);
}
