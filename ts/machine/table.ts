import type { ElementType } from "./types.ts";

/** Operand kinds in the order of their codes. */
export const OPERAND_KINDS = ["none", "row", "cache", "weights", "token"] as const;
export type OperandKind = (typeof OPERAND_KINDS)[number];

/** Output and operand modes: 0 fixed length, 1 per position (`length * (t + 1)`). */
export const MODES = ["fixed", "per_position"] as const;
/** Roles in the order of their codes. */
export const ROLES = ["plain", "cached", "token"] as const;

/** Kinds and element types that an instruction accepts for an operand. */
export type OperandRule = { readonly kinds: readonly OperandKind[]; readonly types: readonly ElementType[] };

/** One line of the instruction table. */
export type InstructionSpec = {
  readonly opcode: number;
  readonly kind: "fold" | "map";
  /** Element types that its row may have. */
  readonly out: readonly ElementType[];
  readonly a: OperandRule;
  readonly b: OperandRule;
  readonly c: OperandRule;
  /** Names of `p0, p1, ...`; parameters beyond them are zero. */
  readonly parameters: readonly string[];
  /** Bytes of an accumulator on the wire; 0 for maps. */
  readonly accumulatorBytes: 0 | 8 | 16;
};

const row = (...types: ElementType[]): OperandRule => ({ kinds: ["row"], types });
const optionalRow = (...types: ElementType[]): OperandRule => ({ kinds: ["none", "row"], types });
const weights = (...types: ElementType[]): OperandRule => ({ kinds: ["weights"], types });
const rowOrWeights = (...types: ElementType[]): OperandRule => ({ kinds: ["row", "weights"], types });
const cache = (...types: ElementType[]): OperandRule => ({ kinds: ["cache"], types });
const token: OperandRule = { kinds: ["token"], types: [] };
const none: OperandRule = { kinds: ["none"], types: [] };

type Line = Omit<InstructionSpec, "kind" | "accumulatorBytes" | "b" | "c" | "parameters"> &
  Partial<Pick<InstructionSpec, "b" | "c" | "parameters">>;

const fold = (line: Line, accumulatorBytes: 8 | 16 = 8): InstructionSpec => ({
  b: none,
  c: none,
  parameters: [],
  ...line,
  kind: "fold",
  accumulatorBytes,
});
const map = (line: Line): InstructionSpec => ({
  b: none,
  c: none,
  parameters: [],
  ...line,
  kind: "map",
  accumulatorBytes: 0,
});

/**
 * The instruction table of machine version 1 (docs/machine.md, section 3): everything reads opcodes and operands from
 * here.
 */
export const INSTRUCTIONS = {
  fold_sumsq: fold({ opcode: 0x01, out: ["i64"], a: row("i32") }, 16),
  fold_amax: fold({ opcode: 0x02, out: ["i32"], a: row("i32") }),
  fold_max: fold({ opcode: 0x03, out: ["i32"], a: row("i32"), b: optionalRow("i32") }),
  fold_sum: fold({ opcode: 0x04, out: ["i64"], a: row("i16", "i32"), b: optionalRow("i64") }, 16),
  fold_pick: fold({ opcode: 0x05, out: ["i64"], a: row("i32"), b: row("i64"), parameters: ["base"] }, 16),
  fold_dot: fold({ opcode: 0x06, out: ["i32", "i64"], a: row("i8", "i16"), b: weights("i8") }),
  fold_scores: fold({
    opcode: 0x07,
    out: ["i32"],
    a: row("i16"),
    b: cache("i16"),
    parameters: ["D", "mul", "shift", "window"],
  }),
  fold_mix: fold({ opcode: 0x08, out: ["i64"], a: row("i16"), b: cache("i16"), parameters: ["D"] }),
  embed: map({
    opcode: 0x20,
    out: ["i32"],
    a: token,
    b: weights("i8"),
    c: weights("i32"),
    parameters: ["shift", "bits"],
  }),
  rms: map({ opcode: 0x21, out: ["i64"], a: row("i64"), parameters: ["n", "eps", "u", "c"] }),
  norm: map({
    opcode: 0x22,
    out: ["i32"],
    a: row("i32"),
    b: row("i64"),
    c: weights("i32"),
    parameters: ["s1", "s2"],
  }),
  quantize: map({ opcode: 0x23, out: ["i8", "i16"], a: row("i32"), b: row("i32") }),
  dequant: map({
    opcode: 0x24,
    out: ["i32"],
    a: row("i32", "i64"),
    b: row("i32"),
    c: weights("i32"),
    parameters: ["k", "mbits", "abits", "s", "bits"],
  }),
  add: map({ opcode: 0x25, out: ["i32"], a: row("i32"), b: rowOrWeights("i32"), parameters: ["bits"] }),
  rope: map({ opcode: 0x26, out: ["i16"], a: row("i32"), b: weights("i16"), parameters: ["shift"] }),
  rescale: map({ opcode: 0x27, out: ["i8", "i16", "i32"], a: row("i32"), parameters: ["mul", "s"] }),
  exp2: map({
    opcode: 0x28,
    out: ["i16", "i32"],
    a: row("i32"),
    b: row("i32"),
    c: weights("i32"),
    parameters: ["f", "tb", "s"],
  }),
  divide: map({ opcode: 0x29, out: ["i32"], a: row("i64"), b: row("i64"), parameters: ["k"] }),
  gate: map({
    opcode: 0x2a,
    out: ["i32"],
    a: row("i32"),
    b: row("i32"),
    c: weights("i16"),
    parameters: ["s1", "s2", "s3"],
  }),
  weigh: map({
    opcode: 0x2b,
    out: ["i32"],
    a: row("i32"),
    b: row("i32"),
    c: weights("i32"),
    parameters: ["mul", "tb", "s"],
  }),
  draw: map({ opcode: 0x2c, out: ["i64"], a: row("i64") }),
} as const satisfies Record<string, InstructionSpec>;

export type InstructionName = keyof typeof INSTRUCTIONS;

const NAMES = new Map<number, InstructionName>(
  (Object.keys(INSTRUCTIONS) as InstructionName[]).map((name) => [INSTRUCTIONS[name].opcode, name]),
);

/** Name of an opcode, `undefined` if this machine version has none. */
export function instructionName(opcode: number): InstructionName | undefined {
  return NAMES.get(opcode);
}
