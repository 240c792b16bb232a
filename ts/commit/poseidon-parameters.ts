/** Order of the BN254 scalar field. */
export const FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** Full rounds, half before and half after the partial ones. */
export const FULL_ROUNDS = 8;
/**
 * Partial rounds by number of inputs, 1..16 (Poseidon paper, tables 2 and 8, rounded up to a multiple of the width).
 */
const PARTIAL_ROUNDS = [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68] as const;

const FIELD_BITS = 254;

export type Vector = readonly bigint[];
export type Matrix = readonly Vector[];

/** Poseidon's constants for one width t: state elements, one more than inputs. */
export type PoseidonParameters = {
  readonly t: number;
  readonly partialRounds: number;
  /** Added before each round's S-boxes: `FULL_ROUNDS + partialRounds` vectors of t. */
  readonly constants: Matrix;
  /** The linear layer: `next[x] = sum over y of mds[x][y] * state[y]`. */
  readonly mds: Matrix;
};

/**
 * The parameters that circomlib uses, from the Grain LFSR of the Poseidon paper (appendix E): the reference script's
 * `generate_parameters_grain.sage 1 0 254 t 8 R_P`.
 */
export function poseidonParameters(inputs: number): PoseidonParameters {
  const t = inputs + 1;
  const partialRounds = PARTIAL_ROUNDS[inputs - 1];
  const grain = new Grain(t, partialRounds);
  const constants = Array.from({ length: FULL_ROUNDS + partialRounds }, () =>
    Array.from({ length: t }, () => grain.element()),
  );
  const points = Array.from({ length: 2 * t }, () => grain.bits(FIELD_BITS) % FIELD);
  const mds = Array.from({ length: t }, (_, x) =>
    Array.from({ length: t }, (_, y) => inverse((points[x] + points[t + y]) % FIELD)),
  );
  return { t, partialRounds, constants, mds };
}

/** The 80-bit Grain LFSR in self-shrinking mode. */
class Grain {
  readonly #state: number[];
  #at = 0;

  constructor(t: number, partialRounds: number) {
    // Prime field, S-box x^alpha, field bits, width, rounds, then ones.
    const fields = [
      [1, 2],
      [0, 4],
      [FIELD_BITS, 12],
      [t, 12],
      [FULL_ROUNDS, 10],
      [partialRounds, 10],
      [2 ** 30 - 1, 30],
    ];
    this.#state = fields.flatMap(([value, bits]) =>
      Array.from({ length: bits }, (_, i) => (value >> (bits - 1 - i)) & 1),
    );
    for (let i = 0; i < 160; i++) this.#step();
  }

  /** A field element: `FIELD_BITS` bits, drawn again until below the order. */
  element(): bigint {
    for (;;) {
      const value = this.bits(FIELD_BITS);
      if (value < FIELD) return value;
    }
  }

  /** The next bits as a number, most significant first. */
  bits(count: number): bigint {
    let out = "0b";
    for (let i = 0; i < count; i++) out += this.#bit();
    return BigInt(out);
  }

  /** Pairs of bits: the second counts if the first is 1. */
  #bit(): number {
    while (this.#step() === 0) this.#step();
    return this.#step();
  }

  #step(): number {
    const s = this.#state;
    const tap = (offset: number) => s[(this.#at + offset) % 80];
    const bit = tap(62) ^ tap(51) ^ tap(38) ^ tap(23) ^ tap(13) ^ tap(0);
    s[this.#at] = bit;
    this.#at = (this.#at + 1) % 80;
    return bit;
  }
}

/** `1 / x` in the field, by the extended Euclidean algorithm; x is not 0. */
export function inverse(x: bigint): bigint {
  let [r0, r1] = [FIELD, x % FIELD];
  let [s0, s1] = [0n, 1n];
  while (r1 !== 0n) {
    const q = r0 / r1;
    [r0, r1] = [r1, r0 - q * r1];
    [s0, s1] = [s1, s0 - q * s1];
  }
  return ((s0 % FIELD) + FIELD) % FIELD;
}
