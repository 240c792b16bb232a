import { EvidenceEncodingError } from "./errors.ts";

/** Reads fields of fixed and stated sizes one after the other; integers are little-endian. */
export class Reader {
  readonly #data: Uint8Array;
  readonly #format: string;
  at: number;

  constructor(format: string, data: Uint8Array, at = 0) {
    this.#format = format;
    this.#data = data;
    this.at = at;
  }

  get left(): number {
    return this.#data.length - this.at;
  }

  /** The next bytes. @throws EvidenceEncodingError if there are fewer */
  take(size: number): Uint8Array {
    if (size > this.left) this.fail(`${size} bytes at ${this.at} reach beyond its ${this.#data.length}`);
    this.at += size;
    return this.#data.subarray(this.at - size, this.at);
  }

  /** The next integer, of at most 4 bytes. */
  number(size: number): number {
    return this.take(size).reduceRight((value, byte) => value * 256 + byte, 0);
  }

  /** Takes an integer that must have this value. */
  expect(name: string, size: number, expected: number): void {
    const got = this.number(size);
    if (got !== expected) this.fail(`${name} is ${got}, not ${expected}`);
  }

  /** Takes bytes that must be 0. */
  zeros(name: string, size: number): void {
    if (this.take(size).some((byte) => byte !== 0)) this.fail(`${name} is not 0`);
  }

  fail(reason: string): never {
    throw new EvidenceEncodingError(this.#format, `${reason}.`);
  }
}
