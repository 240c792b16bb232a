import { InstructionDecodeError, InstructionEncodeError } from "./errors.ts";
import { type InstructionName, instructionName, OPERAND_KINDS, type OperandKind } from "./table.ts";
import { ELEMENT_CODE, ELEMENT_TYPES, type ElementType } from "./types.ts";

/** 0: fixed length; 1 (per position): length times `t + 1`. */
export type Mode = 0 | 1;
/** 0 plain, 1 cached, 2 token. */
export type Role = 0 | 1 | 2;

/** Where an instruction takes its elements from (docs/machine.md, section 2). Unused fields are 0 and `i8`. */
export type Operand = {
  readonly kind: OperandKind;
  readonly type: ElementType;
  readonly mode: Mode;
  /** Instruction (row, cache) or first weight row (weights). */
  readonly index: number;
  /** Stated length in elements of the row, or of each weight row. */
  readonly length: number;
  /** Number of weight rows, or the cache slot. */
  readonly count: number;
};

export type Parameters8 = readonly [number, number, number, number, number, number, number, number];

/** One decoded instruction. */
export type Instruction = {
  readonly opcode: number;
  readonly outType: ElementType;
  readonly outMode: Mode;
  readonly role: Role;
  readonly outLength: number;
  readonly cacheSlot: number;
  readonly a: Operand;
  readonly b: Operand;
  readonly c: Operand;
  /** Parameters p0..p7, signed 32 bit. */
  readonly p: Parameters8;
};

/** Bytes of an encoded instruction. */
export const INSTRUCTION_BYTES = 128;

export const NO_OPERAND: Operand = { kind: "none", type: "i8", mode: 0, index: 0, length: 0, count: 0 };
export const TOKEN_OPERAND: Operand = { ...NO_OPERAND, kind: "token" };

const OPERAND_OFFSETS = { a: 32, b: 48, c: 64 } as const;
const PARAMETER_OFFSET = 96;
const RESERVED = [
  [12, 32],
  [80, 96],
] as const;

/** Name of an instruction's opcode; throws if this machine version has none. */
export function nameOf(instruction: Instruction): InstructionName {
  const name = instructionName(instruction.opcode);
  if (name === undefined) throw new InstructionDecodeError("opcode", String(instruction.opcode));
  return name;
}

/** The 128 bytes of an instruction, big-endian fields (docs/machine.md, section 2). */
export function encodeInstruction(instruction: Instruction): Uint8Array {
  const bytes = new Uint8Array(INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, unsigned("opcode", instruction.opcode, 8));
  view.setUint8(1, ELEMENT_CODE[instruction.outType]);
  view.setUint8(2, unsigned("outMode", instruction.outMode, 8));
  view.setUint8(3, unsigned("role", instruction.role, 8));
  view.setUint32(4, unsigned("outLength", instruction.outLength, 32));
  view.setUint32(8, unsigned("cacheSlot", instruction.cacheSlot, 32));
  for (const name of ["a", "b", "c"] as const) {
    const operand = instruction[name];
    const offset = OPERAND_OFFSETS[name];
    view.setUint8(offset, OPERAND_KINDS.indexOf(operand.kind));
    view.setUint8(offset + 1, ELEMENT_CODE[operand.type]);
    view.setUint8(offset + 2, unsigned(`operand ${name} mode`, operand.mode, 8));
    view.setUint32(offset + 4, unsigned(`operand ${name} index`, operand.index, 32));
    view.setUint32(offset + 8, unsigned(`operand ${name} length`, operand.length, 32));
    view.setUint32(offset + 12, unsigned(`operand ${name} count`, operand.count, 32));
  }
  instruction.p.forEach((value, i) => {
    if ((value | 0) !== value) throw new InstructionEncodeError(`p${i}`, value);
    view.setInt32(PARAMETER_OFFSET + 4 * i, value);
  });
  return bytes;
}

/** The instruction behind 128 bytes. Rejects what no encoder writes: unknown codes and bytes that must be zero. */
export function decodeInstruction(bytes: Uint8Array): Instruction {
  if (bytes.length !== INSTRUCTION_BYTES) throw new InstructionDecodeError("size", `${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [from, to] of RESERVED) {
    for (let i = from; i < to; i++) {
      if (bytes[i] !== 0) throw new InstructionDecodeError(`reserved byte ${i}`, String(bytes[i]));
    }
  }
  const opcode = view.getUint8(0);
  if (instructionName(opcode) === undefined) throw new InstructionDecodeError("opcode", String(opcode));
  const role = view.getUint8(3);
  if (role !== 0 && role !== 1 && role !== 2) throw new InstructionDecodeError("role", String(role));
  const p = (i: number) => view.getInt32(PARAMETER_OFFSET + 4 * i);
  return {
    opcode,
    outType: elementType("outType", view.getUint8(1)),
    outMode: mode("outMode", view.getUint8(2)),
    role,
    outLength: view.getUint32(4),
    cacheSlot: view.getUint32(8),
    a: decodeOperand(view, "a"),
    b: decodeOperand(view, "b"),
    c: decodeOperand(view, "c"),
    p: [p(0), p(1), p(2), p(3), p(4), p(5), p(6), p(7)],
  };
}

function decodeOperand(view: DataView, name: "a" | "b" | "c"): Operand {
  const offset = OPERAND_OFFSETS[name];
  const code = view.getUint8(offset);
  const kind = OPERAND_KINDS[code];
  if (kind === undefined) throw new InstructionDecodeError(`operand ${name} kind`, String(code));
  const reserved = view.getUint8(offset + 3);
  if (reserved !== 0) throw new InstructionDecodeError(`reserved byte ${offset + 3}`, String(reserved));
  return {
    kind,
    type: elementType(`operand ${name} type`, view.getUint8(offset + 1)),
    mode: mode(`operand ${name} mode`, view.getUint8(offset + 2)),
    index: view.getUint32(offset + 4),
    length: view.getUint32(offset + 8),
    count: view.getUint32(offset + 12),
  };
}

function elementType(field: string, code: number): ElementType {
  const type = ELEMENT_TYPES[code];
  if (type === undefined) throw new InstructionDecodeError(field, String(code));
  return type;
}

function mode(field: string, code: number): Mode {
  if (code !== 0 && code !== 1) throw new InstructionDecodeError(field, String(code));
  return code;
}

function unsigned(field: string, value: number, bits: 8 | 32): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) throw new InstructionEncodeError(field, value);
  return value;
}
