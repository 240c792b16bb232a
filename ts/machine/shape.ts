import type { Instruction, Mode, Operand } from "./instruction.ts";
import type { BrokenRule } from "./semantics.ts";
import type { ElementType } from "./types.ts";

/** Length of a row as stated: `length` elements, times `t + 1` if `mode` is 1. */
export type Shape = { readonly length: number; readonly mode: Mode };

/** Elements of an instruction's row at position t, and its type. */
export function rowShape(instruction: Instruction, t: number): { type: ElementType; length: number } {
  return { type: instruction.outType, length: lengthAt(outShape(instruction), t) };
}

/** Elements of a row of this shape at position t. */
export function lengthAt(shape: Shape, t: number): number {
  return shape.mode === 1 ? shape.length * (t + 1) : shape.length;
}

/** Shape of the row that the instruction makes. */
export function outShape(instruction: Instruction): Shape {
  return { length: instruction.outLength, mode: instruction.outMode };
}

export function sameShape(x: Shape, y: Shape): boolean {
  return x.length === y.length && x.mode === y.mode;
}

/** True if x has this fixed length at every position. */
export function fixed(x: Shape, length: number): boolean {
  return x.mode === 0 && x.length === length;
}

/** True if `groups` divides `grouped` at every position: equal modes, or one group of `t + 1` elements per head. */
export function groupsDivide(grouped: Shape, groups: Shape): boolean {
  if (grouped.mode === groups.mode) return grouped.length % groups.length === 0;
  return grouped.mode === 1 && grouped.length === groups.length;
}

/** Size g of a group at position t, for a validated instruction. */
export function groupSize(grouped: Shape, groups: Shape, t: number): number {
  return lengthAt(grouped, t) / lengthAt(groups, t);
}

/** True if the operand is a weight range of exactly one row. */
export function oneRow(operand: Operand): boolean {
  return operand.count === 1;
}

/** The first rule whose condition is false, in words. */
export function firstBroken(...rules: readonly (readonly [condition: boolean, rule: string])[]): BrokenRule {
  return rules.find(([condition]) => !condition)?.[1];
}

/** True if x is an integer in lo..hi. */
export function within(x: number, lo: number, hi: number): boolean {
  return Number.isInteger(x) && x >= lo && x <= hi;
}

/** Shifts and exponents are 0..62, so that every constant fits 64 bits. */
export const isShift = (s: number): boolean => within(s, 0, 62);
/** Saturation bits of an i32 result. */
export const isBits = (bits: number): boolean => within(bits, 1, 31);
