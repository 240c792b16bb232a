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

/** The elements of a constructed one with this tag. */
export function children(element: Element | undefined, tag: number): Element[] {
  return elements(contentsOf(element, tag));
}

/** The contents of an element with this tag. */
export function contentsOf(element: Element | undefined, tag: number): Uint8Array {
  if (element?.tag !== tag)
    throw new EvidenceEncodingError("DER", `An element has tag ${element?.tag ?? "none"}, not ${tag}.`);
  return element.contents;
}

/** The one element with this tag that the bytes are. */
export function only(data: Uint8Array, tag: number): Element {
  const [element, ...rest] = elements(data);
  if (element?.tag !== tag || rest.length > 0)
    throw new EvidenceEncodingError("DER", `${data.length} bytes are not one element with tag ${tag}.`);
  return element;
}

/** The bytes of a positive integer without its leading zero, at most `most`; none for 0. */
export function magnitude(element: Element | undefined, most: number): Uint8Array {
  const value = contentsOf(element, TAG.integer);
  const [first, second] = value;
  const wrong = first === undefined || first >= 0x80 || (first === 0 && second !== undefined && second < 0x80);
  const bytes = first === 0 ? value.subarray(1) : value;
  if (wrong || bytes.length > most)
    throw new EvidenceEncodingError("DER", `An integer is negative, not in its shortest form, or above ${most} bytes.`);
  return bytes;
}

/** A positive integer of at most 6 bytes. */
export function small(element: Element | undefined): number {
  return magnitude(element, 6).reduce((n, byte) => n * 256 + byte, 0);
}

/** The contents of a bit string, whose unused bits are 0. */
export function bits(element: Element | undefined): { readonly bytes: Uint8Array; readonly unused: number } {
  const [unused, ...rest] = contentsOf(element, TAG.bitString);
  const last = rest.at(-1);
  if (unused === undefined || unused > 7 || (unused > 0 && (last === undefined || (last & ((1 << unused) - 1)) !== 0)))
    throw new EvidenceEncodingError("DER", "A bit string's unused bits are not 0.");
  return { bytes: Uint8Array.from(rest), unused };
}

/** Takes `TRUE`, whose default is FALSE, from the front of the elements if it is there. */
export function takeFlag(list: Element[]): boolean {
  if (list[0]?.tag !== TAG.boolean) return false;
  const { contents } = list.shift()!;
  // FALSE is the default wherever it may stand, and a default is left out.
  if (contents.length !== 1 || contents[0] !== 0xff) throw new EvidenceEncodingError("DER", "A Boolean is not TRUE.");
  return true;
}
