import { concat } from "../commit/bytes.ts";
import { EvidenceEncodingError } from "./errors.ts";

/** Tags that certificates use. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** An element: its tag, its contents, and itself with the header. */
export interface Element {
  readonly tag: number;
  readonly contents: Uint8Array;
  readonly whole: Uint8Array;
}

/** The DER encoding of an element. */
export function encode(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const contents = concat(parts);
  const n = contents.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return concat([Uint8Array.of(tag, ...length), contents]);
}

/** The elements that fill these bytes; what `src/attestation/Der.sol` refuses is refused. */
export function elements(data: Uint8Array): Element[] {
  const out: Element[] = [];
  for (let at = 0; at < data.length; ) {
    const first = data[at + 1] ?? 0x80;
    const bytes = first < 0x80 ? 0 : first & 0x7f;
    const length = first < 0x80 ? first : [...data.subarray(at + 2, at + 2 + bytes)].reduce((n, b) => n * 256 + b, 0);
    const start = at + 2 + bytes;
    const shortest = bytes === 0 ? first < 0x80 : length >= (bytes === 1 ? 0x80 : 0x100);
    if (bytes > 2 || !shortest || start + length > data.length)
      throw new EvidenceEncodingError("DER", `The element at byte ${at} has no valid length.`);
    out.push({
      tag: data[at]!,
      contents: data.subarray(start, start + length),
      whole: data.subarray(at, start + length),
    });
    at = start + length;
  }
  return out;
}
