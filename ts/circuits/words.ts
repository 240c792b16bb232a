// SPDX-License-Identifier: GPL-3.0-only
import { ELEMENT_CODE, type ElementType } from "../machine/types.ts";

/** A field of a packed public word: a value and its width in bits. */
export type Bits = readonly [value: bigint | number, width: number];

/** The fields from the least significant bit on. @throws RangeError if one does not fit. */
export function packBits(fields: readonly Bits[]): bigint {
  let out = 0n;
  let at = 0n;
  for (const [value, width] of fields) {
    const x = BigInt(value);
    if (x < 0n || x >> BigInt(width) !== 0n) throw new RangeError(`${x} does not fit ${width} bits`);
    out |= x << at;
    at += BigInt(width);
  }
  return out;
}

/** Where a circuit reads: a row of the step or of the weights, its shape, and the first element. */
export type CircuitRead = {
  readonly row: number;
  readonly type: ElementType;
  readonly length: number;
  readonly first: number;
};

/** A row that an instruction does not have. */
export const NO_READ: CircuitRead = { row: 0, type: "i8", length: 0, first: 0 };

/** 83 bits: row 24, type 2, length 29, first 28. */
export function readBits({ row, type, length, first }: CircuitRead): readonly Bits[] {
  return [
    [row, 24],
    [ELEMENT_CODE[type], 2],
    [length, 29],
    [first, 28],
  ];
}

/** The public word of up to three reads. */
export function packReads(reads: readonly CircuitRead[]): bigint {
  return packBits(reads.flatMap(readBits));
}
