// SPDX-License-Identifier: GPL-3.0-only
import { beforeAll, describe, expect, it } from "vitest";
import { LIMB, limbsOf, poseidonChain, poseidonRow, rowDomain } from "../commit/poseidon.ts";
import { FIELD } from "../commit/poseidon-parameters.ts";
import { type CompiledCircuit, compileCircuit } from "./compile.ts";
import { constraintsByWire, holds, parseR1cs, type R1cs, violated, wiresOf } from "./r1cs.ts";
import { calculateWitness } from "./witness.ts";

/** A row that needs two links: 17 limbs, the last one partly filled. */
const LENGTH = 16 * LIMB + 5;
const LIMBS = 17;

let seed = 1;
/** xorshift32: reproducible bytes. */
function randomBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, () => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return seed & 0xff;
  });
}

function wireOf(circuit: CompiledCircuit, name: string): number {
  const found = [...circuit.wires].find(([, wire]) => wire === name);
  return found === undefined ? -1 : found[0];
}

describe("RowDigest", () => {
  let circuit: CompiledCircuit;
  let r1cs: R1cs;
  let opening: CompiledCircuit;
  let openingR1cs: R1cs;

  beforeAll(async () => {
    [circuit, opening] = await Promise.all([
      // O1 keeps every limb as a wire of its own, so that it can be altered.
      compileCircuit({
        main: `component main {public [domain, salt]} = RowDigest(${LIMBS});`,
        include: ["row_digest.circom"],
        optimisation: "O1",
      }),
      compileCircuit({
        main: "component main {public [salt]} = RowOpening(1, 20);",
        include: ["row_digest.circom"],
        optimisation: "O2",
      }),
    ]);
    r1cs = parseR1cs(circuit.r1cs);
    openingR1cs = parseR1cs(opening.r1cs);
  });

  const inputsOf = (bytes: Uint8Array, salt: bigint) => ({
    domain: rowDomain(0, bytes.length),
    salt,
    limb: limbsOf(bytes),
  });

  it("gives the digest and the bytes of ts/commit/poseidon.ts", async () => {
    const rows = [randomBytes(LENGTH), new Uint8Array(LENGTH), new Uint8Array(LENGTH).fill(255), randomBytes(LENGTH)];
    for (const [i, bytes] of rows.entries()) {
      const salt = i === 3 ? FIELD - 1n : BigInt(i);
      const witness = await calculateWitness(circuit, inputsOf(bytes, salt));
      expect(violated(r1cs, witness)).toEqual([]);
      expect(witness[1]).toBe(poseidonRow({ typeCode: 0, length: LENGTH, bytes }, salt));
      const padded = new Uint8Array(LIMBS * LIMB);
      padded.set(bytes);
      expect(witness.slice(2, 2 + padded.length).map(Number)).toEqual([...padded]);
    }
  });

  it("constrains every wire: altering any single one is noticed", async () => {
    for (const [compiled, system, inputs] of [
      [circuit, r1cs, inputsOf(randomBytes(LENGTH), 3n)],
      [opening, openingR1cs, { salt: 3n, limb: limbsOf(randomBytes(40)) }],
    ] as const) {
      const witness = await calculateWitness(compiled, inputs);
      const users = constraintsByWire(system);
      for (let wire = 1; wire < system.wires; wire++) {
        const honest = witness[wire];
        for (const delta of [1n, FIELD - honest === 1n ? 2n : FIELD - 1n]) {
          witness[wire] = (honest + delta) % FIELD;
          const noticed = users[wire].some((constraint) => !holds(constraint, witness));
          expect(noticed, `wire ${wire} (${compiled.wires.get(wire)})`).toBe(true);
        }
        witness[wire] = honest;
      }
    }
  });

  it("binds the digest to limbs, domain and salt together", async () => {
    const one = await calculateWitness(circuit, inputsOf(randomBytes(LENGTH), 1n));
    const other = await calculateWitness(circuit, inputsOf(randomBytes(LENGTH), 1n));
    // The whole of another row's witness, but this row's digest.
    expect(violated(r1cs, [...other.slice(0, 1), one[1], ...other.slice(2)])).not.toEqual([]);
    // The public domain and salt of this row, but another length or salt.
    for (const name of ["main.domain", "main.salt"]) {
      const forged = [...one];
      forged[wireOf(circuit, name)] += 4n;
      expect(violated(r1cs, forged)).not.toEqual([]);
    }
  });

  it("has no witness for a limb of 2^248 or more", async () => {
    const limbs = limbsOf(randomBytes(LENGTH));
    for (const limb of [1n << 248n, FIELD - 1n, limbs[0] + (1n << 248n)]) {
      const inputs = { domain: rowDomain(0, LENGTH), salt: 0n, limb: [limb, ...limbs.slice(1)] };
      await expect(calculateWitness(circuit, inputs)).rejects.toThrow();
    }
  });

  it("rejects a limb of 2^248 or more by its range check alone", async () => {
    const witness = await calculateWitness(circuit, inputsOf(randomBytes(LENGTH), 0n));
    const limb = wireOf(circuit, "main.limb[0]");
    const bit = (i: number) => wireOf(circuit, `main.bits[0].out[${i}]`);
    const bits = Array.from({ length: 248 }, (_, i) => bit(i)).filter((wire) => wire >= 0);
    // Everything that the range check of limb 0 speaks of: bytes are public outputs at 2 + 31 * i + j.
    const own = new Set([limb, ...bits, ...Array.from({ length: LIMB }, (_, j) => 2 + j)]);
    const rangeCheck = r1cs.constraints.filter((constraint) => [...wiresOf(constraint)].every((wire) => own.has(wire)));
    expect(rangeCheck.length).toBeGreaterThanOrEqual(248);
    expect(rangeCheck.every((constraint) => holds(constraint, witness))).toBe(true);
    // No bit pattern helps: bits must be 0 or 1, and 248 of them reach 2^248 - 1 at most. Adding 2^248 by "2 in the top
    // bit" included.
    const forged = [...witness];
    forged[limb] = witness[limb] + (1n << 248n);
    expect(rangeCheck.some((constraint) => !holds(constraint, forged))).toBe(true);
    const top = bit(247);
    forged[top] = witness[top] + 2n;
    forged[2 + LIMB - 1] = witness[2 + LIMB - 1] + 256n;
    expect(rangeCheck.filter((constraint) => !holds(constraint, forged)).length).toBeGreaterThan(0);
  });

  it("RowOpening fixes type and length and refuses padding that is not zero", async () => {
    const bytes = randomBytes(40);
    const witness = await calculateWitness(opening, { salt: 9n, limb: limbsOf(bytes) });
    expect(violated(openingR1cs, witness)).toEqual([]);
    expect(witness[1]).toBe(poseidonRow({ typeCode: 1, length: 20, bytes }, 9n));
    expect(witness.slice(2, 42).map(Number)).toEqual([...bytes]);
    const padded = new Uint8Array(2 * LIMB);
    padded.set(bytes);
    padded[40] = 1;
    await expect(calculateWitness(opening, { salt: 9n, limb: limbsOf(padded) })).rejects.toThrow();
    expect(poseidonChain(rowDomain(1, 20), 9n, limbsOf(padded))).not.toBe(witness[1]);
  });
});
