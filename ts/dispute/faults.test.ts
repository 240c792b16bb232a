import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lyingAccumulators } from "../adversary/accumulators.ts";
import { type Fault, randomFault } from "../adversary/random-fault.ts";
import { type Prng, prng } from "../compiler/prng.ts";
import { INSTRUCTIONS, type InstructionName, instructionName } from "../machine/table.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { StepTrace } from "./step-trace.ts";
import { Court, type CourtModel, type Verdict } from "./testing/court.ts";
import { DECEITS, type Deceit, randomDeceit } from "./testing/deceits.ts";
import { randomModel } from "./testing/random-model.ts";
import { challengerSide, executorSide } from "./testing/sides.ts";

/** Random faults over random models: 126 games of this kind, times `OTR_FUZZ`. */
const FAULTS_PER_INSTRUCTION = 6 * FUZZ;
/** Lies of each kind that are told in the game itself: 68, times `OTR_FUZZ`. */
const DECEITS_PER_KIND = 4 * FUZZ;
/** Random programs around each instruction. */
const PROGRAMS_PER_INSTRUCTION = FUZZ;
/** Lies about rows: what a random program is made of. */
const KINDS_OF_CLAIMS = [
  "rows of the fine trace, other than its record implies",
  "accumulators, differently at each post",
  "a row of another type or length",
  "a record's cache root",
] as const;
/** Models with different head counts, odd sizes, tied and untied embeddings, biases, windows. */
const MODEL_SEEDS = [1, 2, 3, 4, 5, 6];

/** Instructions that make the rows that a record binds: K, V and the token. */
const BOUND = ["rope", "rescale", "fold_pick"] as const;
const NAMES = Object.keys(INSTRUCTIONS) as InstructionName[];

/** How the challenger gets at the lie. Walk: records published. Jump: rows known too. Hidden: not even records. */
type Way = "walk" | "jump" | "hidden";
const WAYS: readonly Way[] = ["walk", "jump", "hidden"];

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
        await court.nextCase();
        const fault = await randomFault(court.models, name, random, court.ask);
        expectConviction(fault, await dispute(fault, WAYS[k % 3], random));
      }
    },
    120_000 * FUZZ,
  );

  it(
    "in a committed K or V row alone, or in a token alone, is found too",
    async () => {
      const random = prng(99);
      for (let k = 0; k < 12 * FUZZ; k++) {
        await court.nextCase();
        const fault = await randomFault(court.models, BOUND[k % 3], random, court.ask, { propagate: false });
        expectConviction(fault, await dispute(fault, WAYS[Math.floor(k / 3) % 3], random));
      }
    },
    120_000 * FUZZ,
  );

  it("contradicting the executor's own fine trace is found in cached rows and token", async () => {
    const random = prng(7);
    for (const name of BOUND) {
      const fault = await randomFault(court.models, name, random, court.ask, { propagate: false });
      const verdict = await disputeRecord(fault);
      expect(verdict.outcome).toBe("executorLost");
      expect(verdict.moves.at(-2)?.call).toBe(name === "fold_pick" ? "settleToken" : "settleCache");
    }
  });

  it("in a cache tree that takes two reveals is found by walking it", async () => {
    const deep = await court.addModel(12, { num_hidden_layers: 9, hidden_size: 20, vocab_size: 40 });
    const random = prng(13);
    for (let k = 0; k < 2; k++) {
      const fault = await randomFault([deep], "rope", random, court.ask, { propagate: false });
      const { outcome, moves } = await disputeRecord(fault);
      expect(outcome).toBe("executorLost");
      // 18 cached rows: the top shows their 5 levels but one.
      expect(moves.map(({ call }) => call)).toEqual(
        expect.arrayContaining(["chooseCache", "revealCache", "choose", "reveal", "settleCache"]),
      );
    }
  });

  it("in a fold of more blocks than one post shows is found in two", async () => {
    const longContext = await court.addModel(11, { max_position_embeddings: 96, sliding_window: null });
    const random = prng(5);
    // 70 positions and more: 9 parts of up to 8 blocks.
    const fault = await randomFault([longContext], "fold_mix", random, court.ask, { promptLength: 70 });
    const verdict = await dispute(fault, "walk", random);
    expectConviction(fault, verdict);
    const calls = verdict.moves.map(({ call }) => call);
    expect(calls.filter((call) => call === "postAccumulators")).toHaveLength(2);
    expect(calls).toContain("choosePart");
    for (let k = 0; k < 3; k++) {
      const deceit = await randomDeceit([longContext], "accumulators, differently at each post", random, court.ask, 70);
      expect((await disputeDeceit(deceit, false)).outcome).toBe("executorLost");
    }
  });
});

