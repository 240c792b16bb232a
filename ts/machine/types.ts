import { RowMismatchError, UnsupportedHostError } from "./errors.ts";

/** Element types in the order of their codes: a type of code c has `2^c` bytes. */
export const ELEMENT_TYPES = ["i8", "i16", "i32", "i64"] as const;
export type ElementType = (typeof ELEMENT_TYPES)[number];

/** Code of each type on the wire (docs/machine.md, section 1). */
export const ELEMENT_CODE = { i8: 0, i16: 1, i32: 2, i64: 3 } as const satisfies Record<ElementType, number>;
/** Bytes of one element. */
export const ELEMENT_BYTES = { i8: 1, i16: 2, i32: 4, i64: 8 } as const satisfies Record<ElementType, number>;
/** Saturation bits of each type: values are kept in `[-(2^b - 1), 2^b - 1]`. */
export const ELEMENT_BITS = { i8: 7, i16: 15, i32: 31, i64: 63 } as const satisfies Record<ElementType, number>;

type DataByType = { i8: Int8Array; i16: Int16Array; i32: Int32Array; i64: BigInt64Array };
/** The typed array that holds elements of type T. */
export type DataOf<T extends ElementType> = DataByType[T];
/** A row of one element type: `data` may be a view into a larger buffer. */
export type RowOf<T extends ElementType> = { readonly type: T; readonly data: DataOf<T> };
/** A vector of one type; a union that is told apart by `type`. */
export type Row = { [T in ElementType]: RowOf<T> }[ElementType];

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
if (!LITTLE_ENDIAN) throw new UnsupportedHostError();

/** A row of `length` zeros. */
export function newRow(type: ElementType, length: number): Row {
  switch (type) {
    case "i8":
      return { type, data: new Int8Array(length) };
    case "i16":
      return { type, data: new Int16Array(length) };
    case "i32":
      return { type, data: new Int32Array(length) };
    case "i64":
      return { type, data: new BigInt64Array(length) };
  }
}

/** A row as a view of `length` elements at `byteOffset`, which must be a multiple of the element size. */
export function viewRow(type: ElementType, buffer: ArrayBufferLike, byteOffset: number, length: number): Row {
  switch (type) {
    case "i8":
      return { type, data: new Int8Array(buffer, byteOffset, length) };
    case "i16":
      return { type, data: new Int16Array(buffer, byteOffset, length) };
    case "i32":
      return { type, data: new Int32Array(buffer, byteOffset, length) };
    case "i64":
      return { type, data: new BigInt64Array(buffer, byteOffset, length) };
  }
}

/** A row of the given integers, which must fit the type. */
export function rowOf(type: ElementType, values: ArrayLike<number | bigint>): Row {
  const row = newRow(type, values.length);
  for (let e = 0; e < values.length; e++) {
    if (row.type === "i64") row.data[e] = BigInt(values[e]);
    else row.data[e] = Number(values[e]);
  }
  return row;
}

/** The elements `first .. first + count - 1` as a view. */
export function sliceRow(row: Row, first: number, count: number): Row {
  return viewRow(row.type, row.data.buffer, row.data.byteOffset + first * ELEMENT_BYTES[row.type], count);
}

/** Element `e` as an integer. */
export function elementAt(row: Row, e: number): bigint {
  return BigInt(row.data[e]);
}

/** The row's bytes, little-endian, without a copy. */
export function rowBytes(row: Row): Uint8Array {
  return new Uint8Array(row.data.buffer, row.data.byteOffset, row.data.byteLength);
}

/** The row's typed array, checked to be of type T. */
export function dataOf<T extends ElementType>(row: Row, type: T): DataOf<T> {
  if (row.type !== type) throw new RowMismatchError("an operand", type, row.type);
  return row.data as DataOf<T>;
}

/** True if both rows have one type and the same elements. */
export function rowsEqual(x: Row, y: Row): boolean {
  if (x.type !== y.type || x.data.length !== y.data.length) return false;
  for (let e = 0; e < x.data.length; e++) if (x.data[e] !== y.data[e]) return false;
  return true;
}
