/**
 * Reproducible randomness for synthetic models and tests, never for anything that must be unpredictable.
 */
export type Prng = {
  /** 64 random bits. */
  bits(): bigint;
  /** An integer in lo..hi. */
  int(lo: number, hi: number): number;
  /** A double in [0, 1). */
  uniform(): number;
  /** A standard normal double. */
  normal(): number;
  /** One of the items. */
  pick<T>(items: readonly T[]): T;
};

const MASK = (1n << 64n) - 1n;

/** A generator that depends on the seed only: splitmix64 for bits, sfc32 for doubles. */
export function prng(seed: number | bigint): Prng {
  let state = BigInt.asUintN(64, BigInt(seed));
  const bits = () => {
    state = (state + 0x9e3779b97f4a7c15n) & MASK;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return z ^ (z >> 31n);
  };
  const uniform = fastUniform(bits());
  return {
    bits,
    uniform,
    int: (lo, hi) => lo + Math.floor(uniform() * (hi - lo + 1)),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    pick: (items) => items[Math.floor(uniform() * items.length)],
  };
}

/** sfc32: doubles of 32 bits each without BigInt, since models need millions of them. */
function fastUniform(seed: bigint): () => number {
  let a = Number(seed & 0xffffffffn) | 0;
  let b = Number(seed >> 32n) | 0;
  let c = 0x6f7472 | 0;
  let counter = 1;
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) * 2 ** -32;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}
