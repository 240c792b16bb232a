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

/** Milliseconds for tests of many signatures. */
export const SLOW_MS = FUZZ > 1 ? 3_600_000 : 120_000;

/** Offsets from `start` to `end`: all in a campaign, else every 13th. */
export function sampled(start: number, end: number): number[] {
  const step = FUZZ > 1 ? 1 : 13;
  return Array.from({ length: Math.ceil((end - start) / step) }, (_, k) => start + k * step);
}
