// SPDX-License-Identifier: GPL-3.0-only
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Hex } from "../commit/bytes.ts";
import { type Prng, prng } from "../compiler/prng.ts";
import { randomModel } from "../dispute/testing/random-model.ts";
import { nameOf } from "../machine/instruction.ts";
import { INSTRUCTIONS, type InstructionName } from "../machine/table.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { type Claim, type PairAnswer, publicWords, StepAnswer } from "./answer.ts";
import { WitnessCalculator } from "./calculator.ts";
import { CIRCUIT_NAMES, CIRCUITS, type CircuitName, optionsOf } from "./catalogue.ts";
import { compileCircuit } from "./compile.ts";
import type { DrawnPair } from "./drawn-element.ts";
import { BlocksNotDrawnError } from "./errors.ts";
import { drawnAnswer, provableModel } from "./testing/drawn.ts";
import { type DeployedVerifier, deployedVerifier } from "./testing/verifier.ts";

/** Drawn elements per instruction, each of a random program of its own; witnesses are computed for the first of them. */
const CASES = 6 * FUZZ;
const WITNESSES = FUZZ;
const BLOCKS = 2;
const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];
const DOMAIN = { chainId: 31_337, rollup: `0x${"ab".repeat(20)}` } as const;

let verifier: DeployedVerifier;
const calculators = new Map<CircuitName, WitnessCalculator>();
beforeAll(async () => {
  verifier = await deployedVerifier(BLOCKS);
  for (const name of CIRCUIT_NAMES) {
    const compiled = await compileCircuit({ ...optionsOf(name), optimisation: "O1" });
    calculators.set(name, await WitnessCalculator.of(compiled));
  }
}, 1_800_000);
afterAll(() => verifier.stop());

const bytes32 = (random: Prng): Hex => `0x${random.bits().toString(16).padStart(64, "0")}`;

/** A step of an answer of a random program, and a pair of it that draws this instruction. */
async function anyDraw(name: InstructionName, random: Prng) {
  const { program, weights, vocabSize } = randomModel(name, random);
  const model = provableModel(program, weights, vocabSize, random);
  await verifier.addModel(model);
  const [nIn, nOut] = [random.int(1, 4), random.int(1, 4)];
  const step = random.pick([nIn + nOut - 2, random.int(0, nIn + nOut - 2)]);
  const source = await drawnAnswer(model, { nIn, nOut, step, domain: DOMAIN }, random);
  const answer = new StepAnswer(source);
  let pair: DrawnPair = { pair: random.int(0, 3), value: bytes32(random) };
  while (nameOf(answer.drawn(pair).instruction) !== name) pair = { ...pair, value: bytes32(random) };
  const statesRoot = answer.statesRoot(pair);
  if (statesRoot !== undefined) pair = { ...pair, statesRoot, blockValue: bytes32(random) };
  return { source, answer, pair, made: answer.pair(pair, BLOCKS) };
}

const sameClaims = (claims: readonly Claim[]) =>
  claims.map((claim) => ({ circuit: claim.circuit, inputs: publicWords(claim) }));

describe("the contract claims what TypeScript proves", () => {
  it.each(NAMES)(
    `%s: ${CASES} drawn elements`,
    async (name) => {
      const random = prng(INSTRUCTIONS[name].opcode + 31 * FUZZ);
      for (let n = 0; n < CASES; n++) {
        const { source, answer, pair, made } = await anyDraw(name, random);
        const got = await verifier.claimsOf(source, answer.stepRoot, [pair], [made.opening]);
        expect(got).toEqual(sameClaims(made.claims));
        if (n < WITNESSES) for (const claim of made.claims) expectWitness(claim);
      }
    },
    600_000 * FUZZ,
  );
});

/** The circuit has a witness, and its public signals are the claim's. */
function expectWitness(claim: Claim): void {
  const values = calculators.get(claim.circuit)!.calculate(claim.inputs);
  expect(values.slice(1, 1 + CIRCUITS[claim.circuit].length)).toEqual(publicWords(claim));
}

describe("nothing else is claimed", () => {
  /** Flips a bit of the opening. */
  const flipped = ({ opening }: PairAnswer, at: number) => {
    const other = opening.slice();
    other[at >> 3] ^= 1 << (at & 7);
    return other;
  };

  it.each(["embed", "fold_scores", "fold_mix", "weigh", "rope", "fold_pick"] as const)(
    "%s: an opening with another bit, a byte more or less, is refused or changes a claim",
    async (name) => {
      const random = prng(INSTRUCTIONS[name].opcode + 77);
      const { source, answer, pair, made } = await anyDraw(name, random);
      const claim = (opening: Uint8Array) => verifier.claimsOf(source, answer.stepRoot, [pair], [opening]);
      const honest = toHexClaims(await claim(made.opening));
      for (let n = 0; n < 60 * FUZZ; n++) {
        const opening = flipped(made, random.int(0, made.opening.length * 8 - 1));
        const changed = await claim(opening).then(toHexClaims, (error: Error) => error.message);
        expect(changed).not.toEqual(honest);
      }
      await expect(claim(made.opening.slice(0, -1))).rejects.toThrow(/Opening/);
      await expect(claim(new Uint8Array([...made.opening, 0]))).rejects.toThrow("OpeningLength");
    },
    600_000,
  );

  it("a long fold needs its states' root, and the draw after it", async () => {
    const random = prng(5);
    let draw = await anyDraw("fold_mix", random);
    while (!draw.made.drawn.long) draw = await anyDraw("fold_mix", random);
    const { source, answer, pair, made } = draw;
    for (const missing of ["statesRoot", "blockValue"] as const) {
      const early = { ...pair, [missing]: undefined };
      expect(() => answer.pair(early, BLOCKS)).toThrow(BlocksNotDrawnError);
      const claims = verifier.claimsOf(source, answer.stepRoot, [early], [made.opening]);
      await expect(claims).rejects.toThrow("BlocksNotDrawn");
    }
    const other = { ...pair, statesRoot: bytes32(random) };
    await expect(verifier.claimsOf(source, answer.stepRoot, [other], [made.opening])).rejects.toThrow("OpeningRoot");
  }, 600_000);

  it("several pairs are claimed one after the other", async () => {
    const random = prng(11);
    const { source, answer } = await anyDraw("fold_scores", random);
    const pairs: DrawnPair[] = [];
    for (let pair = 0; pair < 4; pair++) {
      const drawn = { pair, value: bytes32(random) };
      const statesRoot = answer.statesRoot(drawn);
      pairs.push(statesRoot === undefined ? drawn : { ...drawn, statesRoot, blockValue: bytes32(random) });
    }
    const made = pairs.map((pair) => answer.pair(pair, BLOCKS));
    const openings = made.map(({ opening }) => opening);
    const got = await verifier.claimsOf(source, answer.stepRoot, pairs, openings);
    expect(got).toEqual(sameClaims(made.flatMap(({ claims }) => claims)));
    const exchanged = verifier.claimsOf(source, answer.stepRoot, pairs, [...openings.slice(1), openings[0]]);
    await expect(exchanged).rejects.toThrow(/Opening/);
    await expect(verifier.claimsOf(source, answer.stepRoot, pairs, openings.slice(1))).rejects.toThrow("OpeningsCount");
  }, 600_000);
});

const toHexClaims = (claims: { circuit: string; inputs: readonly bigint[] }[]) =>
  claims.map(({ circuit, inputs }) => `${circuit} ${inputs.map((x) => x.toString(16)).join(" ")}`);