describe("a lie told in the game", () => {
  it.each(Object.keys(DECEITS) as (keyof typeof DECEITS)[])(
    "about %s is lost",
    async (kind) => {
      const random = prng(kind.length * 104_729);
      for (let k = 0; k < DECEITS_PER_KIND; k++) {
        await court.nextCase();
        const deceit = await randomDeceit(court.models, kind, random, court.ask);
        const { outcome } = await disputeDeceit(deceit, k % 2 === 1);
        expect({ kind, k, outcome }).toEqual({ kind, k, outcome: "executorLost" });
      }
    },
    120_000 * FUZZ,
  );
});

describe("a random program that the validator accepts", () => {
  it(
    `makes no lie that the contract cannot decide (${PROGRAMS_PER_INSTRUCTION * NAMES.length} programs)`,
    async () => {
      const random = prng(53);
      for (const name of NAMES)
        for (let k = 0; k < PROGRAMS_PER_INSTRUCTION; k++) {
          await court.nextCase();
          const model = await court.register(randomModel(name, random));
          const kind = random.pick(KINDS_OF_CLAIMS);
          const { outcome } = await disputeDeceit(await randomDeceit([model], kind, random, court.ask), k % 2 === 1);
          expect({ name, k, kind, outcome }).toEqual({ name, k, kind, outcome: "executorLost" });
        }
    },
    240_000 * FUZZ,
  );
});

async function disputeDeceit({ answer, step, receipt, executor }: Deceit, hidden: boolean): Promise<Verdict> {
  const committed = await court.commit(answer, receipt);
  const challenger = await court.account();
  const knowsRecords = !hidden && step !== undefined;
  const at = knowsRecords && step !== undefined ? { step, records: answer.records } : undefined;
  const game = await court.open(committed, challenger, at);
  return court.play(
    game,
    { actions: committed.executor, move: executorSide(answer, executor) },
    { actions: challenger, move: challengerSide(answer, { knowsRecords }) },
  );
}

/** Commits what a liar signed, disputes its first wrong record, and plays both sides to the end. */
async function dispute(fault: Fault<CourtModel>, way: Way, random: Prng): Promise<Verdict> {
  const { model, step, liar } = fault;
  const committed = await court.commit(fault);
  const challenger = await court.account();
  const game = await court.open(committed, challenger, way === "hidden" ? undefined : fault);
  const noise = random.pick([0n, 1n, -3n]);
  const executor = executorSide(fault, {
    engine: liar,
    // Every accumulator but the last may be wrong too, from some block on.
    accumulators: (claimed) => lyingAccumulators(claimed, (acc, block) => acc.map((x) => (block > 1 ? x + noise : x))),
  });
  const suspects = way === "jump" ? [await StepTrace.build(model, liar, fault, step)] : [];
  const side = challengerSide(fault, { knowsRecords: way !== "hidden", suspects });
  return court.play(game, { actions: committed.executor, move: executor }, { actions: challenger, move: side });
}

/** The same against an executor that answers with the honest fine trace: its record is what contradicts it. */
async function disputeRecord(fault: Fault<CourtModel>): Promise<Verdict> {
  const { model, step, liar } = fault;
  const committed = await court.commit(fault);
  const challenger = await court.account();
  const game = await court.open(committed, challenger, fault);
  // The cache tree stays the one that the record commits to.
  const { cacheTree } = await StepTrace.build(model, liar, fault, step);
  const claim = (honest: StepTrace) => Object.create(honest, { cacheTree: { value: cacheTree } }) as StepTrace;
  const executor = { actions: committed.executor, move: executorSide(fault, { claim }) };
  return court.play(game, executor, { actions: challenger, move: challengerSide(fault) });
}

function expectConviction(fault: Fault, { outcome, row, moves, executorMoves }: Verdict): void {
  const { instructions } = fault.model.program;
  const judged = row === undefined ? undefined : instructionName(instructions[row].opcode);
  const expected = instructionName(instructions[fault.row].opcode);
  // A wrong token at a prompt position contradicts the record alone.
  const short = moves.some(({ call }) => call === "settleToken");
  expect({ fault: fault.name, outcome, judged }).toEqual({
    fault: fault.name,
    outcome: "executorLost",
    judged: short ? undefined : expected,
  });
  // The design's bar on real geometries: nine moves of the executor, ten for attention; the walk down the trace comes on top.
  const walk = moves.findIndex(({ call }) => call === "chooseStep");
  const inWalk = moves.slice(0, Math.max(walk, 0)).filter(({ by }) => by === "executor").length;
  expect(executorMoves - inWalk).toBeLessThanOrEqual(10);
}
