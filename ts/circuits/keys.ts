// SPDX-License-Identifier: GPL-3.0-only
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildBn128, type Curve } from "ffjavascript";
import { type Groth16Key, groth16, zKey } from "snarkjs";
import { cacheFolder } from "../commit/cache-folder.ts";
import { CIRCUIT_NAMES, type CircuitName, MOST_CONSTRAINTS, optionsOf } from "./catalogue.ts";
import { compileCircuit } from "./compile.ts";
import { developmentKey, type Generators } from "./development-key.ts";
import { CircuitKeyError, CircuitLimitError } from "./errors.ts";
import { FixedBase } from "./fixed-base.ts";
import { type CircuitProof, CircuitProver } from "./prover.ts";
import { parseR1cs } from "./r1cs.ts";

/** What is committed of a circuit's keys: the verification key, and what the proving key must hash to. */
export type CircuitKey = {
  readonly circuit: CircuitName;
  /** True of a key whose secrets are known: made from a public seed, or a phase-1 file of one contributor with a public beacon. */
  readonly development: boolean;
  readonly constraints: number;
  readonly r1csSha256: string;
  readonly zkeySha256: string;
  readonly zkeyBytes: number;
  /** As snarkjs writes it. */
  readonly verification: Groth16Key;
};

const KEYS = fileURLToPath(new URL("../../circuits/keys", import.meta.url));
/** The beacon that ends a setup from a phase-1 file. Whoever knows that file's secrets, too, can forge proofs. */
const DEVELOPMENT_BEACON = createHash("sha256").update("OTR development keys: not for production").digest("hex");
const BEACON_ITERATIONS = 10;

/** The committed key of a circuit. @throws CircuitKeyError if it has none. */
export function circuitKey(name: CircuitName): CircuitKey {
  const path = join(KEYS, `${name}.json`);
  if (!existsSync(path)) throw new CircuitKeyError(name, "it has no key; tools/circuit-keys.ts makes one");
  return JSON.parse(readFileSync(path, "utf8")) as CircuitKey;
}

/** Where proving keys are kept: by their hash, so that those of other versions are no trouble. */
function provingKeyPath(name: CircuitName, sha256: string, cacheDir: string): string {
  return join(cacheDir, "circuits", "keys", `${name}-${sha256.slice(0, 16)}.zkey`);
}

/**
 * Makes the development keys of a circuit, the same bytes each time: the proving key into the cache, the rest is returned. About ten seconds of
 * one core, and the circuit's compilation.
 * @param phase1 A phase-1 file to start from, as a production setup does, instead of the public seed.
 */
export async function makeKeys(name: CircuitName, cacheDir = cacheFolder(), phase1?: string): Promise<CircuitKey> {
  const { r1cs } = await compileCircuit(optionsOf(name), cacheDir);
  const constraints = parseR1cs(r1cs).constraints.length;
  if (constraints > MOST_CONSTRAINTS) throw new CircuitLimitError("constraints", constraints, MOST_CONSTRAINTS);
  const part = `${provingKeyPath(name, "", cacheDir)}.${process.pid}`;
  await mkdir(join(part, ".."), { recursive: true });
  if (phase1 === undefined) {
    const curve = await buildBn128();
    await writeFile(part, developmentKey(name, r1cs, curve, generators(curve)));
  } else {
    const first = `${part}.first`;
    await zKey.newZKey(r1cs, phase1, first);
    await zKey.beacon(first, part, "OTR development", DEVELOPMENT_BEACON, BEACON_ITERATIONS);
    await rm(first);
  }
  const zkeySha256 = await sha256File(part);
  const path = provingKeyPath(name, zkeySha256, cacheDir);
  // Whole or not at all, also where two make the same.
  await rename(part, path);
  return {
    circuit: name,
    development: true,
    constraints,
    r1csSha256: createHash("sha256").update(r1cs).digest("hex"),
    zkeySha256,
    zkeyBytes: (await stat(path)).size,
    verification: await zKey.exportVerificationKey(path),
  };
}

let tables: Generators | undefined;
/** Made once: seconds. */
function generators(curve: Curve): Generators {
  tables ??= { g1: new FixedBase(curve, "G1"), g2: new FixedBase(curve, "G2") };
  return tables;
}

/** Writes what is committed of a key. */
export async function writeKey(key: CircuitKey): Promise<void> {
  await mkdir(KEYS, { recursive: true });
  await writeFile(join(KEYS, `${key.circuit}.json`), `${JSON.stringify(key, undefined, 2)}\n`);
}

/**
 * Path of the proving key, checked against the committed hash. A development key that the cache lacks is made first.
 * @throws CircuitKeyError if it is another, or absent and no development key.
 */
export async function provingKey(name: CircuitName, cacheDir = cacheFolder()): Promise<string> {
  const { zkeySha256, development } = circuitKey(name);
  const path = provingKeyPath(name, zkeySha256, cacheDir);
  const check = (found: string) => {
    if (found !== zkeySha256) throw new CircuitKeyError(name, `its proving key hashes to ${found}, not ${zkeySha256}`);
  };
  if (existsSync(path)) check(await sha256File(path));
  else if (development) check((await makeKeys(name, cacheDir)).zkeySha256);
  else throw new CircuitKeyError(name, `its proving key belongs to ${path}`);
  return path;
}

/**
 * Holds the proving keys against the committed hashes. A development key that the cache lacks is none to miss: it is made when it is first used.
 * @throws CircuitKeyError
 */
export async function requireProvingKeys(cacheDir = cacheFolder()): Promise<void> {
  for (const name of CIRCUIT_NAMES) {
    const { zkeySha256, development } = circuitKey(name);
    if (!development || existsSync(provingKeyPath(name, zkeySha256, cacheDir))) await provingKey(name, cacheDir);
  }
}

/** What proves a circuit; it keeps the key in memory. @throws CircuitKeyError */
export async function openProver(name: CircuitName, cacheDir = cacheFolder()): Promise<CircuitProver> {
  const circuit = await compileCircuit(optionsOf(name), cacheDir);
  return CircuitProver.of(circuit, await readFile(await provingKey(name, cacheDir)));
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
