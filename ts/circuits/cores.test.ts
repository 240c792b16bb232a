// SPDX-License-Identifier: GPL-3.0-only

import { sha256 } from "@noble/hashes/sha2.js";
import { beforeAll, describe, expect, it } from "vitest";
import { poseidonHash } from "../commit/poseidon-hash.ts";
import { FIELD } from "../commit/poseidon-parameters.ts";
import { prng } from "../compiler/prng.ts";
import { INSTRUCTIONS, type InstructionName } from "../machine/table.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { WitnessCalculator } from "./calculator.ts";
import { compileCircuit } from "./compile.ts";
import { freeWires } from "./pinned.ts";
import { parseR1cs } from "./r1cs.ts";
import { elementCase } from "./testing/cases.ts";
import { CORES, coreCases } from "./testing/cores.ts";

const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];
const CASES = 200 * FUZZ;

let calculators: Record<keyof typeof CORES, WitnessCalculator>;
beforeAll(async () => {
  const entries: [string, WitnessCalculator][] = [];
  for (const [name, options] of Object.entries(CORES)) {
    entries.push([name, await WitnessCalculator.of(await compileCircuit(options))]);
  }
  calculators = Object.fromEntries(entries) as typeof calculators;
}, 600_000);

const signed = (x: bigint) => (x > FIELD / 2n ? x - FIELD : x);

describe("a circuit gives what the reference gives", () => {
  it.each(NAMES)(
    "%s",
    (name) => {
      const random = prng(INSTRUCTIONS[name].opcode);
      for (let n = 0; n < CASES; n++) {
        const subject = elementCase(name, random);
        for (const { circuit, inputs, outputs } of coreCases(subject)) {
          const witness = calculators[circuit].calculate(inputs);
          outputs.forEach((expected, i) => {
            if (expected === undefined) return;
            const got = signed(witness[1 + i]);
            if (got !== expected) expect({ n, output: i, got, subject: subject.subject.instruction }).toBe(expected);
          });
        }
      }
    },
    600_000 * FUZZ,
  );
});

describe("no hint is free", () => {
  // The inverse that shows that 0 has none.
  const NEEDLESS = /\.inv$/;
  it.each(Object.keys(CORES) as (keyof typeof CORES)[])(
    "%s",
    async (circuit) => {
      const compiled = await compileCircuit(CORES[circuit]);
      const r1cs = parseR1cs(compiled.r1cs);
      // circom numbers outputs first, then inputs.
      const count = r1cs.publicInputs + r1cs.privateInputs;
      const given = Array.from({ length: count }, (_, i) => 1 + r1cs.publicOutputs + i);
      for (const name of NAMES) {
        const random = prng(50 + INSTRUCTIONS[name].opcode);
        for (let n = 0; n < 2; n++) {
          for (const core of coreCases(elementCase(name, random)).slice(0, 2)) {
            if (core.circuit !== circuit) continue;
            const witness = calculators[circuit].calculate(core.inputs);
            const free = [...freeWires(r1cs, witness, given)].map((wire) => compiled.wires.get(wire) ?? `${wire}`);
            // fold: which element is named as the largest, where several are or where none is asked for.
            const surprising = free.filter((label) => !NEEDLESS.test(label) && !label.includes(".reached["));
            expect(surprising, name).toEqual([]);
          }
        }
      }
    },
    600_000,
  );
});

describe("hashes are what everybody else's are, and their constraints fix them", () => {
  /** Outputs of a template for these inputs; no wire of its witness is free. */
  async function hashed(template: string, file: string, cases: readonly bigint[][]): Promise<bigint[][]> {
    const options = { main: `component main = ${template};`, include: [file], optimisation: "O1" } as const;
    const compiled = await compileCircuit(options);
    const r1cs = parseR1cs(compiled.r1cs);
    const calculator = await WitnessCalculator.of(compiled);
    const name = file === "sha256.circom" ? "words" : "inputs";
    const given = Array.from({ length: r1cs.privateInputs }, (_, i) => 1 + r1cs.publicOutputs + i);
    return cases.map((inputs, i) => {
      const witness = calculator.calculate({ [name]: inputs });
      if (i < 2) expect(freeWires(r1cs, witness, given).size).toBe(0);
      return witness.slice(1, 1 + r1cs.publicOutputs);
    });
  }

  it("SHA-256 of 32 bytes", async () => {
    const random = prng(11);
    const messages = [new Uint8Array(32), new Uint8Array(32).fill(255)];
    for (let n = 0; n < CASES; n++) messages.push(Uint8Array.from({ length: 32 }, () => random.int(0, 255)));
    const bits = (bytes: Uint8Array) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      return Array.from({ length: 256 }, (_, i) => BigInt((view.getUint32(4 * (i >> 5)) >>> (i & 31)) & 1));
    };
    const digests = await hashed("Sha256Of32Bytes()", "sha256.circom", messages.map(bits));
    digests.forEach((digest, i) => void expect(digest).toEqual(bits(sha256(messages[i]))));
  }, 600_000);

  it.each([2, 3, 5, 16])(
    "Poseidon of %i elements",
    async (count) => {
      const random = prng(12 + count);
      const element = () => BigInt(random.int(0, 2 ** 31)) ** 9n % FIELD;
      const cases = [0n, 1n, FIELD - 1n].map((x) => Array<bigint>(count).fill(x));
      for (let n = 0; n < 5 * FUZZ; n++) cases.push(Array.from({ length: count }, element));
      const digests = await hashed(`Poseidon(${count})`, "poseidon.circom", cases);
      expect(digests).toEqual(cases.map((inputs) => [poseidonHash(inputs)]));
    },
    600_000,
  );
});
