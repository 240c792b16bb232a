// SPDX-License-Identifier: GPL-3.0-only
import { wtns } from "snarkjs";
import type { CompiledCircuit } from "./compile.ts";

/** Values of the `main` component's inputs, by name. */
export type CircuitInputs = { [name: string]: bigint | readonly bigint[] };

/**
 * Value of every wire. Rejects if an assertion of the circuit fails, that is, if no witness exists for these inputs.
 */
export async function calculateWitness(circuit: CompiledCircuit, inputs: CircuitInputs): Promise<bigint[]> {
  const file = { type: "mem" } as const;
  await wtns.calculate({ ...inputs }, circuit.wasm, file);
  return wtns.exportJson(file);
}
