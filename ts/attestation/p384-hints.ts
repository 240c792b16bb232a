import { createHash } from "node:crypto";
import { keccak256 } from "viem";
import { concat, fromHex, toHex } from "../commit/bytes.ts";
import { SignatureInvalidError } from "./errors.ts";
import { B, G, inverse, isOnCurve, mod, N, P, type Point, plus, power, slope, times } from "./p384.ts";
import { DOUBLINGS, offsetPoint, tablePoints } from "./p384-table.ts";

/** An ECDSA signature with its key and the digest that it signs, as integers. */
export interface P384Statement {
  /** SHA-384 of the message, 48 bytes big-endian. */
  readonly digest: bigint;
  readonly r: bigint;
  readonly s: bigint;
  readonly key: Point;
}

/** Domain of the challenges: keccak256("OTR/p384/1"), as in `src/attestation/P384.sol`. */
const DOMAIN = fromHex(keccak256(new TextEncoder().encode("OTR/p384/1")));
/** Most doublings in one step. */
const MOST_DOUBLINGS = 32;
/** Weights of the relations within a step: one per doubling, two of an addition. */
const WEIGHTS = MOST_DOUBLINGS + 2;
/** Bytes of the two quotients, two's complement. */
const QUOTIENT_P = 256;
const QUOTIENT_N = 96;
const HALF = 1n << BigInt(DOUBLINGS);

/** Primes that spare most power computations in the search for a modulus. */
const SMALL = [3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n];

/** One addition: the doublings before it, and a table's entry with a sign. */
export interface Step {
  readonly doublings: number;
  /** Bit 7: subtract. Bit 6: of the key or of R, else of G. Then the table's entry. */
  readonly index: number;
}

/** `length` bytes big-endian; negative numbers as two's complement. */
function bytes(value: bigint, length: number): Uint8Array {
  return fromHex(
    `0x${mod(value, 1n << BigInt(8 * length))
      .toString(16)
      .padStart(2 * length, "0")}`,
  );
}

/** Odd signed digits with their positions: sum of `digit * 2^position` is the scalar, each |digit| < 2^(width - 1). */
function digits(scalar: bigint, width: number): { position: number; digit: number }[] {
  const sign = scalar < 0n ? -1 : 1;
  const out: { position: number; digit: number }[] = [];
  const size = 1n << BigInt(width);
  for (let rest = scalar < 0n ? -scalar : scalar, position = 0; rest > 0n; rest >>= 1n, position++) {
    if ((rest & 1n) === 0n) continue;
    let digit = rest % size;
    if (digit > size / 2n) digit -= size;
    rest -= digit;
    out.push({ position, digit: sign * Number(digit) });
  }
  return out;
}

/** The schedule of additions that makes `w0 G + w1 2^192 G + v Q + z R`. */
export function schedule({ w0, w1, v, z }: Multiples): Step[] {
  const bases = [
    { scalar: w0, width: 7, first: 0x00 },
    { scalar: w1, width: 7, first: 0x20 },
    { scalar: v, width: 5, first: 0x40 },
    { scalar: z, width: 5, first: 0x48 },
  ];
  const additions = bases
    .flatMap(({ scalar, width, first }) =>
      digits(scalar, width).map(({ position, digit }) => ({
        position,
        index: first + (Math.abs(digit) >> 1) + (digit < 0 ? 0x80 : 0),
      })),
    )
    .sort((a, b) => b.position - a.position);
  const steps: Step[] = [];
  let position = DOUBLINGS;
  const runTo = (next: number) => {
    // A run that is too long for one step is cut by adding and subtracting the key.
    while (position - next > MOST_DOUBLINGS) {
      steps.push({ doublings: MOST_DOUBLINGS, index: 0x40 }, { doublings: 0, index: 0xc0 });
      position -= MOST_DOUBLINGS;
    }
  };
  for (const addition of additions) {
    runTo(addition.position);
    steps.push({ doublings: position - addition.position, index: addition.index });
    position = addition.position;
  }
  runTo(0);
  return steps;
}

