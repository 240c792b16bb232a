import { createHash } from "node:crypto";

/** `size` bytes that a seed and a label determine. */
export function bytesOf(seed: Uint8Array, label: string, size: number): Uint8Array {
  return new Uint8Array(
    createHash("shake256", { outputLength: size }).update(`OTR/dev-root/1/${label}/`).update(seed).digest(),
  );
}

/** A little-endian number. */
export function little(value: number, size: number): Uint8Array {
  // Not with shifts: they take the count modulo 32.
  return Uint8Array.from({ length: size }, (_, k) => Math.floor(value / 256 ** k) & 0xff);
}
