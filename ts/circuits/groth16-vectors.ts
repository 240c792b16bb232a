// SPDX-License-Identifier: GPL-3.0-only
// Writes groth16.json, keys and proofs of two circuits of this repository, and groth16-mutations.json, thousands of mutated proofs, each with
// snarkjs's verdict. `tsx ts/circuits/groth16-vectors.ts [PTAU]`, where PTAU is a phase-1 file prepared for phase 2; without one the keys
// come from the public seed. A minute. Proofs are randomised: each run writes other ones. They lie in test/vectors; with `OTR_FUZZ=5`, for five times
// as many (12,000: four minutes), in test/vectors/campaign, where this reads them, in another minute:
// `OTR_GROTH16_VECTORS=test/vectors/campaign FOUNDRY_GAS_LIMIT=max forge test --match-test testDiff_verify_mutated_asSnarkjs`.
import { mkdirSync, writeFileSync } from "node:fs";
import { buildBn128, type Curve } from "ffjavascript";
import { type Groth16Key, type Groth16Proof, groth16, type MemoryFile, wtns, zKey } from "snarkjs";
import { limbsOf } from "../commit/poseidon.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { compileCircuit } from "./compile.ts";
import { developmentKey } from "./development-key.ts";
import { FixedBase } from "./fixed-base.ts";
import { keyWords, proofWords } from "./wire.ts";

const P = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;
const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
/** Mutated proofs. */
const MUTATIONS = 2400 * FUZZ;
/** Mutated proofs between two signs of life. */
const PROGRESS = 1000;
const FOLDER = new URL(`../../test/vectors/${FUZZ > 1 ? "campaign/" : ""}`, import.meta.url);
const PROOFS = 4;
/** Words of a proof: A, B with imaginary parts first, C. Inputs follow. */
const PROOF_WORDS = 8;

/** Proof and inputs as the contract takes them, in words. */
type Words = readonly bigint[];

let state = 0x9e3779b97f4a7c15n;
/** 256 bits of splitmix64: reproducible. */
function random(): bigint {
  let out = 0n;
  for (let i = 0; i < 4; i++) {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    out = (out << 64n) | (z ^ (z >> 31n));
  }
  return out;
}
const below = (n: number): number => Number(random() % BigInt(n));
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

const wordsOf = (proof: Groth16Proof, inputs: readonly string[]) => [...proofWords(proof), ...inputs.map(BigInt)];

function proofOf(words: Words): { proof: Groth16Proof; inputs: string[] } {
  const w = words.map(String);
  // All zeros is infinity, which snarkjs writes (0, 1, 0).
  const one = (...at: number[]) => (at.every((i) => words[i] === 0n) ? "0" : "1");
  const y = (i: number, ...at: number[]) => (at.every((k) => words[k] === 0n) ? "1" : w[i]!);
  const b = [2, 3, 4, 5];
  return {
    proof: {
      pi_a: [w[0]!, y(1, 0, 1), one(0, 1)],
      pi_b: [
        [w[3]!, w[2]!],
        [y(5, ...b), w[4]!],
        [one(...b), "0"],
      ],
      pi_c: [w[6]!, y(7, 6, 7), one(6, 7)],
      protocol: "groth16",
      curve: "bn128",
    },
    inputs: w.slice(PROOF_WORDS),
  };
}

const hex = (words: Words): string => `0x${words.map((word) => word.toString(16).padStart(64, "0")).join("")}`;

function write(name: string, content: unknown): void {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(new URL(name, FOLDER), `${JSON.stringify(content, null, 2)}\n`);
}

/** Places and values that differ from the original. */
type Change = readonly (readonly [word: number, value: bigint])[];

