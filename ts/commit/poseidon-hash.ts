import { FIELD, FULL_ROUNDS, inverse, type Matrix, poseidonParameters, type Vector } from "./poseidon-parameters.ts";

/** One partial round with its linear layer made sparse. */
export type SparseRound = {
  /** Added to element 0 before the S-box. */
  readonly constant: bigint;
  /** Row 0 of the layer. */
  readonly row: Vector;
  /** Column 0 below row 0; the rest is the identity. Entry 0 is unused. */
  readonly column: Vector;
};

export type Schedule = {
  readonly t: number;
  readonly mds: Matrix;
  readonly before: Matrix;
  readonly partial: readonly SparseRound[];
  /** Dense layer that the sparse ones leave over, applied once after them. */
  readonly leftover: Matrix;
  readonly after: Matrix;
};

const schedules = new Map<number, Schedule>();

/**
 * Poseidon over BN254's scalar field with circomlib's parameters, 1 to 16 inputs: element 0 of the permuted state.
 * Inputs are below the field's order.
 */
export function poseidonHash(inputs: Vector): bigint {
  let schedule = schedules.get(inputs.length);
  if (schedule === undefined) {
    schedule = scheduleOf(inputs.length);
    schedules.set(inputs.length, schedule);
  }
  const { t } = schedule;
  let state = fullRounds([0n, ...inputs], schedule.before, schedule.mds);
  for (const { constant, row, column } of schedule.partial) {
    const head = fifth(state[0] + constant);
    let sum = row[0] * head;
    for (let i = 1; i < t; i++) {
      sum += row[i] * state[i];
      // Not reduced: even 70 such terms stay below 2^515, and a longer product costs less than a division.
      state[i] += column[i] * head;
    }
    state[0] = sum % FIELD;
  }
  state = multiply(schedule.leftover, state);
  return fullRounds(state, schedule.after, schedule.mds)[0];
}

function fifth(x: bigint): bigint {
  const square = (x * x) % FIELD;
  return (square * square * x) % FIELD;
}

function fullRounds(state: bigint[], constants: Matrix, mds: Matrix): bigint[] {
  let out = state;
  for (const round of constants)
    out = multiply(
      mds,
      out.map((x, i) => fifth(x + round[i])),
    );
  return out;
}

function multiply(matrix: Matrix, vector: Vector): bigint[] {
  return matrix.map((row) => {
    let sum = 0n;
    for (let i = 0; i < row.length; i++) sum += row[i] * vector[i];
    return sum % FIELD;
  });
}

/**
 * Makes the partial rounds sparse (Poseidon paper, appendix B). The state is kept as `x = D z`, where D leaves element
 * 0 alone, so that it commutes with a partial round's single S-box. `M D = D' S` with `D'` again of that kind and S the
 * identity but for row 0 and column 0: z goes through S, and only the last D is applied. Constants of the other
 * elements are carried into the next round.
 */
export function scheduleOf(inputs: number): Schedule {
  const { t, partialRounds, constants, mds } = poseidonParameters(inputs);
  const half = FULL_ROUNDS / 2;
  const rest = Array.from({ length: t - 1 }, (_, i) => i + 1);
  // D without row and column 0, and its inverse.
  let lower: Matrix = rest.map((x) => rest.map((y) => (x === y ? 1n : 0n)));
  let lowerInverse = lower;
  const mdsLower = rest.map((x) => rest.map((y) => mds[x][y]));
  const mdsLowerInverse = invert(mdsLower);
  let carry: Vector = Array<bigint>(t).fill(0n);
  const partial: SparseRound[] = [];
  for (let round = half; round < half + partialRounds; round++) {
    const [first, ...others] = constants[round];
    const added = [first, ...multiply(lowerInverse, others)].map((x, i) => (x + carry[i]) % FIELD);
    const row = [mds[0][0], ...multiply(transpose(lower), mds[0].slice(1))];
    lower = product(mdsLower, lower);
    lowerInverse = product(lowerInverse, mdsLowerInverse);
    const column = [
      0n,
      ...multiply(
        lowerInverse,
        rest.map((x) => mds[x][0]),
      ),
    ];
    partial.push({ constant: added[0], row, column });
    carry = [multiply([row.slice(1)], added.slice(1))[0], ...added.slice(1)];
  }
  const after = constants.slice(half + partialRounds);
  const leftover = [[1n, ...rest.map(() => 0n)], ...lower.map((row) => [0n, ...row])];
  const carried = multiply(leftover, carry);
  after[0] = after[0].map((x, i) => (x + carried[i]) % FIELD);
  return { t, mds, before: constants.slice(0, half), partial, leftover, after };
}

function transpose(matrix: Matrix): Matrix {
  return matrix[0].map((_, x) => matrix.map((row) => row[x]));
}

function product(left: Matrix, right: Matrix): Matrix {
  const columns = transpose(right);
  return left.map((row) => multiply(columns, row));
}

/** Gauss-Jordan elimination over the field; the matrix is invertible. */
function invert(matrix: Matrix): Matrix {
  const n = matrix.length;
  const work = matrix.map((row, x) => [...row, ...row.map((_, y) => (x === y ? 1n : 0n))]);
  for (let pivot = 0; pivot < n; pivot++) {
    const swap = work.findIndex((row, x) => x >= pivot && row[pivot] !== 0n);
    [work[pivot], work[swap]] = [work[swap], work[pivot]];
    const scale = inverse(work[pivot][pivot]);
    work[pivot] = work[pivot].map((x) => (x * scale) % FIELD);
    for (let x = 0; x < n; x++) {
      const factor = work[x][pivot];
      if (x !== pivot && factor !== 0n) {
        work[x] = work[x].map((value, i) => (((value - factor * work[pivot][i]) % FIELD) + FIELD) % FIELD);
      }
    }
  }
  return work.map((row) => row.slice(n));
}
