import { type Instruction, nameOf, type Operand } from "../machine/instruction.ts";
import type { Program } from "../machine/program.ts";
import { lengthAt, rowShape } from "../machine/shape.ts";
import { instructionName } from "../machine/table.ts";
import type { FalseRow } from "./economics.ts";

/** A way to spare work: rows that are false in every step, and what that spares. */
export type Lie = {
  readonly rows: readonly FalseRow[];
  /** True if one element of the head is false, so that the step emits any token that the liar wants. */
  readonly token: boolean;
  /** Share of a step's work that it spares while serving; a drawn step is computed in full afterwards. */
  readonly spared: number;
};

/** What lies are told about: a program at a position. */
export type LieSubject = {
  readonly program: Program;
  /** Position of the step: later ones attend to more rows. */
  readonly t: number;
  /** Share of the elements of an embedding's row that a constant row has wrong: `falseEmbeddingShare`. */
  readonly embeddingShare: number;
  /** Most proofs that an element of this instruction's row takes. */
  segments(instruction: Instruction, t: number): number;
};

/** Products and element operations of an instruction at a position. */
export function workOf(instruction: Instruction, t: number): number {
  const { length } = rowShape(instruction, t);
  const [size] = instruction.p;
  switch (nameOf(instruction)) {
    case "fold_dot":
      return length * instruction.a.length;
    case "fold_scores":
      return length * size;
    case "fold_mix":
      return length * (t + 1);
    default:
      return Math.max(length, instruction.a.kind === "row" ? lengthAt(instruction.a, t) : 0);
  }
}

/** What a program's steps are made of, for many lies about them. */
export class LieSearch {
  readonly #subject: LieSubject;
  readonly #work: readonly number[];
  readonly #all: number;
  /** The longest row that only the token depends on: one false element of it makes any token. */
  readonly #widest: number;

  constructor(subject: LieSubject) {
    this.#subject = subject;
    const { instructions } = subject.program;
    this.#work = instructions.map((instruction) => workOf(instruction, subject.t));
    this.#all = this.#spend(new Set(), false);
    const forCache = this.#needed(new Set(), true);
    const head = instructions.flatMap((instruction, i) =>
      forCache[i] || instruction.outMode === 1 ? [] : [this.#elements(instruction)],
    );
    this.#widest = Math.max(...head);
  }

  /** Elements of the row in which a token is forged. */
  get widestHeadRow(): number {
    return this.#widest;
  }

  /** The lie that these rows are constants (0 where it helps), chosen before any request, and with `token` that one element of the head is another. */
  lie(constant: readonly number[], token: boolean): Lie {
    const { program, t, embeddingShare, segments } = this.#subject;
    const rows = constant.map((i): FalseRow => {
      const instruction = program.instructions[i]!;
      const share = nameOf(instruction) === "embed" ? embeddingShare : 1;
      return { instruction: i, share, segments: segments(instruction, t) };
    });
    if (token) rows.push({ instruction: program.instructions.length - 1, share: 1 / this.#widest, segments: 1 });
    return { rows, token, spared: 1 - this.#spend(new Set(constant), token) / this.#all };
  }

  /** Every lie in one row, with and without a token, in a token only, and in two rows of which one is of `partners`. */
  *lies(partners: readonly number[] = []): Generator<Lie> {
    const places = this.#subject.program.instructions.map((_, i) => i);
    yield this.lie([], true);
    for (const i of places) for (const token of [false, true]) yield this.lie([i], token);
    for (const i of partners) for (const j of places) if (i !== j) yield this.lie([i, j], false);
  }

  #elements(instruction: Instruction): number {
    return rowShape(instruction, this.#subject.t).length;
  }

  /** Work of serving a step: rows that neither are constant nor follow from constants, and that something posted depends on. */
  #spend(constant: ReadonlySet<number>, token: boolean): number {
    const needed = this.#needed(constant, token);
    return this.#work.reduce((sum, work, i) => sum + (needed[i] ? work : 0), 0);
  }

  #needed(constant: ReadonlySet<number>, token: boolean): boolean[] {
    const { instructions } = this.#subject.program;
    const fixed: boolean[] = [];
    const zero: boolean[] = [];
    instructions.forEach((instruction, i) => {
      const operands = operandsOf(instruction);
      const varies = operands.some(({ kind, index }) => kind === "token" || (isRow(kind) && !fixed[index]));
      // A liar's constants are 0 where that helps: a scale of 0 makes a branch 0, whatever enters it.
      zero[i] = constant.has(i) || isZero(instruction, ({ kind, index }) => isRow(kind) && zero[index]!);
      // `draw` has the random number of a request.
      fixed[i] = zero[i] || !(varies || nameOf(instruction) === "draw");
    });
    const needed = instructions.map(({ role }) => role === 1 || (role === 2 && !token));
    for (let i = instructions.length - 1; i >= 0; i--) {
      if (fixed[i]) needed[i] = false;
      if (!needed[i]) continue;
      for (const { kind, index } of operandsOf(instructions[i]!)) if (isRow(kind)) needed[index] = true;
    }
    return needed;
  }
}

/** Whether a row is 0 throughout because operands are. */
function isZero(
  { opcode, a, b }: Pick<Instruction, "opcode" | "a" | "b">,
  zero: (operand: Operand) => boolean,
): boolean {
  switch (instructionName(opcode)) {
    case "norm":
    case "dequant":
    case "gate":
    case "fold_scores":
    case "fold_mix":
      return zero(a) || zero(b);
    case "add":
      return zero(a) && zero(b);
    case "fold_sum":
      return zero(a) && (b.kind === "none" || zero(b));
    case "fold_dot":
    case "fold_sumsq":
    case "fold_amax":
    case "quantize":
    case "rescale":
    case "rope":
    case "divide":
      return zero(a);
    default:
      return false;
  }
}

const operandsOf = ({ a, b, c }: Instruction): readonly Operand[] => [a, b, c];
const isRow = (kind: Operand["kind"]): boolean => kind === "row" || kind === "cache";

/**
 * Share of elements in which the best constant row differs from a token's embedding, over all tokens: what an honest row happens to share
 * with a constant one cannot be shown false. Elements are the int8 codes, which the scale makes differ even where codes agree, but for 0.
 */
export function falseEmbeddingShare(codes: Int8Array): number {
  let zeros = 0;
  for (const code of codes) if (code === 0) zeros++;
  return 1 - zeros / codes.length;
}
