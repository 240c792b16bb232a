/** The curve P-384 (NIST SP 800-186, 3.2.1.4) in affine coordinates: for provers, which need no constant time. */

/** The field's modulus. */
export const P = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
/** The group's order, a prime. */
export const N = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;
/** The curve is `y^2 = x^3 - 3x + B`. */
export const B = 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn;

/** A point other than infinity; coordinates are any integers that stand for their class. */
export interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

/** The generator. */
export const G: Point = {
  x: 0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7n,
  y: 0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5fn,
};

/** `a` modulo `m`, in `[0, m)`. */
export function mod(a: bigint, m: bigint): bigint {
  const rest = a % m;
  return rest < 0n ? rest + m : rest;
}

/** The inverse of `a` modulo the prime `m`; 0 has none and gives 0. */
export function inverse(a: bigint, m: bigint): bigint {
  let [r, s] = [m, mod(a, m)];
  let [t, u] = [0n, 1n];
  while (s !== 0n) {
    const q = r / s;
    [r, s] = [s, r - q * s];
    [t, u] = [u, t - q * u];
  }
  return mod(t, m);
}

/** `base` to the power of `exponent` modulo `m`. */
export function power(base: bigint, exponent: bigint, m: bigint): bigint {
  let out = 1n;
  for (let b = mod(base, m), e = exponent; e > 0n; e >>= 1n, b = (b * b) % m) if (e & 1n) out = (out * b) % m;
  return out;
}

/** Whether the coordinates fulfil the curve's equation. */
export function isOnCurve({ x, y }: Point): boolean {
  return mod(y * y - x * x * x + 3n * x - B, P) === 0n;
}

/** The slope of the line through both points, or of the tangent if they are one; undefined if the sum is infinity. */
export function slope(a: Point, b: Point): bigint | undefined {
  const dx = mod(a.x - b.x, P);
  if (dx !== 0n) return mod((a.y - b.y) * inverse(dx, P), P);
  if (mod(a.y - b.y, P) !== 0n) return undefined;
  return mod((3n * a.x * a.x - 3n) * inverse(2n * a.y, P), P);
}

/** The sum, with reduced coordinates; undefined for infinity. */
export function plus(a: Point | undefined, b: Point | undefined): Point | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const l = slope(a, b);
  if (l === undefined) return undefined;
  const x = mod(l * l - a.x - b.x, P);
  return { x, y: mod(l * (a.x - x) - a.y, P) };
}

/** `scalar` times the point, for a scalar that is not negative; undefined for infinity. */
export function times(scalar: bigint, point: Point): Point | undefined {
  let out: Point | undefined;
  let base: Point | undefined = point;
  for (let k = scalar; k > 0n; k >>= 1n) {
    if (k & 1n) out = plus(out, base);
    base = plus(base, base);
  }
  return out;
}