/** Mutations of one proof: malformed, well-formed but false, and true ones. */
function mutate(curve: Curve, words: Words, others: readonly Words[], key: Groth16Key): Change {
  const { G1, G2, Fr } = curve;
  const g1 = (at: number) => G1.fromObject([words[at]!, words[at + 1]!, 1n]);
  const b = () =>
    G2.fromObject([
      [words[3]!, words[2]!],
      [words[5]!, words[4]!],
      [1n, 0n],
    ]);
  const putG1 = (at: number, point: Uint8Array): Change => {
    const [x, y] = G1.isZero(point) ? [0n, 0n] : G1.toObject(G1.toAffine(point));
    return [
      [at, x!],
      [at + 1, y!],
    ];
  };
  const putB = (point: Uint8Array): Change => {
    const [x, y] = G2.toObject(G2.toAffine(point));
    return [x![1]!, x![0]!, y![1]!, y![0]!].map((value, i) => [2 + i, value] as const);
  };
  const delta = () => G2.fromObject(key.vk_delta_2.map((pair) => pair.map(BigInt)));
  const scalar = () => 1n + (random() % (R - 1n));
  const word = below(words.length);
  const place = below(PROOF_WORDS);
  const input = PROOF_WORDS + below(words.length - PROOF_WORDS);
  const kinds: (() => Change)[] = [
    () => [[word, words[word]! ^ (1n << BigInt(below(256)))]],
    () => [[word, pick([0n, 1n, 2n, P - 1n, P, R - 1n, R, (1n << 256n) - 1n, random()])]],
    () => {
      const other = below(words.length);
      return [
        [word, words[other]!],
        [other, words[word]!],
      ];
    },
    // Encodings that are not reduced.
    () => [[place, words[place]! + P]],
    () => [[input, words[input]! + R]],
    // Points of the curve.
    () => putG1(0, G1.neg(g1(0))),
    () => putG1(6, G1.neg(g1(6))),
    () => putB(G2.neg(b())),
    () => putG1(pick([0, 6]), G1.timesFr(G1.g, Fr.e(scalar()))),
    () => putB(G2.timesFr(G2.g, Fr.e(scalar()))),
    () => putG1(0, G1.add(g1(0), G1.g)),
    () => putG1(6, G1.add(g1(6), G1.g)),
    () => [...putG1(0, g1(6)), ...putG1(6, g1(0))],
    () => putG1(pick([0, 6]), G1.zero),
    () => [2, 3, 4, 5].map((at) => [at, 0n] as const),
    () => words.slice(0, PROOF_WORDS).map((_, at) => [at, 0n] as const),
    // A point of the twist beside the group.
    () => [
      [2, 0n],
      [3, 1n],
      [4, 0x0d1271953ed9ea0836846e70a1934187998c7f790cb4d7511b7f8da82de048a4n],
      [5, 0x2869111d5381f072f8e2728fdb825a51aadd70e52c9830e9ab4b871c0531f1bbn],
    ],
    // Of another proof: a part, all, or its inputs.
    () => [0, 1].map((at) => [at, pick(others)[at]!] as const),
    () => {
      const from = pick(others);
      const [lo, hi] = pick([
        [0, 2],
        [2, 6],
        [6, 8],
        [0, 8],
        [8, words.length],
      ] as const);
      return from.slice(lo, hi).map((value, i) => [lo + i, value] as const);
    },
    // Other inputs.
    () => [[input, (words[input]! + 1n) % R]],
    () => [[input, random() % R]],
    // True: both of A and B negated, the pair rescaled, and the other freedom of a Groth16 proof.
    () => [...putG1(0, G1.neg(g1(0))), ...putB(G2.neg(b()))],
    () => {
      const t = Fr.e(scalar());
      return [...putG1(0, G1.timesFr(g1(0), t)), ...putB(G2.timesFr(b(), Fr.inv(t)))];
    },
    () => {
      const t = Fr.e(scalar());
      return [...putB(G2.add(b(), G2.timesFr(delta(), t))), ...putG1(6, G1.add(g1(6), G1.timesFr(g1(0), t)))];
    },
    // The same with a slip.
    () => {
      const t = Fr.e(scalar());
      return [...putG1(0, G1.timesFr(g1(0), t)), ...putB(G2.timesFr(b(), t))];
    },
  ];
  return pick(kinds)();
}

