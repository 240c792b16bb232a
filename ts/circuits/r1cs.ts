// SPDX-License-Identifier: GPL-3.0-only
import { FIELD } from "../commit/poseidon-parameters.ts";
import { R1csError } from "./errors.ts";

/** A sum of `coefficient * wire`. */
export type LinearCombination = readonly (readonly [wire: number, coefficient: bigint])[];
/** `a * b = c`. */
export type Constraint = {
  readonly a: LinearCombination;
  readonly b: LinearCombination;
  readonly c: LinearCombination;
};

/** A rank-1 constraint system. Wire 0 is 1; then public outputs, public inputs, private inputs and the rest. */
export type R1cs = {
  readonly wires: number;
  readonly publicOutputs: number;
  readonly publicInputs: number;
  readonly privateInputs: number;
  readonly constraints: readonly Constraint[];
};

const HEADER = 1;
const CONSTRAINTS = 2;

/** Parses the binary format of iden3 (r1cs, version 1, 32-byte field). */
export function parseR1cs(bytes: Uint8Array): R1cs {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number) => view.getUint32(at, true);
  const big = (at: number) => {
    let out = 0n;
    for (let i = 3; i >= 0; i--) out = (out << 64n) + view.getBigUint64(at + 8 * i, true);
    return out;
  };
  if (new TextDecoder().decode(bytes.subarray(0, 4)) !== "r1cs" || u32(4) !== 1)
    throw new R1csError("Wrong magic or version.");
  const sections = new Map<number, number>();
  for (let i = 0, at = 12; i < u32(8); i++) {
    sections.set(u32(at), at + 12);
    at += 12 + Number(view.getBigUint64(at + 4, true));
  }
  const header = sections.get(HEADER);
  let at = sections.get(CONSTRAINTS);
  if (header === undefined || at === undefined) throw new R1csError("A section is missing.");
  if (u32(header) !== 32 || big(header + 4) !== FIELD) throw new R1csError("Another field than BN254's.");
  const numbers = header + 36;
  const combination = (): LinearCombination => {
    const terms = Array.from({ length: u32(at!) }, (_, i): [number, bigint] => [
      u32(at! + 4 + 36 * i),
      big(at! + 8 + 36 * i),
    ]);
    at = at! + 4 + 36 * terms.length;
    return terms;
  };
  const constraints = Array.from({ length: u32(numbers + 24) }, () => ({
    a: combination(),
    b: combination(),
    c: combination(),
  }));
  return {
    wires: u32(numbers),
    publicOutputs: u32(numbers + 4),
    publicInputs: u32(numbers + 8),
    privateInputs: u32(numbers + 12),
    constraints,
  };
}

function evaluate(combination: LinearCombination, witness: readonly bigint[]): bigint {
  let sum = 0n;
  for (const [wire, coefficient] of combination) sum += coefficient * witness[wire];
  return sum % FIELD;
}

/** True if the witness satisfies the constraint. */
export function holds({ a, b, c }: Constraint, witness: readonly bigint[]): boolean {
  return (evaluate(a, witness) * evaluate(b, witness) - evaluate(c, witness)) % FIELD === 0n;
}

/** The constraints that a witness violates. */
export function violated(r1cs: R1cs, witness: readonly bigint[]): Constraint[] {
  return r1cs.constraints.filter((constraint) => !holds(constraint, witness));
}

/** The wires that a constraint speaks of, without the constant wire 0. */
export function wiresOf({ a, b, c }: Constraint): Set<number> {
  return new Set([...a, ...b, ...c].map(([wire]) => wire).filter((wire) => wire !== 0));
}

/** For each wire, the constraints that speak of it. */
export function constraintsByWire(r1cs: R1cs): Constraint[][] {
  const out: Constraint[][] = Array.from({ length: r1cs.wires }, () => []);
  for (const constraint of r1cs.constraints) for (const wire of wiresOf(constraint)) out[wire].push(constraint);
  return out;
}
