import { InvalidProgramError } from "./errors.ts";
import type { Instruction, Operand } from "./instruction.ts";
import { SEMANTICS } from "./registry.ts";
import type { BrokenRule } from "./semantics.ts";
import { firstBroken, fixed, outShape, sameShape, within } from "./shape.ts";
import { INSTRUCTIONS, type InstructionSpec, instructionName, type OperandRule } from "./table.ts";

/**
 * A model's program: instructions in topological order, over `weightRows` weight rows, for positions below
 * `contextLength`.
 */
export type Program = {
  readonly instructions: readonly Instruction[];
  readonly weightRows: number;
  readonly contextLength: number;
};

/** Limits of docs/machine.md, section 3. */
export const LIMITS = {
  length: 2 ** 24,
  /** `outLength * contextLength` of a per-position row. */
  positionElements: 2 ** 28,
  contextLength: 2 ** 22,
  weightRows: 2 ** 32 - 1,
} as const;

/** Throws `InvalidProgramError` at the first broken rule of docs/machine.md, sections 2 and 3. */
export function validateProgram(program: Program): void {
  const { instructions } = program;
  const broken = firstBroken(
    [within(program.contextLength, 1, LIMITS.contextLength), "contextLength in 1..2^22"],
    [within(program.weightRows, 0, LIMITS.weightRows), "weightRows fits 32 bits"],
    [instructions.length > 0, "a program has instructions"],
  );
  if (broken !== undefined) throw new InvalidProgramError(undefined, "", broken);
  let cacheRows = 0;
  for (let i = 0; i < instructions.length; i++) {
    const instruction = instructions[i];
    const name = instructionName(instruction.opcode);
    if (name === undefined) throw new InvalidProgramError(i, `opcode ${instruction.opcode}`, "the opcode is known");
    const rule =
      brokenHeader(program, i, cacheRows) ??
      brokenOperands(program, i, INSTRUCTIONS[name]) ??
      firstBroken([
        instruction.p.every(
          (value, k) =>
            within(value, -(2 ** 31), 2 ** 31 - 1) && (k < INSTRUCTIONS[name].parameters.length || value === 0),
        ),
        "parameters fit 32 bits and unused ones are zero",
      ]) ??
      SEMANTICS[name].validate(instruction, program.contextLength);
    if (rule !== undefined) throw new InvalidProgramError(i, name, rule);
    if (instruction.role === 1) cacheRows++;
  }
}

/** Number of cached rows of one step. */
export function cacheRowCount(program: Program): number {
  return program.instructions.reduce((count, { role }) => count + (role === 1 ? 1 : 0), 0);
}

function brokenHeader({ instructions, contextLength }: Program, i: number, cacheRows: number): BrokenRule {
  const { outLength, outMode, outType, role, cacheSlot, opcode } = instructions[i];
  const name = instructionName(opcode)!;
  const types: InstructionSpec["out"] = INSTRUCTIONS[name].out;
  const last = i === instructions.length - 1;
  return firstBroken(
    [types.includes(outType), `the output type is one of ${types.join(", ")}`],
    [within(outLength, 1, LIMITS.length), "outLength in 1..2^24"],
    [outMode === 0 || outLength * contextLength <= LIMITS.positionElements, "outLength * contextLength <= 2^28"],
    [(role === 2) === last, "the last instruction, and no other, has role token"],
    [
      role !== 2 || (outType === "i64" && fixed({ length: outLength, mode: outMode }, 2)),
      "the token row is i64 of length 2",
    ],
    [role !== 1 || outMode === 0, "a cached row has a fixed length"],
    [cacheSlot === (role === 1 ? cacheRows : 0), "cache slots count the cached rows, 0 for the others"],
  );
}

function brokenOperands(program: Program, i: number, spec: InstructionSpec): BrokenRule {
  for (const name of ["a", "b", "c"] as const) {
    const rule = brokenOperand(program, i, program.instructions[i][name], spec[name]);
    if (rule !== undefined) return `operand ${name}: ${rule}`;
  }
  return undefined;
}

function brokenOperand(program: Program, i: number, operand: Operand, rule: OperandRule): BrokenRule {
  const { kind, type, mode, index, length, count } = operand;
  if (!rule.kinds.includes(kind)) return `its kind is one of ${rule.kinds.join(", ")}`;
  if (kind === "none" || kind === "token") {
    const zero = type === "i8" && mode === 0 && index === 0 && length === 0 && count === 0;
    return firstBroken([zero, "unused fields are zero"]);
  }
  if (!rule.types.includes(type)) return `its type is one of ${rule.types.join(", ")}`;
  if (kind === "weights") {
    return firstBroken(
      [mode === 0, "weight rows have a fixed length"],
      [within(length, 1, LIMITS.length), "length in 1..2^24"],
      [within(count, 1, LIMITS.weightRows), "count >= 1"],
      [within(index, 0, LIMITS.weightRows) && index + count <= program.weightRows, "the range is below weightRows"],
    );
  }
  if (!within(index, 0, i - 1)) return "it names an earlier instruction";
  const source = program.instructions[index];
  return firstBroken(
    [type === source.outType && sameShape(operand, outShape(source)), "type, length and mode are those of its row"],
    kind === "row"
      ? [count === 0, "count is 0"]
      : [source.role === 1 && mode === 0 && count === source.cacheSlot, "it names a cached row and its slot"],
  );
}
