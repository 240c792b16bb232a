// SPDX-License-Identifier: GPL-3.0-only
import { type File, type MemoryFile, zKey } from "snarkjs";
import { CIRCUITS, type CircuitName } from "../catalogue.ts";
import type { ProvingFiles } from "../claim-prover.ts";
import { compileCircuit } from "../compile.ts";

/**
 * A circuit that has the public words of the real one and accepts any, but that the first is not 0: with keys in a moment.
 * @param phase1 Prepared for phase 2, of at least 2^5.
 * @param zkey Path of the proving key that is written.
 */
export async function standIn(name: CircuitName, phase1: File, zkey: string): Promise<ProvingFiles> {
  const words = CIRCUITS[name];
  const main = `template Words() {
${words.map((word) => `  signal input ${word};`).join("\n")}
  signal inverse <-- 1 / ${words[0]};
  ${words[0]} * inverse === 1;
  signal sum <== (${words.join(" + ")}) * ${words[0]};
}
component main {public [${words.join(", ")}]} = Words();`;
  const { r1cs, wasm } = await compileCircuit({ main, include: [], optimisation: "O1" });
  const first: MemoryFile = { type: "mem" };
  await zKey.newZKey({ type: "mem", data: r1cs }, phase1, first);
  await zKey.beacon(first, zkey, name, "5".repeat(64), 10);
  return { wasm, zkey, verification: await zKey.exportVerificationKey(zkey) };
}
