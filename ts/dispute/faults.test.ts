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
        const fault = await randomFault(court.models, name, random);
        const verdict = await court.try(fault);
        expectConviction(fault, verdict);
      }
    },
    120_000 * FUZZ,
  );

  it("in a committed K or V row alone, or in a token alone, is found too", async () => {
    const random = prng(99);
    for (let k = 0; k < 6 * FUZZ; k++) {
      const fault = await randomFault(court.models, k % 3 === 2 ? "fold_pick" : k % 3 === 1 ? "rescale" : "rope", random, {
        propagate: false,
      });
      expectConviction(fault, await court.try(fault));
    }
  });

  it("contradicting the executor's own fine trace is found in cached rows and token", async () => {
    const random = prng(7);
    for (const name of ["rope", "rescale", "fold_pick"] as const) {
      const fault = await randomFault(court.models, name, random, { propagate: false });
      // The executor answers with the honest fine trace, so its record is what contradicts it.
      const verdict = await court.try(fault, { answersHonestly: true });
      expect(verdict.outcome).toBe("ExecutorLost");
      expect(verdict.moves.at(-1)).toBe(name === "fold_pick" ? "settleToken" : "settleCache");
    }
  });

  it("that does not exist convicts nobody: an honest executor survives a sham game", async () => {
    const verdict = await court.trySham(court.models[0], prng(3));
    expect(verdict.outcome).toBe("ChallengerLost");
  });
});

function expectConviction(fault: Fault, verdict: Verdict): void {
  const { instructions } = fault.model.program;
  const judged = verdict.row === undefined ? undefined : instructionName(instructions[verdict.row].opcode);
  expect({ fault: fault.name, outcome: verdict.outcome, judged }).toEqual({
    fault: fault.name,
    outcome: "ExecutorLost",
    judged: instructionName(instructions[fault.row].opcode),
  });
  // Moves of the executor in the worst case (machine.md: nine, ten for attention).
  expect(verdict.executorMoves).toBeLessThanOrEqual(10);
}
