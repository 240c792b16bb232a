import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lyingAccumulators } from "../adversary/accumulators.ts";
import { type Answer, type Fault, randomFault } from "../adversary/random-fault.ts";
import { traceTree } from "../commit/record.ts";
import { type Prng, prng } from "../compiler/prng.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { StepTrace } from "./step-trace.ts";
import { Court, type CourtModel, type Player } from "./testing/court.ts";
import { honestAnswer } from "./testing/deceits.ts";
import { griefingMove, walksTrace } from "./testing/griefer.ts";
import { challengerSide, executorSide } from "./testing/sides.ts";

const HOUR = 3600n;
/** Longer than a day of outage or censorship. */
const TURN = 30n * HOUR;
const SHAMS = 24 * FUZZ;

let court: Court;
let long: CourtModel;
beforeAll(async () => {
  court = await Court.open({ turnDuration: Number(TURN) });
  for (const seed of [1, 4]) await court.addModel(seed);
  long = await court.addModel(11, { max_position_embeddings: 96, sliding_window: null });
});
afterAll(() => court.close());

describe("an honest executor", () => {
  it(
    `loses no game, whatever is chosen (${SHAMS} games)`,
    async () => {
      const random = prng(31);
      for (let k = 0; k < SHAMS; k++) {
        const { outcome, moves } = await sham(k % 8 === 7 ? long : random.pick(court.models), random, k % 3 === 2);
        expect({ k, outcome, moves: moves.map(({ call }) => call) }).toMatchObject({ k, outcome: "challengerLost" });
      }
    },
    120_000 * FUZZ,
  );

  it("and gets half of the bond of a challenger that lost, after the air gap", async () => {
    const { game, executor } = await sham(court.models[0], prng(8), false);
    const key = { ...game.key, batchId: game.subject.batchId };
    const due = (await executor.gamePayoutDueAt(key))!;
    await expect(executor.payOutGame({ ...key, openedAt: 0n })).rejects.toMatchObject({ errorName: "NotDue" });
    await court.chain.nextBlockAt(due);
    await executor.payOutGame({ ...key, openedAt: 0n });
    const { bond } = await executor.getRules();
    expect(await executor.claim()).toBe(bond / 2n);
    expect(await executor.gamePayoutDueAt(key)).toBeUndefined();
  });
});

describe("a day without transactions of one side, before each of its moves", () => {
  const slow =
    (player: Player): Player =>
    async (view) => {
      await court.chain.wait(24n * HOUR);
      return player(view);
    };

  it.each(["walk", "fold", "hidden"] as const)("costs neither side a game: %s", async (kind) => {
    const random = prng(17);
    const fault =
      kind === "fold"
        ? await randomFault([long], "fold_mix", random, court.ask, { promptLength: 70 })
        : await randomFault(court.models.slice(0, 2), "norm", random, court.ask);
    const committed = await court.commit(fault);
    const challenger = await court.account();
    const game = await court.open(committed, challenger, kind === "hidden" ? undefined : fault);
    const { outcome, moves } = await court.play(
      game,
      { actions: committed.executor, move: slow(liar(fault)) },
      { actions: challenger, move: slow(challengerSide(fault, { knowsRecords: kind !== "hidden" })) },
    );
    expect(outcome).toBe("executorLost");
    expect(moves.map(({ call }) => call)).not.toContain("timeout");
  });

  it("costs a silent liar the game in every phase", async () => {
    const fault = await randomFault([long], "fold_mix", prng(17), court.ask, { promptLength: 70 });
    for (let answered = 0; answered < 9; answered++) {
      let left = answered;
      const side = liar(fault);
      expect(await lapse(fault, (view) => (left-- > 0 ? side(view) : undefined))).toBe("executorLost");
    }
  });
});

/** The executor of a fault, which answers as long as it can. */
function liar(fault: Fault<CourtModel>): Player {
  return executorSide(fault, { engine: fault.liar, accumulators: (claimed) => lyingAccumulators(claimed) });
}

/** A game about an honest answer. */
async function sham(model: CourtModel, random: Prng, hidden: boolean) {
  const answer = await honestAnswer(model, random, court.ask, 2, model === long ? 70 : undefined);
  const step = random.int(model === long ? 69 : 0, answer.records.length - 1);
  const committed = await court.commit(answer);
  const challenger = await court.account();
  const game = await court.open(committed, challenger, hidden ? undefined : { step, records: answer.records });
  const griefer = await grieferOf(answer, random, game.view.step);
  const executor = { actions: committed.executor, move: executorSide(answer) };
  const verdict = await court.play(game, executor, { actions: challenger, move: griefer });
  return { ...verdict, executor: committed.executor };
}

async function grieferOf(answer: Answer<CourtModel>, random: Prng, first: number): Promise<Player> {
  const { model, honest, request, records } = answer;
  const made = new Map<number, Promise<StepTrace>>();
  const stepOf = (step: number) => {
    const known = made.get(step) ?? StepTrace.build(model, honest, answer, step);
    made.set(step, known);
    return known;
  };
  const any = Math.min(first, records.length - 1);
  return async (view) => {
    const step = await stepOf(walksTrace(view) ? any : view.step);
    return griefingMove(view, { step, records: traceTree(records), request, random });
  };
}

async function lapse(fault: Fault<CourtModel>, executor: Player) {
  const committed = await court.commit(fault);
  const challenger = await court.account();
  const game = await court.open(committed, challenger, fault);
  const sides = { executor: { actions: committed.executor, move: executor } };
  return (await court.play(game, sides.executor, { actions: challenger, move: challengerSide(fault) })).outcome;
}
