// SPDX-License-Identifier: GPL-3.0-only
import { groth16 } from "snarkjs";
import type { CircuitInputs } from "./calculator.ts";

/** A proof, and its public words. */
export type Proven = Awaited<ReturnType<typeof groth16.fullProve>>;

/** A proof to be made. @param zkey Path of the proving key. */
export type ProveRequest = { readonly inputs: CircuitInputs; readonly wasm: Uint8Array; readonly zkey: string };
export type ProveReply = { readonly made: Proven } | { readonly error: string };

process.on("message", async ({ inputs, wasm, zkey }: ProveRequest) => {
  const reply: ProveReply = await groth16.fullProve(inputs, wasm, zkey).then(
    (made) => ({ made }),
    (cause: unknown) => ({ error: String(cause) }),
  );
  process.send?.(reply);
});
