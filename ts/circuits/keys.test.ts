// SPDX-License-Identifier: GPL-3.0-only
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { describe, expect, it } from "vitest";
import { chunkAt } from "../commit/row.ts";
import { prng } from "../compiler/prng.ts";
import { rowBytes } from "../machine/types.ts";
import { CIRCUIT_NAMES, CIRCUITS, MOST_CONSTRAINTS, optionsOf } from "./catalogue.ts";
import { compileCircuit } from "./compile.ts";
import { CircuitKeyError, NoWitnessError, ProvingKeyError } from "./errors.ts";
import { elementInputs, linkInputs } from "./inputs.ts";
import { circuitKey, openProver, provingKey, verifyProof } from "./keys.ts";
import { CircuitProver } from "./prover.ts";
import { elementCase } from "./testing/cases.ts";
import { proverOf } from "./testing/prover.ts";
import { VERIFIER_KEYS, verifierKeys } from "./verifier-keys.ts";

describe("keys of circuits", () => {
  it("stand together in the file that a deployment reads", () => {
    const file: unknown = JSON.parse(readFileSync(VERIFIER_KEYS, "utf8"));
    expect(file, "tools/circuit-keys.ts --write").toEqual(verifierKeys());
  });

  it("are committed for every circuit, of one setup, 150 MB in all", () => {
    const keys = CIRCUIT_NAMES.map(circuitKey);
    for (const { circuit, constraints, development, verification } of keys) {
      expect(constraints).toBeLessThanOrEqual(MOST_CONSTRAINTS);
      expect(development, circuit).toBe(true);
      expect(verification.IC).toHaveLength(CIRCUITS[circuit].length + 1);
      for (const shared of ["vk_alpha_1", "vk_beta_2", "vk_gamma_2"] as const)
        expect(verification[shared]).toEqual(keys[0].verification[shared]);
    }
    expect(new Set(keys.map(({ verification }) => String(verification.vk_delta_2))).size).toBe(keys.length);
    expect(keys.reduce((sum, { zkeyBytes }) => sum + zkeyBytes, 0)).toBeLessThanOrEqual(150e6);
  });

  it("are of the circuits as they are", async () => {
    for (const name of CIRCUIT_NAMES) {
      const { r1cs } = await compileCircuit(optionsOf(name));
      expect(bytesToHex(sha256(r1cs)), `${name}: tools/circuit-keys.ts --write`).toBe(circuitKey(name).r1csSha256);
    }
  }, 1_800_000);

  it("make the committed bytes from nothing, and no other key passes for them", async () => {
    const folder = mkdtempSync(join(tmpdir(), "otr-keys-"));
    const path = await provingKey("attention", folder);
    const bytes = readFileSync(path);
    expect(bytes.length).toBe(circuitKey("attention").zkeyBytes);
    bytes[bytes.length >> 1] ^= 1;
    writeFileSync(path, bytes);
    await expect(provingKey("attention", folder)).rejects.toThrow(CircuitKeyError);
    for (const broken of [bytes.subarray(0, 8), bytes.subarray(1), bytes.subarray(0, bytes.length - 64)])
      await expect(CircuitProver.of(await compileCircuit(optionsOf("attention")), broken)).rejects.toThrow(
        ProvingKeyError,
      );
  }, 600_000);
});

describe("proofs", () => {
  it("are blinded: of one statement there are many", async () => {
    const subject = elementCase("fold_scores", prng(3));
    const { instruction } = subject.subject;
    const { inputs } = elementInputs(proverOf(subject, 5n), subject.at, instruction, subject.element)[0];
    const opened = await openProver("attention");
    const [one, other] = [await opened.prove(inputs), await opened.prove(inputs)];
    expect(other.proof).not.toEqual(one.proof);
    expect(await verifyProof("attention", { ...one, proof: other.proof })).toBe(true);
  }, 600_000);

  it.each([
    ["map", "gate"],
    ["gather", "rope"],
    ["dot", "fold_dot"],
    ["fold", "fold_pick"],
    ["attention", "fold_scores"],
    ["link", undefined],
  ] as const)(
    "%s: right for their own public signals only",
    async (circuit, name) => {
      const subject = elementCase(name ?? "rope", prng(3));
      const prover = proverOf(subject, 5n);
      const chunk = chunkAt(rowBytes(subject.rows[0]), 0);
      const { inputs } =
        name === undefined
          ? linkInputs(prover, chunk, sha256(chunk), { index: 0, first: 0 })
          : elementInputs(prover, subject.at, subject.subject.instruction, subject.element)[0];
      const opened = await openProver(circuit);
      const proof = await opened.prove(inputs);
      expect(proof.publicSignals).toEqual(CIRCUITS[circuit].map((key) => String(inputs[key])));
      expect(await verifyProof(circuit, proof)).toBe(true);
      const signals = [...proof.publicSignals];
      signals[0] = String(BigInt(signals[0]) + 1n);
      expect(await verifyProof(circuit, { ...proof, publicSignals: signals })).toBe(false);
      // A false witness makes no proof: the program refuses it first.
      await expect(opened.prove({ ...inputs, stepRoot: (inputs.stepRoot as bigint) + 1n })).rejects.toThrow(
        NoWitnessError,
      );
    },
    600_000,
  );
});
