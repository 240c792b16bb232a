// SPDX-License-Identifier: GPL-3.0-only
import { readFile } from "node:fs/promises";
import type { CircuitInputs } from "./calculator.ts";
import { type CircuitProof, CircuitProver } from "./prover.ts";

/** A proof to be made. @param zkey Path of the proving key. */
export type ProveRequest = { readonly inputs: CircuitInputs; readonly wasm: Uint8Array; readonly zkey: string };
export type ProveReply = { readonly made: CircuitProof } | { readonly error: string };

/** Keys stay in memory: reading one takes as long as a proof. */
const provers = new Map<string, Promise<CircuitProver>>();

function proverOf(wasm: Uint8Array, zkey: string): Promise<CircuitProver> {
  const made = provers.get(zkey) ?? readFile(zkey).then((bytes) => CircuitProver.of({ wasm }, bytes));
  provers.set(zkey, made);
  made.catch(() => provers.delete(zkey));
  return made;
}

process.on("message", async ({ inputs, wasm, zkey }: ProveRequest) => {
  const reply: ProveReply = await proverOf(wasm, zkey)
    .then((prover) => prover.prove(inputs))
    .then(
      (made) => ({ made }),
      (cause: unknown) => ({ error: String(cause) }),
    );
  process.send?.(reply);
});
