// SPDX-License-Identifier: GPL-3.0-only
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Groth16Key, type Groth16Proof, groth16, zKey } from "snarkjs";
import { cacheFolder } from "../commit/cache-folder.ts";
import type { CircuitInputs } from "./calculator.ts";
import { type CircuitName, MOST_CONSTRAINTS, optionsOf } from "./catalogue.ts";
import { compileCircuit } from "./compile.ts";
import { CircuitKeyError, CircuitLimitError } from "./errors.ts";
import { parseR1cs } from "./r1cs.ts";

/** What is committed of a circuit's keys: the verification key, and what the proving key must hash to. */
export type CircuitKey = {
  readonly circuit: CircuitName;
  /** True of a key whose secrets are known: made from a phase-1 file of one contributor, with a public beacon. */
  readonly development: boolean;
  readonly constraints: number;
  readonly r1csSha256: string;
  readonly zkeySha256: string;
  readonly zkeyBytes: number;
  /** As snarkjs writes it. */
  readonly verification: Groth16Key;
};

const KEYS = fileURLToPath(new URL("../../circuits/keys", import.meta.url));
/** The beacon that ends the development setup. Anyone who knows it can forge proofs: for local chains only. */
const DEVELOPMENT_BEACON = createHash("sha256").update("OTR development keys: not for production").digest("hex");
const BEACON_ITERATIONS = 10;

/** Chains on which development keys are no surprise: Anvil's and Hardhat's. */
const LOCAL_CHAINS: readonly number[] = [1337, 31_337];

/** The committed key of a circuit. @throws CircuitKeyError if it has none. */
export function circuitKey(name: CircuitName): CircuitKey {
  const path = join(KEYS, `${name}.json`);
  if (!existsSync(path)) throw new CircuitKeyError(name, "it has no key; tools/circuit-keys.ts makes one");
  return JSON.parse(readFileSync(path, "utf8")) as CircuitKey;
}

/**
 * Refuses development keys on any chain that is not local, unless forced. What deploys verifiers calls this first.
 * @throws CircuitKeyError
 */
export function requireUsable(key: CircuitKey, chainId: number, force = false): void {
  if (!key.development || force || LOCAL_CHAINS.includes(chainId)) return;
  throw new CircuitKeyError(key.circuit, `it is a development key, and ${chainId} is no local chain`);
}

/** Where a circuit's proving key is kept. */
export function provingKeyPath(name: CircuitName, cacheDir = cacheFolder()): string {
  return join(cacheDir, "circuits", "keys", `${name}.zkey`);
}

/**
 * Makes the development keys of a circuit from a phase-1 file, the same bytes each time: the proving key into the cache, the
 * rest is returned. Minutes for the large ones.
 */
export async function makeKeys(name: CircuitName, phase1: string, cacheDir = cacheFolder()): Promise<CircuitKey> {
  const { r1cs } = await compileCircuit(optionsOf(name), cacheDir);
  const constraints = parseR1cs(r1cs).constraints.length;
  if (constraints > MOST_CONSTRAINTS) throw new CircuitLimitError("constraints", constraints, MOST_CONSTRAINTS);
  const path = provingKeyPath(name, cacheDir);
  await mkdir(join(path, ".."), { recursive: true });
  const [first, part] = [`${path}.first`, `${path}.part`];
  await zKey.newZKey(r1cs, phase1, first);
  await zKey.beacon(first, part, "OTR development", DEVELOPMENT_BEACON, BEACON_ITERATIONS);
  await rm(first);
  await rename(part, path);
  return {
    circuit: name,
    development: true,
    constraints,
    r1csSha256: createHash("sha256").update(r1cs).digest("hex"),
    zkeySha256: await sha256File(path),
    zkeyBytes: (await stat(path)).size,
    verification: await zKey.exportVerificationKey(path),
  };
}

/** Writes what is committed of a key. */
export async function writeKey(key: CircuitKey): Promise<void> {
  await mkdir(KEYS, { recursive: true });
  await writeFile(join(KEYS, `${key.circuit}.json`), `${JSON.stringify(key, undefined, 2)}\n`);
}

/** Path of the proving key, checked against the committed hash. @throws CircuitKeyError if it is absent or another. */
export async function provingKey(name: CircuitName, cacheDir = cacheFolder()): Promise<string> {
  const path = provingKeyPath(name, cacheDir);
  if (!existsSync(path)) throw new CircuitKeyError(name, "its proving key is not in the cache: tools/circuit-keys.ts");
  const found = await sha256File(path);
  const { zkeySha256 } = circuitKey(name);
  if (found !== zkeySha256) throw new CircuitKeyError(name, `its proving key hashes to ${found}, not ${zkeySha256}`);
  return path;
}

/** A Groth16 proof and its public signals, in the order of the catalogue. */
export type CircuitProof = { readonly proof: Groth16Proof; readonly publicSignals: readonly string[] };

/** Proves; seconds. @param zkey Path of the proving key: `provingKey`. */
export async function prove(name: CircuitName, inputs: CircuitInputs, zkey: string): Promise<CircuitProof> {
  const { wasm } = await compileCircuit(optionsOf(name));
  return groth16.fullProve(inputs, wasm, zkey);
}

/** True if a proof is right for its public signals. */
export function verifyProof(name: CircuitName, { proof, publicSignals }: CircuitProof): Promise<boolean> {
  return groth16.verify(circuitKey(name).verification, publicSignals, proof);
}

async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  return hash.digest("hex");
}
