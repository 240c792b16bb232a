// SPDX-License-Identifier: GPL-3.0-only
// Writes test/vectors/answers.json: answers to draws of every instruction of a Llama, with proofs. `tsx ts/circuits/answer-vectors.ts PTAU`, where
// PTAU is a phase-1 file prepared for phase 2; minutes. The proofs are of stand-ins: circuits that take as many public words as the real ones and
// accept any. What a contract makes of words, proofs and gas is the same. `real` has proofs of the circuits whose proving keys are in the cache.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Groth16Key } from "snarkjs";
import { type Hex, toHex } from "../commit/bytes.ts";
import { compileLlama } from "../compiler/llama.ts";
import { prng } from "../compiler/prng.ts";
import { randomConfig, randomTensors } from "../compiler/random.ts";
import { type Instruction, nameOf } from "../machine/instruction.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import { StepAnswer } from "./answer.ts";
import type { CircuitInputs } from "./calculator.ts";
import { CIRCUIT_NAMES, CIRCUITS, type CircuitName } from "./catalogue.ts";
import { ProcessProver, type ProvingFiles } from "./claim-prover.ts";
import type { DrawnPair } from "./drawn-element.ts";
import { circuitKey, provingKey } from "./keys.ts";
import { drawnAnswer, provableModel } from "./testing/drawn.ts";
import { standIn } from "./testing/stand-in.ts";
import { drawnStep, pairWords } from "./verifier-call.ts";
import { keyWords, wordBytes } from "./wire.ts";

/** As deep as the trees of SmolLM2-135M at 512 tokens: heads of 64 elements, a head segment of 2,048 rows. */
const CONFIG = {
  ...randomConfig(1),
  ...{ hidden_size: 16, num_hidden_layers: 16, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 64 },
  ...{ intermediate_size: 16, vocab_size: 2100, tie_word_embeddings: true, max_position_embeddings: 1024 },
  ...{ attention_bias: true, qk_norm: true, sliding_window: null },
};
const [IN, OUT, STEP] = [500, 13, 505];
const BLOCKS = 1;
const DOMAIN = { chainId: 31_337, rollup: `0x${"ab".repeat(20)}` } as const;

const ptau = process.argv[2];
if (ptau === undefined) {
  console.error("usage: tsx ts/circuits/answer-vectors.ts PTAU");
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), "otr-vectors-"));
const circuits = new Map<CircuitName, ProvingFiles>();
for (const name of CIRCUIT_NAMES) circuits.set(name, await standIn(name, ptau, join(folder, name)));
console.log("keys");

const random = prng(2026);
const { program, weights } = compileLlama(CONFIG, randomTensors(CONFIG, 1));
const model = provableModel(program, weights, CONFIG.vocab_size, random);
console.log(`${program.instructions.length} instructions, ${program.weightRows} weight rows`);
const source = await drawnAnswer(model, { nIn: IN, nOut: OUT, step: STEP, domain: DOMAIN }, random);
const answer = new StepAnswer(source);
console.log("answer");

const kinds: [string, (instruction: Instruction) => boolean][] = Object.keys(INSTRUCTIONS).map((name) => [
  name,
  (instruction) => nameOf(instruction) === name && instruction.role === 0,
]);
kinds.push(["rope of a cached row", (instruction) => nameOf(instruction) === "rope" && instruction.role === 1]);
kinds.push(["rescale of a cached row", (instruction) => nameOf(instruction) === "rescale" && instruction.role === 1]);
kinds.push(["the emitted token", (instruction) => instruction.role === 2]);

const standIns = new ProcessProver(async (name) => circuits.get(name)!);

const cases = [];
const made = [];
for (const [name, isIt] of kinds) {
  if (!program.instructions.some(isIt)) continue;
  let pair: DrawnPair = { pair: 0, value: bytes32() };
  while (!isIt(answer.drawn(pair).instruction)) pair = { pair: random.int(0, 3), value: bytes32() };
  const statesRoot = answer.statesRoot(pair);
  if (statesRoot !== undefined) pair = { ...pair, statesRoot, blockValue: bytes32() };
  const { claims, opening, drawn } = answer.pair(pair, BLOCKS);
  made.push({ claims });
  const proofs = [];
  for (const { circuit, inputs } of claims) {
    const words = Object.fromEntries(CIRCUITS[circuit].map((key) => [key, inputs[key]]));
    proofs.push(toHex(await standIns.prove(circuit, words as CircuitInputs)));
  }
  const { pair: number, ...words } = pairWords(pair);
  cases.push({ name, pair: Number(number), ...words, opening: toHex(opening), proofs });
  console.log(`${name}: ${claims.length} claims, ${drawn.segments} segments, ${opening.length} bytes`);
}

// Proofs of the circuits themselves, as far as their proving keys are in the cache: of one answer of each kind of claims.
const keyed = await keyedCircuits();
const real: { case: number; circuits: CircuitName[]; proofs: Hex[] }[] = [];
const prover = new ProcessProver();
for (const [k, { claims }] of made.entries()) {
  const names = claims.map(({ circuit }) => circuit);
  const known = real.some(({ circuits: others }) => names.every((name) => others.includes(name)));
  if (known || !names.every((name) => keyed.includes(name))) continue;
  const proofs: Hex[] = [];
  for (const { circuit, inputs } of claims) proofs.push(toHex(await prover.prove(circuit, inputs)));
  real.push({ case: k, circuits: names, proofs });
  console.log(`${cases[k].name}: proven by ${names.join(", ")}`);
}
prover.close();
standIns.close();

async function keyedCircuits(): Promise<CircuitName[]> {
  const out: CircuitName[] = [];
  for (const name of CIRCUIT_NAMES) {
    const path = await provingKey(name).catch((error: Error) => console.log(error.message));
    if (path !== undefined) out.push(name);
  }
  return out;
}

const { stepRoot, nIn, nOut, step, pairs: _, ...roots } = drawnStep(source, answer.stepRoot, []);
const content = {
  source: "ts/circuits/answer-vectors.ts, snarkjs 0.7.6",
  keys: CIRCUIT_NAMES.map((name) => keyOf(circuits.get(name)!.verification)),
  model: { ...model.dimensions, programRoot: model.programRoot, weightsRootP: model.weightsRootP },
  step: { ...roots, nIn, nOut, step, stepRoot: toHex(wordBytes([stepRoot])) },
  blocks: BLOCKS,
  cases,
  real: {
    keys: CIRCUIT_NAMES.map((name) =>
      keyOf((keyed.includes(name) ? circuitKey(name) : circuits.get(name)!).verification),
    ),
    cases: real.map(({ case: number, proofs }) => ({ case: number, proofs })),
  },
};
writeFileSync(new URL("../../test/vectors/answers.json", import.meta.url), `${JSON.stringify(content, null, 2)}\n`);
rmSync(folder, { recursive: true });
process.exit(0);

function keyOf(verification: Groth16Key): Hex {
  return toHex(wordBytes(keyWords(verification)));
}

function bytes32(): Hex {
  return `0x${random.bits().toString(16).padStart(64, "0")}`;
}