/** Computes with integers what the contract computes modulo m, collecting slopes and, per step, the values of all relations. */
class Trace {
  readonly slopes: bigint[] = [];
  /** Per step: the value of each relation with the number of its weight. */
  readonly steps: { weight: number; value: bigint }[][] = [[]];
  x: bigint;
  y: bigint;

  private readonly slopeOf: typeof slope;

  constructor(start: Point, slopeOf: typeof slope) {
    this.slopeOf = slopeOf;
    this.x = start.x;
    this.y = start.y;
  }

  relation(weight: number, value: bigint): void {
    this.steps.at(-1)!.push({ weight, value });
  }

  endStep(): void {
    this.steps.push([]);
  }

  double(times: number): void {
    for (let k = 0; k < times; k++) {
      const { x, y } = this;
      const l = slope(this, this)!;
      this.slopes.push(l);
      this.relation(k, 2n * y * l - 3n * x * x + 3n);
      this.x = l * l - 2n * x;
      this.y = l * (x - this.x) - y;
    }
  }

  add(point: Point): void {
    const { x, y } = this;
    const l = this.slopeOf(this, point);
    if (l === undefined) throw new SignatureInvalidError("A sum of the verification is infinity.");
    this.slopes.push(l);
    this.relation(MOST_DOUBLINGS, l * (x - point.x) - y + point.y);
    this.relation(MOST_DOUBLINGS + 1, l * (y + point.y) - x * x - x * point.x - point.x * point.x + 3n);
    this.x = l * l - x - point.x;
    this.y = l * (x - this.x) - y;
  }
}

/** 1, 3, .. 15 times the point, as integers that the trace leaves unreduced. */
function oddMultiples(trace: Trace, point: Point): Point[] {
  trace.x = point.x;
  trace.y = point.y;
  trace.double(1);
  trace.endStep();
  const twice = { x: trace.x, y: trace.y };
  trace.x = point.x;
  trace.y = point.y;
  const out: Point[] = [point];
  for (let k = 1; k < 8; k++) {
    trace.add(twice);
    trace.endStep();
    out.push({ x: trace.x, y: trace.y });
  }
  return out;
}

/** Multiples whose sum is to be infinity: `(w0 + 2^192 w1) G + v Q + z R`. */
export interface Multiples {
  readonly w0: bigint;
  readonly w1: bigint;
  readonly v: bigint;
  readonly z: bigint;
}

/**
 * The multiples for a statement: `v s + z r = 0` and `w s + z digest = 0 (mod n)`, with v and z below 2^192 in magnitude.
 * The extended Euclidean algorithm, stopped half-way.
 */
export function multiplesOf({ digest, r, s }: P384Statement): Multiples {
  const inverseS = inverse(s, N);
  let [a, b] = [N, mod(r * inverseS, N)];
  let [t, z] = [0n, 1n];
  while (b >= HALF) {
    const q = a / b;
    [a, b] = [b, a - q * b];
    [t, z] = [z, t - q * z];
  }
  const w = mod(-z * digest * inverseS, N);
  return { w0: w % HALF, w1: w / HALF, v: -b, z };
}

let table: Point[] | undefined;
let ends: { start: Point; target: Point } | undefined;

/**
 * What a key (x and y) says of a message by its signature (r and s), 48 bytes each.
 *
 * @throws SignatureInvalidError if key or signature have another size: they are another algorithm's.
 */
export function statementOf(message: Uint8Array, signature: Uint8Array, key: Uint8Array): P384Statement {
  if (signature.length !== 96 || key.length !== 96) throw new SignatureInvalidError("It is none of P-384.");
  const [r, s] = numbers(signature);
  const [x, y] = numbers(key);
  return { digest: BigInt(`0x${createHash("sha384").update(message).digest("hex")}`), r, s, key: { x, y } };
}

/** The two numbers of 48 bytes that a key or signature is. */
export function numbers(pair: Uint8Array): [bigint, bigint] {
  return [BigInt(toHex(pair.subarray(0, 48))), BigInt(toHex(pair.subarray(48)))];
}

/**
 * Hints with which `src/attestation/P384.sol` verifies the signature (the layout is described there); about 16 kB.
 *
 * @throws SignatureInvalidError if the signature does not verify: then no hints exist.
 */
