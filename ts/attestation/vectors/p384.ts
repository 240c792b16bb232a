import { createHash } from "node:crypto";
import { toHex } from "../../commit/bytes.ts";
import { B, G, inverse, isOnCurve, mod, N, P, type Point, plus, power, slope, times } from "../p384.ts";
import { multiplesOf, type P384Statement, p384Hints, prove, schedule } from "../p384-hints.ts";
import { offsetPoint } from "../p384-table.ts";

/** A case of `test/vectors/attestation/p384.json`; everything is hex. */
export interface P384Vector {
  readonly name: string;
  readonly digest: string;
  readonly signature: string;
  readonly key: string;
  readonly hints: string;
}

/** A number below 2^384 that the name determines. */
export function numberOf(name: string): bigint {
  return BigInt(`0x${createHash("sha384").update(name).digest("hex")}`);
}

/** The signature of the digest with the private key and the nonce. */
export function signed(secret: bigint, nonce: bigint, digest: bigint): P384Statement {
  const r = mod(times(nonce, G)!.x, N);
  return { digest, r, s: mod(inverse(nonce, N) * (digest + r * secret), N), key: times(secret, G)! };
}

/** A statement that verifies with this R, made by choosing the key: `Q = (s R - h G) / r`. */
export function madeFrom(point: Point, s: bigint, digest: bigint): P384Statement {
  const r = mod(point.x, N);
  const ofDigest = times(mod(-digest, N), G);
  return { digest, r, s, key: times(inverse(r, N), plus(times(s, point), ofDigest)!)! };
}

/** A point whose x is not below the group's order: its r is x - n. */
export function wideX(): Point {
  for (let x = N + 1n; ; x++) {
    const y = power(x * x * x - 3n * x + B, (P + 1n) / 4n, P);
    if (isOnCurve({ x, y })) return { x, y };
  }
}

/**
 * The cases of `test/vectors/attestation/p384.json`: four signatures that verify, one whose sum adds equal points, and five false proofs,
 * each the best that a prover can do against all checks but one.
 */
export function p384Vectors(): P384Vector[] {
  const secret = mod(numberOf("key"), N);
  const nonce = mod(numberOf("nonce"), N);
  const plain = signed(secret, nonce, numberOf("digest"));
  const valid = [
    vector("plain", plain),
    vector("twin", { ...plain, s: N - plain.s }),
    vector("wideX", madeFrom(wideX(), mod(numberOf("s"), N), numberOf("digest"))),
    vector("zeroDigest", signed(secret, nonce, 0n)),
  ];

  // A key that nobody knows the secret of, but a signature of a chosen digest: R = a G + b Q.
  const key = offsetPoint();
  const [a, b] = [mod(numberOf("a"), N), mod(numberOf("b"), N)];
  const sumR = plus(times(a, G), times(b, key))!;
  const s = mod(sumR.x * inverse(b, N), N);
  const onOffset: P384Statement = { digest: mod(a * s, N), r: mod(sumR.x, N), s, key };
  // The sum starts in the key: it adds the key to itself, and takes it away again.
  const equal = [
    { doublings: 0, index: 0x40 },
    { doublings: 0, index: 0xc0 },
  ];
  const equalSteps = [...equal, ...schedule(multiplesOf(onOffset))];
  const tangent = proved("equalPoints", onOffset, sumR, multiplesOf(onOffset), equalSteps);

  const other = { ...plain, digest: numberOf("another digest") };
  const pointR = times(nonce, G)!;
  const none = { w0: 0n, w1: 0n, v: 0n, z: 0n };
  const lie: typeof slope = (p, q) => (mod(p.x - q.x, P) === 0n ? 7n : slope(p, q));
  const offCurve = { ...plain, key: { x: plain.key.x, y: plain.key.y ^ 1n } };
  return [
    ...valid,
    tangent,
    // Sums to infinity, for all that is added is taken away again.
    proved("withoutR", other, pointR, none, schedule(none)),
    // Sums to infinity, with the multiples of the true digest.
    proved("wrongMultiples", other, pointR, multiplesOf(plain), schedule(multiplesOf(plain))),
    // The right multiples, of another sum than infinity.
    proved("wrongSum", other, pointR, multiplesOf(other), schedule(multiplesOf(other))),
    // Equal points with a slope that the chord's relation alone would take.
    proved("wrongTangent", onOffset, sumR, multiplesOf(onOffset), equalSteps, lie),
    proved("keyOffCurve", offCurve, pointR, multiplesOf(offCurve), schedule(multiplesOf(offCurve))),
  ];
}

/** A statement and hints for it, as the contract takes them. */
function encoded(name: string, statement: P384Statement, hints: Uint8Array): P384Vector {
  const number = (value: bigint) => value.toString(16).padStart(96, "0");
  return {
    name,
    digest: `0x${number(statement.digest)}`,
    signature: `0x${number(statement.r)}${number(statement.s)}`,
    key: `0x${number(statement.key.x)}${number(statement.key.y)}`,
    hints: toHex(hints),
  };
}

function vector(name: string, statement: P384Statement): P384Vector {
  return encoded(name, statement, p384Hints(statement));
}

function proved(name: string, statement: P384Statement, ...rest: Tail<Parameters<typeof prove>>): P384Vector {
  return encoded(name, statement, prove(statement, ...rest).hints);
}
type Tail<T extends unknown[]> = T extends [unknown, ...infer R] ? R : never;
