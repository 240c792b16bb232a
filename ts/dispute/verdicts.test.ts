import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fault, randomFault } from "../adversary/random-fault.ts";
import { gameView } from "../chain/game-log.ts";
import { GamePlayer } from "../chain/game-player.ts";
import { GameStore } from "../chain/game-store.ts";
import type { OtrActions } from "../chain/otr-actions.ts";
import { CHAIN_SQL } from "../chain/sqlite.ts";
import { prng } from "../compiler/prng.ts";
import { createLogger } from "../config/logger.ts";
import { Database } from "../store/database.ts";
import { StepTrace } from "./step-trace.ts";
import { type CommittedCase, Court, type CourtModel } from "./testing/court.ts";
import type { LiveGame } from "./testing/live-game.ts";
import { challengerSide, executorSide } from "./testing/sides.ts";
import type { GameView } from "./view.ts";

let court: Court;
beforeAll(async () => {
  court = await Court.open();
  await court.addModel(2);
});
afterAll(() => court.close());

const log = createLogger("test", { level: "silent", format: "text" });

/** A challenger as a daemon plays it: from the chain alone. */
async function daemon(fault: Fault<CourtModel>, accused: CommittedCase, hidden = false) {
  const actions = await court.account();
  const game = await court.open(accused, actions, hidden ? undefined : fault);
  const store = new GameStore(Database.open(":memory:", { applicationId: 1, migrations: [CHAIN_SQL] }));
  const { receiptHash } = game.events[0].args as { receiptHash: `0x${string}` };
  store.add({ ...game.key, receiptHash, batchId: game.subject.batchId, openedAt: 0n });
  const side = challengerSide(fault, { knowsRecords: !hidden });
  const player = playerOf(actions, store, "challenger", side);
  return { actions, game, store, player };
}

/** A player whose side decides asynchronously, ahead of the turn. */
function playerOf(
  { otr }: OtrActions,
  store: GameStore,
  role: "challenger" | "executor",
  side: ReturnType<typeof challengerSide>,
): GamePlayer {
  const mindOf = async (_: unknown, gameLog: Parameters<typeof gameView>[0]) => {
    const move = await side(gameView(gameLog));
    return { move: (_view: GameView) => move };
  };
  return new GamePlayer({ context: otr, store, role, log, mindOf });
}

async function honestPayouts(accused: CommittedCase, games: readonly { actions: OtrActions; game: LiveGame }[]) {
  const executor = accused.executor.otr.sender!.address;
  for (const { actions, game } of games) {
    const key = { ...game.key, batchId: game.subject.batchId, openedAt: 0n };
    const due = await actions.gamePayoutDueAt(key);
    const now = await court.chain.now();
    if (due !== undefined && due > now) await court.chain.wait(due - now);
    await actions.payOutGame(key);
  }
  const due = (await games[0].actions.rewardDueAt(executor))!;
  await court.chain.nextBlockAt(due);
  await games[0].actions.payReward({ executor });
}

describe("after a conviction", () => {
  it("a game opened before goes on and earns the share; one opened after is closed; all bonds come back", async () => {
    const [model] = court.models;
    const random = prng(41);
    const faults = [
      await randomFault([model], "rope", random, court.ask),
      await randomFault([model], "rescale", random, court.ask),
    ] as const;
    const accused = await court.commitAll(faults);
    const earlier = await daemon(faults[0], accused[0]);
    await court.chain.wait(5n);
    const winner = await daemon(faults[1], accused[1] as CommittedCase);
    const later = await daemon(faults[0], accused[0]);

    // The second game is won first: its challenger knows the lie.
    const suspect = await StepTrace.build(model, faults[1].liar, faults[1], faults[1].step);
    const { outcome } = await court.play(
      winner.game,
      { actions: accused[0].executor, move: executorSide(faults[1], { engine: faults[1].liar }) },
      { actions: winner.actions, move: challengerSide(faults[1], { suspects: [suspect] }) },
    );
    expect(outcome).toBe("executorLost");
    const executor = accused[0].executor.otr.sender!.address;
    const before = await earlier.actions.getConviction(executor);
    expect(before?.challenger.toLowerCase()).toBe(winner.actions.otr.sender!.address);

    await later.player.tick();
    expect((await later.actions.getGame(later.game.key)).phase).toBe("Moot");
    expect(later.store.all()).toMatchObject([{ outcome: "moot" }]);

    // The executor still answers the earlier game, but no moot one; the challenger's turns come in between.
    const liar = playerOf(
      accused[0].executor,
      earlier.store,
      "executor",
      executorSide(faults[0], { engine: faults[0].liar }),
    );
    while (earlier.store.open().length > 0) {
      await earlier.player.tick();
      await liar.tick();
    }
    expect(earlier.store.all()).toMatchObject([{ outcome: "executorLost" }]);
    const moved = await earlier.actions.getConviction(executor);
    expect(moved?.challenger.toLowerCase()).toBe(earlier.actions.otr.sender!.address);

    await honestPayouts(accused[0], [earlier, winner, later]);
    const { bond, lockPerReceipt, challengerBps } = await earlier.actions.getRules();
    const share = (lockPerReceipt * BigInt(challengerBps)) / 10_000n;
    expect(await earlier.actions.claim()).toBeGreaterThanOrEqual(bond + share);
    for (const { actions } of [winner, later]) {
      const claimed = await actions.claim();
      expect(claimed).toBeGreaterThanOrEqual(bond);
      expect(claimed).toBeLessThan(bond + share);
    }
  });

  it("an executor answers no moot game", async () => {
    const [model] = court.models;
    const fault = await randomFault([model], "rope", prng(43), court.ask);
    const accused = await court.commit(fault);
    const first = await daemon(fault, accused);
    const second = await daemon(fault, accused);
    await court.play(
      first.game,
      { actions: accused.executor, move: () => undefined },
      { actions: first.actions, move: challengerSide(fault) },
    );
    const liar = playerOf(accused.executor, second.store, "executor", executorSide(fault, { engine: fault.liar }));
    await liar.tick();
    expect((await second.actions.getGame(second.game.key)).phase).toBe("FinePost");
  });
});

describe("a daemon", () => {
  it("walks a hidden trace and goes on in the game that it finds", async () => {
    const fault = await randomFault(court.models, "rope", prng(47), court.ask);
    const accused = await court.commit(fault);
    const { store, player, actions } = await daemon(fault, accused, true);
    const side = executorSide(fault, { engine: fault.liar });
    const answers = new GameStore(Database.open(":memory:", { applicationId: 1, migrations: [CHAIN_SQL] }));
    const liar = playerOf(accused.executor, answers, "executor", side);
    while (store.open().length > 0) {
      await player.tick();
      for (const game of store.open()) answers.add(game);
      await liar.tick();
    }
    expect(store.all().map(({ outcome }) => outcome)).toEqual(expect.arrayContaining([undefined, "executorLost"]));
    expect(store.unpaid()).toHaveLength(1);
    expect((await actions.getExecutor(accused.executor.otr.sender!.address)).convictedAt).not.toBe(0n);
  });
});
