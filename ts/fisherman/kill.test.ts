import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getBlockNumber } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Lifeline } from "../chain/testing/lifeline.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { Crew, type Fishing, SlowMiner, until } from "./testing/crew.ts";
import { Scene } from "./testing/scene.ts";

describe("a fisherman killed", () => {
  let scene: Scene;
  let folder: string;
  let crew: Crew;
  beforeAll(async () => {
    scene = await Scene.open(41_003);
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-kill-"));
    crew = new Crew(scene, folder);
  });
  afterEach(async () => {
    await crew.close();
    rmSync(folder, { recursive: true });
  });

  const seeds = Array.from({ length: FUZZ }, (_, seed) => 5 + seed);
  it.each(seeds)(
    "after any one write or transaction wins its game all the same, and sends nothing twice or in vain (lie %i)",
    async (seed) => {
      const executor = await scene.executor();
      const { item, liar } = await crew.lie(executor.address, seed);
      await scene.commit(executor, [item]);
      const account = await crew.account();
      const before = await getBlockNumber(scene.client, { cacheTime: 0 });
      let snapshot = await scene.snapshot();
      const over = ({ fisherman }: Fishing) => {
        const [game] = fisherman.games.all();
        const { dispute } = fisherman.store.verdict(item.receiptHash) ?? {};
        return game?.status === "over" && dispute === "done" && game;
      };
      const miner = new SlowMiner(scene);
      let steps = Number.POSITIVE_INFINITY;
      let expected: unknown;
      for (let end = steps; end >= 1; end = Math.min(end, steps + 1) - 1) {
        const file = `${end}.sqlite`;
        const life = new Lifeline(end);
        const quiet = await crew.respond(executor, [item], liar);
        const first = await crew.fish({ file, account, life });
        await until(() => life.death.aborted || over(first));
        await first.stop();
        // What is in the pool stays there until the next process has found out.
        miner.paused = true;
        const last = await crew.fish({ file, account });
        await new Promise((resolve) => setTimeout(resolve, 40));
        miner.paused = false;
        const game = await until(() => over(last));
        await last.stop();
        await quiet();
        // The first run is not killed: it says how many steps there are, and what must be on the chain in the end.
        if (steps === Number.POSITIVE_INFINITY) steps = life.steps;
        expect(game.outcome).toBe("executorLost");
        const sent = await crew.sentBy(account.address, before);
        // Games are named after the moment of their opening: the calls are the same, not their every byte.
        const calls = sent.map(({ input, ...rest }) => ({ ...rest, call: input.slice(0, 10) }));
        expected ??= calls;
        expect(calls).toEqual(expected);
        expect(sent.every(({ status }) => status === "success")).toBe(true);
        await scene.revert(snapshot);
        snapshot = await scene.snapshot();
      }
      await miner.stop();
      expect(steps).toBeGreaterThan(20);
    },
    600_000,
  );
});
