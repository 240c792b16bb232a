import { fromHex, toHex } from "../../commit/bytes.ts";
import { BaseError } from "../../errors.ts";
import { FUZZ } from "../../machine/testing/fuzz.ts";

/** The code with which a verifier refuses, or "accepted". What is not a typed error goes on: it is a fault. */
export function refusal(verify: () => unknown): string {
  try {
    verify();
    return "accepted";
  } catch (error) {
    if (error instanceof BaseError) return error.code;
    throw error;
  }
}

/** The bytes with one bit of the byte at `at` flipped. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const out = new Uint8Array(bytes);
  out[at]! ^= 1 << (at % 8);
  return out;
}

/** Orders of the groups whose signatures vendors use. */
export const ORDER = {
  "P-256": 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  "P-384": 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
} as const;

/** The bytes with the number s at `at` (big-endian) replaced by n - s: the same signature's twin, which verifies as well. */
export function negated(bytes: Uint8Array, at: number, curve: keyof typeof ORDER): Uint8Array {
  const size = curve === "P-256" ? 32 : 48;
  const twin = ORDER[curve] - BigInt(toHex(bytes.subarray(at, at + size)));
  const out = new Uint8Array(bytes);
  out.set(fromHex(`0x${twin.toString(16).padStart(2 * size, "0")}`), at);
  return out;
}

/** Milliseconds for tests of many signatures. */
export const SLOW_MS = FUZZ > 1 ? 3_600_000 : 120_000;

/** Offsets from `start` to `end`: all in a campaign, else every 13th, or as rarely as is asked for. */
export function sampled(start: number, end: number, every = 13): number[] {
  const step = FUZZ > 1 ? 1 : every;
  return Array.from({ length: Math.ceil((end - start) / step) }, (_, k) => start + k * step);
}