const ptau = process.argv[2];
// What is multiplied here is small: handed to threads it would wait for each of them, the longer the busier the machine. snarkjs takes this curve.
const curve = await buildBn128(true);
Object.assign(globalThis, { curve_bn128: curve });
const generators = { g1: new FixedBase(curve, "G1"), g2: new FixedBase(curve, "G2") };
/** The key of a circuit. */
async function keyOf(name: string, r1cs: Uint8Array): Promise<MemoryFile> {
  if (ptau === undefined) return { type: "mem", data: developmentKey(name, r1cs, curve, generators) };
  const first: MemoryFile = { type: "mem" };
  const final: MemoryFile = { type: "mem" };
  await zKey.newZKey({ type: "mem", data: r1cs }, ptau, first);
  await zKey.contribute(first, final, "vectors", "known to everybody");
  return final;
}
const bytes = (length: number) => Uint8Array.from({ length }, () => below(256));
const circuits = [];
for (const [main, length] of [
  ["component main {public [salt]} = Sample(4);", 4],
  ["component main = Sample(2);", 2],
] as const) {
  const circuit = await compileCircuit({ main, include: ["sample.circom"], optimisation: "O2" });
  const final = await keyOf(`sample ${length}`, circuit.r1cs);
  const key = await zKey.exportVerificationKey(final);
  const proofs: Words[] = [];
  for (let i = 0; i < PROOFS; i++) {
    const witness: MemoryFile = { type: "mem" };
    const signals = { salt: random() % R, limb: limbsOf(bytes(length))[0]! };
    await wtns.calculate(signals, { type: "mem", data: circuit.wasm }, witness);
    const { proof, publicSignals } = await groth16.prove(final, witness);
    proofs.push(wordsOf(proof, publicSignals));
  }
  circuits.push({ key, proofs });
}
const mutations: string[] = [];
let accepted = 0;
const started = performance.now();
for (let i = 0; i < MUTATIONS; i++) {
  if (i % PROGRESS === 0) console.log(`${i} of ${MUTATIONS}, ${Math.round((performance.now() - started) / 1000)} s`);
  const circuit = below(circuits.length);
  const { key, proofs } = circuits[circuit]!;
  const number = below(PROOFS);
  const original = proofs[number]!;
  const changes = mutate(
    curve,
    original,
    proofs.filter((words) => words !== original),
    key,
  );
  const words = [...original];
  for (const [at, value] of changes) words[at] = BigInt.asUintN(256, value);
  const { proof, inputs } = proofOf(words);
  // snarkjs reduces coordinates; the precompiles refuse what is not reduced, and so does the contract.
  const reduced = words.slice(0, PROOF_WORDS).every((word) => word < P);
  const verdict = reduced && (await groth16.verify(key, inputs, proof).catch(() => false));
  accepted += Number(verdict);
  const differs = words.map((value, at) => [at, value] as const).filter(([at, value]) => value !== original[at]);
  const head = [circuit, number, Number(verdict)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const tail = differs.map(([at, value]) => at.toString(16).padStart(2, "0") + value.toString(16).padStart(64, "0"));
  mutations.push(`0x${head}${tail.join("")}`);
}
const source = "ts/circuits/groth16-vectors.ts, snarkjs 0.7.6";
write("groth16.json", {
  source,
  circuits: circuits.map(({ key, proofs }) => ({
    key: hex(keyWords(key)),
    proofs: proofs.map((words) => hex(words.slice(0, PROOF_WORDS))),
    inputs: proofs.map((words) => hex(words.slice(PROOF_WORDS))),
  })),
});
// Each: circuit, proof, verdict, a byte each; then number of the word that differs, a byte, and its value, 32 bytes.
write("groth16-mutations.json", { source, mutations });
console.log(`${mutations.length} mutated proofs, ${accepted} of them valid`);
process.exit(0);