export function p384Hints(statement: P384Statement): Uint8Array {
  const { digest, r, s, key } = statement;
  if (r <= 0n || r >= N || s <= 0n || s >= N) throw new SignatureInvalidError("r or s is out of range.");
  if (key.x >= P || key.y >= P || !isOnCurve(key)) throw new SignatureInvalidError("The key is no point of the curve.");
  const w = inverse(s, N);
  const point = plus(times(mod(digest * w, N), G), times(mod(r * w, N), key));
  if (point === undefined || mod(point.x, N) !== r) throw new SignatureInvalidError("R differs.");
  const multiples = multiplesOf(statement);
  const { hints, holds } = prove(statement, point, multiples, schedule(multiples));
  if (!holds) throw new SignatureInvalidError("The relations do not hold.");
  return hints;
}

/**
 * Hints for any statement, R and schedule, and whether they hold. Only tests call this with others than `p384Hints` does.
 *
 * @param slopeOf The slope of an addition; a test may lie.
 */
export function prove(
  { digest, r, s, key }: P384Statement,
  point: Point,
  { w0, w1, v, z }: Multiples,
  steps: readonly Step[],
  slopeOf: typeof slope = slope,
): { hints: Uint8Array; holds: boolean } {
  ends ??= { start: offsetPoint(), target: times(HALF, offsetPoint())! };
  table ??= tablePoints();
  const trace = new Trace(key, slopeOf);
  for (const p of [key, point]) {
    trace.relation(0, p.y * p.y - p.x * p.x * p.x + 3n * p.x - B);
    trace.endStep();
  }
  const near = [...oddMultiples(trace, key), ...oddMultiples(trace, point)];
  trace.x = ends.start.x;
  trace.y = ends.start.y;
  let position = DOUBLINGS;
  for (const { doublings, index } of steps) {
    trace.double(doublings);
    position -= doublings;
    const entry = index & 0x40 ? near[index & 15]! : table[index & 63]!;
    trace.add(index & 0x80 ? { x: entry.x, y: -entry.y } : entry);
    trace.endStep();
  }
  trace.double(position);
  trace.endStep();
  trace.relation(0, trace.x - ends.target.x);
  trace.relation(1, trace.y - ends.target.y);

  const claim = concat([DOMAIN, ...[digest, r, s, key.x, key.y].map((value) => bytes(value, 48))]);
  const hints = concat([
    Uint8Array.of(point.x === r ? 0 : 1),
    bytes(point.y, 48),
    Uint8Array.of(steps.length),
    Uint8Array.from(steps.flatMap(({ doublings, index }) => [doublings, index])),
    ...trace.slopes.map((value) => bytes(value, 48)),
  ]);
  const seed = fromHex(keccak256(concat([claim, hints])));
  const weight = (index: number) => BigInt(keccak256(concat([seed, bytes(BigInt(index), 32)]))) >> 128n;
  const inner = Array.from({ length: WEIGHTS }, (_, k) => weight(k));
  let total = 0n;
  for (const [k, step] of trace.steps.entries()) {
    const sum = step.reduce((acc, relation) => acc + inner[relation.weight]! * relation.value, 0n);
    total += weight(WEIGHTS + k) * sum;
  }
  const scalars = inner[0]! * (v * s + z * r) + inner[1]! * ((w0 + w1 * HALF) * s + z * digest);
  const tail = concat([bytes(total / P, QUOTIENT_P), bytes(scalars / N, QUOTIENT_N)]);
  return {
    hints: concat([hints, tail, nonce(seed, tail)]),
    holds: total % P === 0n && scalars % N === 0n,
  };
}

/** The first nonce, 2 bytes, that makes the modulus a probable prime. */
function nonce(seed: Uint8Array, tail: Uint8Array): Uint8Array {
  for (let k = 0n; ; k++) {
    const candidate = bytes(k, 2);
    const hash = BigInt(keccak256(concat([seed, tail, candidate])));
    const m = (hash >> 4n) | (1n << 251n) | 1n;
    if (SMALL.some((q) => m % q === 0n)) continue;
    if (power(2n, m - 1n, m) === 1n) return candidate;
  }
}
