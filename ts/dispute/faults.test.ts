import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fault, randomFault } from "../adversary/random-fault.ts";
import { prng } from "../compiler/prng.ts";
import { INSTRUCTIONS, type InstructionName, instructionName } from "../machine/table.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { Court, type Verdict } from "./testing/court.ts";

/** Random faults over random models; `OTR_FUZZ=100` plays 6,300 games. */
const FAULTS_PER_INSTRUCTION = 3 * FUZZ;
/** Models with different head counts, odd sizes, tied and untied embeddings, biases, windows. */
const MODEL_SEEDS = [1, 2, 3, 4, 5, 6];

/** Instructions that make the rows that a record binds: K, V and the token. */
const BOUND = ["rope", "rescale", "fold_pick"] as const;
const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];

let court: Court;
beforeAll(async () => {
  court = await Court.open();
  for (const seed of MODEL_SEEDS) await court.addModel(seed);
});
afterAll(() => court.close());

describe("one wrong bit", () => {
  it.each(NAMES)(
    `in a row of %s is found, and decided by the contract (${FAULTS_PER_INSTRUCTION} faults)`,
    async (name) => {
      const random = prng(INSTRUCTIONS[name].opcode * 7919);
      for (let k = 0; k < FAULTS_PER_INSTRUCTION; k++) {
        const fault = await randomFault(court.models, name, random, court.ask);
        const verdict = await court.try(fault);
        expectConviction(fault, verdict);
      }
    },
    120_000 * FUZZ,
  );

  it("in a committed K or V row alone, or in a token alone, is found too", async () => {
    const random = prng(99);
    for (let k = 0; k < 6 * FUZZ; k++) {
      const fault = await randomFault(court.models, BOUND[k % 3], random, court.ask, { propagate: false });
      expectConviction(fault, await court.try(fault));
    }
  });

  it("contradicting the executor's own fine trace is found in cached rows and token", async () => {
    const random = prng(7);
    for (const name of BOUND) {
      const fault = await randomFault(court.models, name, random, court.ask, { propagate: false });
      // The executor answers with the honest fine trace, so its record is what contradicts it.
      const verdict = await court.try(fault, { answersHonestly: true });
      expect(verdict.outcome).toBe("executorLost");
      expect(verdict.moves.at(-2)).toBe(name === "fold_pick" ? "settleToken" : "settleCache");
    }
  });

  it("in a cache tree that takes two reveals is found by walking it", async () => {
    const deep = await court.addModel(12, { num_hidden_layers: 9, hidden_size: 20, vocab_size: 40 });
    const random = prng(13);
    for (let k = 0; k < 2; k++) {
      const fault = await randomFault([deep], "rope", random, court.ask, { propagate: false });
      const verdict = await court.try(fault, { answersHonestly: true });
      expect(verdict.outcome).toBe("executorLost");
      // 18 cached rows: the top shows their 5 levels but one.
      expect(verdict.moves).toEqual(
        expect.arrayContaining(["chooseCache", "revealCache", "choose", "reveal", "settleCache"]),
      );
    }
  });

  it("in a fold of more blocks than one post shows is found in two", async () => {
    const longContext = await court.addModel(11, { max_position_embeddings: 96, sliding_window: null });
    const random = prng(5);
    // 70 positions and more: 9 parts of up to 8 blocks.
    const fault = await randomFault([longContext], "fold_mix", random, court.ask, { promptLength: 70 });
    const verdict = await court.try(fault);
    expectConviction(fault, verdict);
    expect(verdict.moves.filter((move) => move === "postAccumulators")).toHaveLength(2);
    expect(verdict.moves).toContain("choosePart");
  });

  it("that does not exist convicts nobody: an honest executor survives a sham game", async () => {
    const verdict = await court.trySham(court.models[0], prng(3), () => undefined);
    expect(verdict.outcome).toBe("challengerLost");
  });
});

function expectConviction(fault: Fault, verdict: Verdict): void {
  const { instructions } = fault.model.program;
  const judged = verdict.row === undefined ? undefined : instructionName(instructions[verdict.row].opcode);
  expect({ fault: fault.name, outcome: verdict.outcome, judged }).toEqual({
    fault: fault.name,
    outcome: "executorLost",
    judged: instructionName(instructions[fault.row].opcode),
  });
  // The design's bar on real geometries: nine moves of the executor, ten for attention.
  expect(verdict.executorMoves).toBeLessThanOrEqual(10);
}
