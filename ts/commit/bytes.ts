import { keccak_256 } from "@noble/hashes/sha3.js";

/** 0x-prefixed hexadecimal string, as viem uses it. */
export type Hex = `0x${string}`;

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

/** Bytes to 0x-prefixed lower-case hex. */
export function toHex(bytes: Uint8Array): Hex {
  let out = "0x";
  for (let i = 0; i < bytes.length; i++) out += HEX[bytes[i]!];
  return out as Hex;
}

/** 0x-prefixed hex to bytes. The input is trusted to be well-formed; boundaries validate with zod. */
export function fromHex(hex: string): Uint8Array {
  const out = new Uint8Array((hex.length - 2) >> 1);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(hex.slice(2 + 2 * i, 4 + 2 * i), 16);
  return out;
}

/** Concatenation. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Byte equality (not constant time: everything compared here is public). */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A 32-byte ABI word: bytes32 as they are, numbers big-endian. */
export function word(value: Uint8Array | number | bigint): Uint8Array {
  if (typeof value !== "number" && typeof value !== "bigint") return value;
  const out = new Uint8Array(32);
  let rest = BigInt(value);
  for (let i = 31; i >= 0 && rest > 0n; i--) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/** `H(...)` of docs/protocol.md: keccak256 over the ABI encoding of static words. */
export function hashWords(...values: (Uint8Array | number | bigint)[]): Uint8Array {
  return keccak_256(concat(values.map(word)));
}

/** A left-padded address as an ABI word. */
export function addressWord(address: string): Uint8Array {
  const out = new Uint8Array(32);
  out.set(fromHex(address), 12);
  return out;
}

/** Domain tag: keccak256 of its string. */
export function tag(name: string): Uint8Array {
  return keccak_256(new TextEncoder().encode(name));
}
