import { prng } from "./prng.ts";

/** Directions that are told apart: more fit the samples better and other text no better (docs/accuracy.md). */
const RANK = 32;
/** Rounds of subspace iteration: the leading directions matter, and they are found first. */
const ITERATIONS = 5;
/** Share of an input's square that counts as in no direction: keeps feedback from fitting the samples. */
const DAMPING = 0.05;

/**
 * Second moments of a matrix product's inputs, as a few directions and what each input has beside them: `E[x x^T]` is about
 * `directions directions^T + diagonal(rest)`.
 */
export type InputMoments = {
  readonly inputs: number;
  readonly rank: number;
  /** `inputs` rows of `rank` elements. */
  readonly directions: Float64Array;
  readonly rest: Float64Array;
};

/**
 * Moments of the inputs that these samples show, one row each. Doubles are added, multiplied, divided and rooted only: every
 * machine gets the same bits.
 */
export function inputMoments(samples: readonly Float32Array[]): InputMoments {
  const inputs = samples[0].length;
  const rank = Math.min(RANK, inputs, samples.length);
  const random = prng(1);
  let basis = Array.from({ length: rank }, () => Float64Array.from({ length: inputs }, () => 2 * random.int(0, 1) - 1));
  orthonormalise(basis);
  for (let i = 0; i < ITERATIONS; i++) {
    const next = basis.map(() => new Float64Array(inputs));
    for (const x of samples) {
      for (const [r, direction] of basis.entries()) addScaled(next[r], x, dot(x, direction));
    }
    orthonormalise(next);
    basis = next;
  }
  const squares = new Float64Array(inputs);
  for (const x of samples) for (let k = 0; k < inputs; k++) squares[k] += x[k] * x[k];
  const rest = squares.slice();
  const directions = new Float64Array(inputs * rank);
  basis.forEach((direction, r) => {
    let square = 0;
    for (const x of samples) {
      const part = dot(x, direction);
      square += part * part;
    }
    const length = Math.sqrt(square);
    for (let k = 0; k < inputs; k++) {
      const scaled = direction[k] * length;
      directions[k * rank + r] = scaled;
      rest[k] -= scaled * scaled;
    }
  });
  return { inputs, rank, directions, rest: rest.map((x, k) => Math.max(x, 0) + DAMPING * squares[k]) };
}

/**
 * Symmetric int8 quantisation of each row by its own largest magnitude, into `out`, with error feedback: each weight makes up for what
 * the ones rounded before it do to the product, as far as the inputs vary together. Without it the errors of a row's weights add
 * up along the few directions that most of an activation lies in.
 *
 * With e the errors and z = sum of `direction[k] e[k]` over those rounded, `z^2 + sum of rest[k] e[k]^2` is least over all
 * that is left at `e[k] = -feedback[k] z`: that is where weight k is aimed at, before it is rounded.
 */
export function roundRows(data: Float32Array, magnitudes: Float64Array, moments: InputMoments, out: Int8Array): void {
  const { inputs, rank, directions } = moments;
  const { order, feedback } = feedbackOf(moments);
  const z = new Float64Array(rank);
  for (let row = 0; row < magnitudes.length; row++) {
    const inverse = magnitudes[row] === 0 ? 0 : 127 / magnitudes[row];
    z.fill(0);
    for (const k of order) {
      const exact = data[row * inputs + k] * inverse;
      const at = k * rank;
      let aim = exact;
      for (let r = 0; r < rank; r++) aim -= feedback[at + r] * z[r];
      const rounded = Math.min(Math.max(Math.round(aim), -127), 127);
      const error = rounded - exact;
      for (let r = 0; r < rank; r++) z[r] += directions[at + r] * error;
      out[row * inputs + k] = rounded;
    }
  }
}

/** The order of rounding, those with most beside the directions first, and what each input feeds back of z. */
function feedbackOf({ inputs, rank, directions, rest }: InputMoments): { order: Uint32Array; feedback: Float64Array } {
  const order = Uint32Array.from({ length: inputs }, (_, k) => k).sort((i, j) => rest[j] - rest[i] || i - j);
  const feedback = new Float64Array(inputs * rank);
  // (1 + sum of directions[j]^T directions[j] / rest[j] over those behind k)^-1, from the last on, by Sherman and Morrison.
  const inverse = Array.from({ length: rank }, (_, r) =>
    Float64Array.from({ length: rank }, (_, s) => (r === s ? 1 : 0)),
  );
  for (const k of order.toReversed()) {
    const direction = directions.subarray(k * rank, (k + 1) * rank);
    const image = inverse.map((row) => dot(row, direction));
    const whole = rest[k] + dot(image, direction);
    // An input that is always zero takes any weight.
    if (whole === 0) continue;
    for (let r = 0; r < rank; r++) {
      feedback[k * rank + r] = image[r] / whole;
      addScaled(inverse[r], image, -image[r] / whole);
    }
  }
  return { order, feedback };
}

/** Gram and Schmidt, in place; a vector that the ones before it span becomes zero. */
function orthonormalise(vectors: readonly Float64Array[]): void {
  vectors.forEach((vector, i) => {
    const before = Math.sqrt(dot(vector, vector));
    for (const other of vectors.slice(0, i)) addScaled(vector, other, -dot(vector, other));
    const length = Math.sqrt(dot(vector, vector));
    // Below this share only rounding errors are left.
    const factor = length > before * 1e-9 ? 1 / length : 0;
    for (let k = 0; k < vector.length; k++) vector[k] *= factor;
  });
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

function addScaled(to: Float64Array, a: ArrayLike<number>, factor: number): void {
  for (let k = 0; k < to.length; k++) to[k] += a[k] * factor;
}
