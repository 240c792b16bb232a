// SPDX-License-Identifier: GPL-3.0-only
import { FIELD } from "../commit/poseidon-parameters.ts";
import type { Constraint, LinearCombination, R1cs } from "./r1cs.ts";

/**
 * Wires that the constraints leave free around a witness once its inputs are fixed. A constraint pins a wire if it is the
 * only one of its wires that is not pinned yet and by which its derivative is not 0: bits by `x (1 - x) = 0`, sums by their
 * parts, quotients by their range checks. Where all are pinned the Jacobian is regular, and the witness has no other
 * near it; a hint that lacks a constraint stays free, however the others may be changed along with it.
 * @param inputs Wires of the inputs.
 */
export function freeWires(r1cs: R1cs, witness: readonly bigint[], inputs: Iterable<number>): Set<number> {
  const pinned = new Set<number>([0, ...inputs]);
  const users: number[][] = Array.from({ length: r1cs.wires }, () => []);
  const open = r1cs.constraints.map((constraint, i) => {
    const wires = new Set(movable(constraint, witness).filter((wire) => !pinned.has(wire)));
    for (const wire of wires) users[wire].push(i);
    return wires;
  });
  const queue = open.flatMap((wires, i) => (wires.size === 1 ? [i] : []));
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const wire of open[next]) {
      pinned.add(wire);
      for (const user of users[wire]) {
        open[user].delete(wire);
        if (open[user].size === 1) queue.push(user);
      }
    }
  }
  return new Set(Array.from({ length: r1cs.wires }, (_, wire) => wire).filter((wire) => !pinned.has(wire)));
}

/** Wires by which the derivative of `a * b - c` is not 0. */
function movable({ a, b, c }: Constraint, witness: readonly bigint[]): number[] {
  const value = (terms: LinearCombination) => terms.reduce((sum, [wire, factor]) => sum + factor * witness[wire], 0n);
  const [ofA, ofB] = [value(a) % FIELD, value(b) % FIELD];
  const slopes = new Map<number, bigint>();
  const add = (terms: LinearCombination, scale: bigint) => {
    for (const [wire, factor] of terms) slopes.set(wire, (slopes.get(wire) ?? 0n) + factor * scale);
  };
  add(a, ofB);
  add(b, ofA);
  add(c, -1n);
  return [...slopes].filter(([, slope]) => slope % FIELD !== 0n).map(([wire]) => wire);
}
