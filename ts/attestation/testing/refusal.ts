import { fromHex, toHex } from "../../commit/bytes.ts";
import { BaseError } from "../../errors.ts";
import { FUZZ } from "../../machine/testing/fuzz.ts";
import { CURVES, type Curve } from "../dev-root/key.ts";

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

/** The bytes with the number s at `at` (big-endian) replaced by n - s: the same signature's twin, which verifies as well. */
export function negated(bytes: Uint8Array, at: number, curve: Curve): Uint8Array {
  const { order, size } = CURVES[curve];
  const twin = order - BigInt(toHex(bytes.subarray(at, at + size)));
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
