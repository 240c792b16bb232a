// SPDX-License-Identifier: GPL-3.0-only
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildBn128 } from "ffjavascript";
import { type MemoryFile, powersOfTau } from "snarkjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CommandProver, ProcessProver, type ProvingFilesOf } from "./claim-prover.ts";
import { ProverError } from "./errors.ts";
import { standIn } from "./testing/stand-in.ts";
import { PROOF_BYTES } from "./wire.ts";

const SNARKJS = join(dirname(createRequire(import.meta.url).resolve("snarkjs")), "cli.cjs");
const INPUTS = { stepRoot: 5n, chunk: 6n, target: 7n, shaLow: 8n };

let folder: string;
let files: ProvingFilesOf;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "otr-prover-"));
  const [start, powers, phase1]: MemoryFile[] = [{ type: "mem" }, { type: "mem" }, { type: "mem" }];
  await powersOfTau.newAccumulator(await buildBn128(), 5, start);
  await powersOfTau.contribute(start, powers, "test", "known to everybody");
  await powersOfTau.preparePhase2(powers, phase1);
  const link = await standIn("link", phase1, join(folder, "link.zkey"));
  files = async () => link;
}, 600_000);
afterAll(() => rm(folder, { recursive: true }));

/** A program that writes these as JSON for proof and public words, whatever it is asked for. */
const writes = (proof: string, words: string) =>
  [
    process.execPath,
    "-e",
    `const [, , proof, words] = process.argv.slice(-4); const { writeFileSync } = require("node:fs");
writeFileSync(proof, ${JSON.stringify(proof)}); writeFileSync(words, ${JSON.stringify(words)});`,
    "--",
  ] as const;

describe("provers", () => {
  it("snarkjs in a process of its own: proofs, one after the other", async () => {
    const prover = new ProcessProver(files);
    try {
      const proofs = await Promise.all([1n, 2n, 3n].map((chunk) => prover.prove("link", { ...INPUTS, chunk })));
      for (const proof of proofs) expect(proof).toHaveLength(PROOF_BYTES);
      await expect(prover.prove("link", { ...INPUTS, stepRoot: 0n })).rejects.toThrow(ProverError);
      // It goes on after a lie, and after its process has been killed.
      expect(await prover.prove("link", INPUTS)).toHaveLength(PROOF_BYTES);
      prover.close();
      await expect
        .poll(() => prover.prove("link", INPUTS).catch(() => undefined), { timeout: 60_000 })
        .toHaveLength(PROOF_BYTES);
    } finally {
      prover.close();
    }
  }, 600_000);

  it("another program: called as rapidsnark's prover", async () => {
    const prover = new CommandProver([process.execPath, SNARKJS, "groth16", "prove"], files);
    expect(await prover.prove("link", INPUTS)).toHaveLength(PROOF_BYTES);
    await expect(prover.prove("link", { ...INPUTS, stepRoot: 0n })).rejects.toThrow(ProverError);
  }, 600_000);

  it.each([
    ["fails", [process.execPath, "-e", "process.exit(1)", "--"]],
    ["is not there", ["/nowhere/prover"]],
    ["writes no JSON", writes("proof", "words")],
    ["writes no proof", writes("{}", "[]")],
    [
      "writes points that are none",
      writes('{"pi_a":["1","1","1"],"pi_b":[["1","1"],["1","1"],["1","0"]],"pi_c":["1","1","1"]}', "[]"),
    ],
  ] as const)(
    "a program that %s proves nothing",
    async (_, command) => {
      const prover = new CommandProver(command as readonly [string, ...string[]], files);
      await expect(prover.prove("link", INPUTS)).rejects.toThrow(ProverError);
    },
    60_000,
  );
});
