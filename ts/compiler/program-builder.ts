import {
  type Instruction,
  type Mode,
  NO_OPERAND,
  type Operand,
  type Parameters8,
  type Role,
} from "../machine/instruction.ts";
import { INSTRUCTIONS, type InstructionName } from "../machine/table.ts";
import type { ElementType } from "../machine/types.ts";

/** What an instruction is made of, where the table does not say it. */
export type Emit = {
  readonly type: ElementType;
  readonly length: number;
  /** 1 for a row over positions. */
  readonly mode?: Mode;
  readonly role?: Role;
  readonly a: Operand;
  readonly b?: Operand;
  readonly c?: Operand;
  /** Parameters in the order of the instruction table. */
  readonly p?: readonly number[];
};

/** Writes instructions in order and hands out operands that refer to them. */
export class ProgramBuilder {
  readonly instructions: Instruction[] = [];
  #cacheRows = 0;

  /** Appends an instruction; returns its row as an operand: `cache` if the row is cached, else `row`. */
  emit(name: InstructionName, { type, length, mode = 0, role = 0, a, b, c, p = [] }: Emit): Operand {
    const index = this.instructions.length;
    const cacheSlot = role === 1 ? this.#cacheRows++ : 0;
    const parameter = (i: number) => p[i] ?? 0;
    const all: Parameters8 = [
      parameter(0),
      parameter(1),
      parameter(2),
      parameter(3),
      parameter(4),
      parameter(5),
      parameter(6),
      parameter(7),
    ];
    this.instructions.push({
      opcode: INSTRUCTIONS[name].opcode,
      outType: type,
      outMode: mode,
      role,
      outLength: length,
      cacheSlot,
      a,
      b: b ?? NO_OPERAND,
      c: c ?? NO_OPERAND,
      p: all,
    });
    const kind = role === 1 ? "cache" : "row";
    return { kind, type, mode, index, length, count: cacheSlot };
  }

  /** As many elements in the shape of `like`. */
  map(name: InstructionName, like: Operand, type: ElementType, rest: Omit<Emit, "type" | "length" | "mode">): Operand {
    return this.emit(name, { type, length: like.length, mode: like.mode, ...rest });
  }
}
