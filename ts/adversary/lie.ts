import type { Row } from "../machine/types.ts";

/**
 * A way to cheat, for the demo and the tests. Every hook returns `undefined` where it does not lie; `t` is the step, `i` the
 * instruction.
 */
export interface Lie {
  readonly name: string;
  /** A row computed differently: everything after it is computed from the lie. */
  computed?(t: number, i: number, row: Row): Row | undefined;
  /** A row committed differently from what it was computed as: nothing else changes. */
  committed?(t: number, i: number, row: Row): Row | undefined;
}

/** The row with one bit flipped; `bit` counts from the lowest bit of the first byte, modulo the row's size. */
export function flipBit(row: Row, bit: number): Row {
  const data = row.data.slice();
  const bytes = new Uint8Array(data.buffer);
  const at = bit % (8 * bytes.length);
  bytes[at >> 3] ^= 1 << (at & 7);
  return { type: row.type, data } as Row;
}

/** One bit of one row of one step. */
export function bitFlip(step: number, row: number, bit: number, propagate: boolean): Lie {
  const flip = (t: number, i: number, honest: Row) => (t === step && i === row ? flipBit(honest, bit) : undefined);
  const name = `bit ${bit} of row ${row} of step ${step}${propagate ? ", propagated" : ""}`;
  return propagate ? { name, computed: flip } : { name, committed: flip };
}
