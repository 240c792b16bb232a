// SPDX-License-Identifier: GPL-3.0-only
import { type ChildProcess, execFile, fork } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Groth16Key, type Groth16Proof, groth16, type MemoryFile, wtns } from "snarkjs";
import { publicWords } from "./answer.ts";
import type { CircuitInputs } from "./calculator.ts";
import { type CircuitName, optionsOf } from "./catalogue.ts";
import { compileCircuit } from "./compile.ts";
import { ProverError } from "./errors.ts";
import { circuitKey, provingKey } from "./keys.ts";
import type { ProveReply, ProveRequest } from "./prove-process.ts";
import type { CircuitProof } from "./prover.ts";
import { proofWords, wordBytes } from "./wire.ts";

/** Makes proofs of claims. Whatever makes them: only what the circuit's key accepts for the claim's public words is given out. */
export interface Prover {
  /**
   * The proof as the contract takes it: 256 bytes.
   * @throws CircuitKeyError if the proving key is absent, or not the committed one
   * @throws ProverError if the inputs are a lie, or what came out is no proof of the claim
   */
  prove(circuit: CircuitName, inputs: CircuitInputs): Promise<Uint8Array>;
  /** Ends processes. */
  close(): void;
}

/** What a circuit is proven with. */
export type ProvingFiles = {
  /** Makes witnesses. */
  readonly wasm: Uint8Array;
  /** Path of the proving key. */
  readonly zkey: string;
  readonly verification: Groth16Key;
};

/** Where provers have these from. */
export type ProvingFilesOf = (circuit: CircuitName) => Promise<ProvingFiles>;

/** The circuits as committed; proving keys from the cache folder, compared with their committed hashes once. */
export function committedFiles(cacheDir?: string): ProvingFilesOf {
  const known = new Map<CircuitName, Promise<ProvingFiles>>();
  const load = async (circuit: CircuitName): Promise<ProvingFiles> => {
    const zkey = await provingKey(circuit, cacheDir);
    const { wasm } = await compileCircuit(optionsOf(circuit), cacheDir);
    return { zkey, wasm, verification: circuitKey(circuit).verification };
  };
  return (circuit) => {
    const files = known.get(circuit) ?? load(circuit);
    known.set(circuit, files);
    // A key that is made later is found then.
    files.catch(() => known.delete(circuit));
    return files;
  };
}

/**
 * snarkjs in a process of its own, one proof after the other, each on all cores by snarkjs's threads. Seconds a proof; nothing else waits for
 * it. (snarkjs cannot be loaded in a worker thread.)
 */
export class ProcessProver implements Prover {
  readonly #files: ProvingFilesOf;
  #process: ChildProcess | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(files: ProvingFilesOf = committedFiles()) {
    this.#files = files;
  }

  async prove(circuit: CircuitName, inputs: CircuitInputs): Promise<Uint8Array> {
    const files = await this.#files(circuit);
    const made = this.#last.then(() => this.#run(circuit, inputs, files));
    this.#last = made.catch(() => {});
    return checked(circuit, inputs, files, await made);
  }

  close(): void {
    this.#process?.kill();
  }

  async #run(circuit: CircuitName, inputs: CircuitInputs, { wasm, zkey }: ProvingFiles): Promise<CircuitProof> {
    const child = this.#process ?? fork(new URL("./prove-process.ts", import.meta.url), { serialization: "advanced" });
    this.#process = child;
    const reply = await new Promise<ProveReply>((resolve) => {
      const done = (reply: ProveReply) => {
        child.off("message", done).off("exit", gone);
        resolve(reply);
      };
      const gone = () => {
        this.#process = undefined;
        done({ error: "the process has ended" });
      };
      child.once("message", done).once("exit", gone);
      const request: ProveRequest = { inputs, wasm, zkey };
      child.send(request);
    });
    if ("error" in reply) throw new ProverError(circuit, reply.error);
    return reply.made;
  }
}

/**
 * A program of its own, as rapidsnark's `prover`: it is called with the paths of proving key, witness, proof and public words, and writes
 * the last two as JSON, as snarkjs does.
 */
export class CommandProver implements Prover {
  readonly #command: readonly [program: string, ...leading: string[]];
  readonly #files: ProvingFilesOf;

  /** @param command Program and leading arguments. */
  constructor(command: readonly [program: string, ...leading: string[]], files: ProvingFilesOf = committedFiles()) {
    this.#command = command;
    this.#files = files;
  }

  async prove(circuit: CircuitName, inputs: CircuitInputs): Promise<Uint8Array> {
    const files = await this.#files(circuit);
    const folder = await mkdtemp(join(tmpdir(), "otr-proof-"));
    try {
      const made = await this.#run(inputs, files, folder).catch((cause: unknown) => {
        throw new ProverError(circuit, String(cause));
      });
      return await checked(circuit, inputs, files, made);
    } finally {
      // The witness is the executor's secret.
      await rm(folder, { recursive: true, force: true });
    }
  }

  close(): void {}

  async #run(inputs: CircuitInputs, { wasm, zkey }: ProvingFiles, folder: string): Promise<CircuitProof> {
    const witness: MemoryFile = { type: "mem" };
    await wtns.calculate(inputs, wasm, witness);
    const [witnessPath, proofPath, publicPath] = ["witness.wtns", "proof.json", "public.json"].map((name) =>
      join(folder, name),
    );
    await writeFile(witnessPath, witness.data!);
    const [program, ...leading] = this.#command;
    await promisify(execFile)(program, [...leading, zkey, witnessPath, proofPath, publicPath]);
    return {
      proof: JSON.parse(await readFile(proofPath, "utf8")) as Groth16Proof,
      publicSignals: JSON.parse(await readFile(publicPath, "utf8")) as string[],
    };
  }
}

/** The proof's bytes, if it is one of just these words. */
async function checked(
  circuit: CircuitName,
  inputs: CircuitInputs,
  { verification }: ProvingFiles,
  { proof }: CircuitProof,
): Promise<Uint8Array> {
  const words = publicWords({ circuit, inputs }).map(String);
  const valid = await groth16.verify(verification, words, proof).catch(() => false);
  if (!valid) throw new ProverError(circuit, "what came out is no proof of these public words");
  return wordBytes(proofWords(proof));
}
