import { type ElementType, newRow, type Row, rowBytes } from "../machine/types.ts";

/** Rows of pseudo-random bytes, none of them zero, by name: what nobody could hold in memory, one row at a time. */
export class RandomRows {
  readonly #rows = new Map<string, Row>();

  row(name: string, type: ElementType, length: number): Row {
    const known = this.#rows.get(name) ?? randomRow(name, type, length);
    this.#rows.set(name, known);
    return known;
  }
}

function randomRow(name: string, type: ElementType, length: number): Row {
  const row = newRow(type, length);
  let state = 0x9e3779b9;
  for (const char of name) state = Math.imul(state ^ char.charCodeAt(0), 0x01000193) | 1;
  const bytes = rowBytes(row);
  for (let i = 0; i < bytes.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = (state >>> 8) & 255 || 1;
  }
  return row;
}
