// SPDX-License-Identifier: GPL-3.0-only
import type { Curve } from "ffjavascript";
import { reserve } from "./curve-memory.ts";

/** Bits of a digit of a scalar, and how many digits it has: 264 bits take any. */
const DIGIT = 12;
const DIGITS = 22;
const ENTRIES = 2 ** DIGIT - 1;
/** Points that are made affine together. */
const BATCH = 4096;

/**
 * Multiples of a group's generator, from a table of its multiples by every digit at every place: 22 additions each, where a
 * multiplication by doubling takes hundreds. Works in the memory of the curve's own instance.
 */
export class FixedBase {
  readonly #curve: Curve;
  readonly #prefix: "g1m" | "g2m";
  /** Bytes of an affine point, and of a projective one. */
  readonly #affine: number;
  readonly #projective: number;
  readonly #table: number;
  readonly #batch: number;

  constructor(curve: Curve, group: "G1" | "G2") {
    this.#curve = curve;
    this.#prefix = group === "G1" ? "g1m" : "g2m";
    this.#affine = 2 * curve[group].F.n8;
    this.#projective = 3 * curve[group].F.n8;
    this.#batch = reserve(curve, BATCH * this.#projective + DIGITS * ENTRIES * this.#affine);
    this.#table = this.#batch + BATCH * this.#projective;
    this.#fill(curve[group].g);
  }

  /** The table of place p holds k 2^(12 p) G for k = 1, 2, ...; its last entry and one more G make the next place's G. */
  #fill(generator: Uint8Array): void {
    const { u8 } = this.#curve.tm;
    const base = this.#batch + (BATCH - 1) * this.#projective;
    u8.set(generator, base);
    for (let place = 0; place < DIGITS; place++) {
      const [add, double] = [this.#function("add"), this.#function("double")];
      let sum = this.#batch;
      u8.copyWithin(sum, base, base + this.#projective);
      for (let k = 1; k <= ENTRIES; k++) {
        // The last one of a batch is the base itself.
        const at = this.#batch + ((k - 1) % (BATCH - 1)) * this.#projective;
        if (k === 2) double(sum, at);
        else if (k > 2) add(sum, base, at);
        sum = at;
        if (k % (BATCH - 1) === 0 || k === ENTRIES) {
          const first = k - 1 - ((k - 1) % (BATCH - 1));
          const to = this.#table + (place * ENTRIES + first) * this.#affine;
          this.#function("batchToAffine")(this.#batch, k - first, to);
        }
      }
      const last = this.#table + ((place + 1) * ENTRIES - 1) * this.#affine;
      this.#function("addMixed")(base, last, base);
    }
  }

  /** `scalar * G` for each, affine in the form of a proving key. */
  multiply(scalars: readonly bigint[]): Uint8Array {
    const out = new Uint8Array(scalars.length * this.#affine);
    const [addMixed, zero] = [this.#function("addMixed"), this.#function("zero")];
    const bytes = new Uint8Array(33);
    const words = new DataView(bytes.buffer);
    for (let first = 0; first < scalars.length; first += BATCH) {
      const count = Math.min(BATCH, scalars.length - first);
      for (let i = 0; i < count; i++) {
        const point = this.#batch + i * this.#projective;
        zero(point);
        const scalar = scalars[first + i];
        if (scalar === 0n) continue;
        for (let w = 0; w < 4; w++) words.setBigUint64(8 * w, scalar >> BigInt(64 * w), true);
        for (let place = 0; place < DIGITS; place++) {
          const at = (place >> 1) * 3;
          const digit =
            place % 2 === 0 ? bytes[at] | ((bytes[at + 1] & 15) << 8) : (bytes[at + 1] >> 4) | (bytes[at + 2] << 4);
          if (digit > 0) addMixed(point, this.#table + (place * ENTRIES + digit - 1) * this.#affine, point);
        }
      }
      this.#function("batchToAffine")(this.#batch, count, this.#batch);
      const made = this.#curve.tm.u8.subarray(this.#batch, this.#batch + count * this.#affine);
      out.set(made, first * this.#affine);
    }
    return out;
  }

  #function(name: string): (...pointers: number[]) => void {
    return this.#curve.tm.instance.exports[`${this.#prefix}_${name}`];
  }
}
