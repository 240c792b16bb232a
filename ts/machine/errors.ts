import { BaseError } from "../errors.ts";

/** The bytes are not an instruction of this machine version. */
export class InstructionDecodeError extends BaseError {
  constructor(field: string, got: string) {
    super(`An instruction's ${field} is not valid.`, {
      code: "machine.instruction.decode",
      metaMessages: [`Got: ${got}`, "See docs/machine.md, section 2, for the layout of the 128 bytes."],
    });
  }
}

/** A field of an instruction does not fit its place in the encoding. */
export class InstructionEncodeError extends BaseError {
  constructor(field: string, got: number) {
    super(`An instruction's ${field} does not fit its field.`, {
      code: "machine.instruction.encode",
      metaMessages: [`Got: ${got}`],
    });
  }
}

/** A program breaks one of the validator's rules. */
export class InvalidProgramError extends BaseError {
  /** Instruction that breaks the rule, or `undefined` for a rule about the whole program. */
  readonly instruction: number | undefined;
  readonly rule: string;

  constructor(instruction: number | undefined, name: string, rule: string) {
    super(
      instruction === undefined ? "The program is not valid." : `Instruction ${instruction} (${name}) is not valid.`,
      {
        code: "machine.program",
        metaMessages: [`Rule: ${rule}`, "See docs/machine.md, section 2 and section 3, limits."],
      },
    );
    this.instruction = instruction;
    this.rule = rule;
  }
}

/** A row has another type or length than its reader expects. */
export class RowMismatchError extends BaseError {
  constructor(where: string, expected: string, got: string) {
    super(`A row of ${where} has another shape than the program states.`, {
      code: "machine.row",
      metaMessages: [`Expected: ${expected}`, `Got: ${got}`],
    });
  }
}

/** Weight rows were asked for that the model does not have, or not as one contiguous range. */
export class WeightRangeError extends BaseError {
  constructor(first: number, count: number, reason: string) {
    super(`Weight rows ${first}..${first + count - 1} cannot be read as one range.`, {
      code: "machine.weights",
      metaMessages: [reason, "Check that these weights belong to this program."],
    });
  }
}

/** Cached rows were asked for that have not been stored, or stored out of order. */
export class CacheRangeError extends BaseError {
  constructor(slot: number, position: number, stored: number) {
    super(`Cache slot ${slot} cannot be used at position ${position}.`, {
      code: "machine.cache",
      metaMessages: [`Stored positions: ${stored}`, "Steps run in order of their positions, from 0."],
    });
  }
}

/** A step's input (position, token, temperature, request) is outside its range. */
export class StepInputError extends BaseError {
  constructor(field: string, expected: string, got: string) {
    super(`A step's ${field} is out of range.`, {
      code: "machine.step",
      metaMessages: [`Expected: ${expected}`, `Got: ${got}`],
    });
  }
}

/** A fold was asked for a later block without the accumulator of the blocks before it. */
export class BlockError extends BaseError {
  constructor(name: string, block: number) {
    super(`Block ${block} of ${name} cannot be evaluated.`, {
      code: "machine.block",
      metaMessages: ["Every block but the first needs the accumulator after the block before it."],
    });
  }
}

/** Rows are little-endian views without a copy, which needs a little-endian host. */
export class UnsupportedHostError extends BaseError {
  constructor() {
    super("This host is big-endian; the machine keeps rows as little-endian memory.", { code: "machine.host" });
  }
}
