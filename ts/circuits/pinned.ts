// SPDX-License-Identifier: GPL-3.0-only
import { FIELD } from "../commit/poseidon-parameters.ts";
import type { Constraint, LinearCombination, R1cs } from "./r1cs.ts";

/**
 * Wires that the constraints leave free around a witness once its inputs are fixed. A constraint pins a wire if it is the
 * only one of its wires that is not pinned yet and by which its derivative is not 0: bits by `x (1 - x) = 0`, sums by their
 * parts, quotients by their range checks. So do as many independent constraints as they have such wires, all of them the same: the
 * linear layers of Poseidon. Where all are pinned the Jacobian is regular, and the witness has no other
 * near it; a hint that lacks a constraint stays free, however the others may be changed along with it.
 * @param inputs Wires of the inputs.
 */
export function freeWires(r1cs: R1cs, witness: readonly bigint[], inputs: Iterable<number>): Set<number> {
  const pinned = new Set<number>([0, ...inputs]);
  const users: number[][] = Array.from({ length: r1cs.wires }, () => []);
  const slopes = r1cs.constraints.map((constraint) => slopesOf(constraint, witness));
  const open = slopes.map((slope, i) => {
    const wires = new Set([...slope.keys()].filter((wire) => !pinned.has(wire)));
    for (const wire of wires) users[wire].push(i);
    return wires;
  });
  const queue = open.flatMap((wires, i) => (wires.size === 1 ? [i] : []));
  const pin = (wire: number) => {
    pinned.add(wire);
    for (const user of users[wire]) {
      open[user].delete(wire);
      if (open[user].size === 1) queue.push(user);
    }
  };
  for (let moved = true; moved; ) {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) open[next].forEach(pin);
    moved = false;
    for (const [wires, equations] of blocks(open)) {
      if (!isRegular(equations.map((i) => wires.map((wire) => slopes[i].get(wire)!)))) continue;
      wires.forEach(pin);
      moved = true;
    }
  }
  return new Set(Array.from({ length: r1cs.wires }, (_, wire) => wire).filter((wire) => !pinned.has(wire)));
}

/** Most wires that constraints pin together: the state of the widest Poseidon. */
const WIDEST = 17;

/** Constraints with the same open wires, where there are as many of them as wires. */
function blocks(open: readonly Set<number>[]): [wires: number[], constraints: number[]][] {
  const found = new Map<string, [number[], number[]]>();
  open.forEach((set, i) => {
    if (set.size < 2 || set.size > WIDEST) return;
    const wires = [...set].sort((x, y) => x - y);
    const block = found.get(wires.join()) ?? [wires, []];
    block[1].push(i);
    found.set(wires.join(), block);
  });
  return [...found.values()].filter(([wires, constraints]) => constraints.length >= wires.length);
}

/** True if the rows have as many independent ones as they have columns. */
function isRegular(matrix: readonly (readonly bigint[])[]): boolean {
  const rows = matrix.map((row) => [...row]);
  return rows[0].every((_, column) => {
    const at = rows.findIndex((row, i) => i >= column && row[column] !== 0n);
    if (at < 0) return false;
    const [pivot] = rows.splice(at, 1);
    rows.splice(column, 0, pivot);
    for (const row of rows.slice(column + 1)) {
      const factor = row[column];
      row.forEach((x, i) => {
        row[i] = (((x * pivot[column] - factor * pivot[i]) % FIELD) + FIELD) % FIELD;
      });
    }
    return true;
  });
}

/** Wires by which the derivative of `a * b - c` is not 0, and the derivative. */
function slopesOf({ a, b, c }: Constraint, witness: readonly bigint[]): Map<number, bigint> {
  const value = (terms: LinearCombination) => terms.reduce((sum, [wire, factor]) => sum + factor * witness[wire], 0n);
  const [ofA, ofB] = [value(a) % FIELD, value(b) % FIELD];
  const slopes = new Map<number, bigint>();
  const add = (terms: LinearCombination, scale: bigint) => {
    for (const [wire, factor] of terms) slopes.set(wire, ((slopes.get(wire) ?? 0n) + factor * scale) % FIELD);
  };
  add(a, ofB);
  add(b, ofA);
  add(c, -1n);
  return new Map([...slopes].filter(([, slope]) => slope !== 0n));
}
