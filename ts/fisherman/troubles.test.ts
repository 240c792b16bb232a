import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Hex, LocalAccount } from "viem";
import { getBlockNumber } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../chain/client.ts";
import { openReceipt } from "../chain/committed.ts";
import type { GameOutcome } from "../chain/game-state.ts";
import { FlakyProxy } from "../chain/testing/flaky-proxy.ts";
import { openRecord } from "../commit/batch.ts";
import { prng } from "../compiler/prng.ts";
import type { Engine } from "../engine/types.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { Crew, type Fishing, SlowMiner, until } from "./testing/crew.ts";
import { type Actor, Scene } from "./testing/scene.ts";

const DAY = 24 * 3600;
const seeds = (count: number) => Array.from({ length: count * FUZZ }, (_, seed) => seed);

describe("troubles of a fisherman", () => {
  let scene: Scene;
  let folder: string;
  let crew: Crew;
  let proxy: FlakyProxy;
  beforeAll(async () => {
    // A turn is longer than the day for which endpoints or blocks stay away.
    scene = await Scene.open(41_004, DAY + 3600);
    proxy = await FlakyProxy.open(scene.anvil.url);
  });
  afterAll(async () => {
    await proxy.close();
    await scene.close();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-troubles-"));
    crew = new Crew(scene, folder);
  });
  afterEach(async () => {
    proxy.trouble = () => "pass";
    proxy.down = false;
    await crew.close();
    rmSync(folder, { recursive: true });
  });

  const through = () => connect({ url: proxy.url, pollMs: 10, timeoutMs: 2000 });
  const head = () => getBlockNumber(scene.client, { cacheTime: 0 });
  const endOf = (fishing: Fishing) =>
    until(() => fishing.fisherman.games.all().find(({ status }) => status === "over")?.outcome);
  const convicted = async (executor: Actor) =>
    (await executor.actions.getExecutor(executor.address)).convictedAt !== 0n;
  const paid = ({ address }: Pick<LocalAccount, "address">) => until(() => crew.paid(address));
  /** A liar's batch on the chain, served. */
  const lie = async (serve = true) => {
    const executor = await scene.executor();
    const { item, liar } = await crew.lie(executor.address);
    const { batchId, root } = await scene.commit(executor, [item], serve);
    return { executor, item, liar, batchId, root, settings: { executors: [executor.address] } };
  };
  /** What an account did: every deed once, and nothing in vain. */
  const expectOnce = async (address: Hex, after: bigint) => {
    const sent = await crew.sentBy(address, after);
    expect(sent.filter(({ status }) => status !== "success")).toEqual([]);
    const deeds = sent.map(({ to, input }) => `${to} ${input}`);
    expect(new Set(deeds).size).toBe(deeds.length);
    return sent;
  };

  describe("random reorganisations", () => {
    it.each(seeds(3))("at any time of a game are survived by both sides (seed %i)", async (seed) => {
      const random = prng(seed);
      const { item, liar, executor, settings } = await lie();
      const account = await crew.account();
      const miner = new SlowMiner(scene, 10);
      await crew.respond(executor, [item], liar);
      const fishing = await crew.fish({ account, settings });
      for (let reorgs = 0; reorgs < 3; reorgs++) {
        await new Promise((resolve) => setTimeout(resolve, random.int(0, 150)));
        const snapshot = await scene.snapshot();
        await new Promise((resolve) => setTimeout(resolve, random.int(0, 200)));
        await scene.withoutBlocks(() => scene.chain.mine({ blocks: random.int(1, 60) }));
        await new Promise((resolve) => setTimeout(resolve, random.int(0, 40)));
        await scene.revert(snapshot);
      }
      expect(await endOf(fishing)).toBe("executorLost");
      await paid(account);
      await miner.stop();
      expect(await convicted(executor)).toBe(true);
      expect(fishing.fisherman.games.all()).toHaveLength(1);
    });
  });

  it("opens a game again whose opening vanished before the watcher had come to its block", async () => {
    const { item, liar, executor, settings } = await lie();
    const account = await crew.account();
    await scene.chain.mine({ blocks: 20 });
    const snapshot = await scene.snapshot();
    const fishing = await crew.fish({ account, settings, confirmations: 20 });
    const lost = await until(() => fishing.fisherman.games.all()[0]);
    await scene.revert(snapshot);
    expect(await scene.sent(account.address)).toBe(0);
    await until(async () => (await scene.sent(account.address)) > 0);
    await crew.respond(executor, [item], liar);
    expect(await endOf(fishing)).toBe("executorLost");
    expect(fishing.fisherman.games.all().map(({ receiptHash }) => receiptHash)).toEqual([lost.receiptHash]);
  });

  describe("verdicts", () => {
    it("accuses nobody when two computations differ, and says so until they agree", async () => {
      const executor = await scene.executor();
      const item = await scene.answer(executor.address);
      await scene.commit(executor, [item]);
      const wrong: Engine = {
        ...scene.engine,
        replay: async (input, outputs) => {
          const { tokens, records } = await scene.engine.replay(input, outputs);
          return { tokens, records: records.with(1, { ...records[1], cacheRoot: records[0].cacheRoot }) };
        },
      };
      let broken = true;
      const [model, honest] = [crew.models(wrong), crew.models()];
      const models = async (id: Hex) => {
        const found = await (broken ? model : honest)(id);
        const { program, weights } = scene.model;
        return found && { ...found, fresh: async () => ({ program, weights, engine: async () => scene.engine }) };
      };
      const { fisherman, account } = await crew.fish({ models, settings: { executors: [executor.address] } });
      const verdict = () => fisherman.store.verdict(item.receiptHash);
      expect(await until(verdict)).toMatchObject({
        verdict: "unavailable",
        dispute: "none",
        reason: expect.stringContaining("differ: the record of step 1"),
      });
      broken = false;
      expect(await until(() => verdict()?.verdict !== "unavailable" && verdict())).toMatchObject({ verdict: "valid" });
      expect(await crew.sentBy(account.address)).toEqual([]);
    });

    it("comes back to a batch that was not served, and convicts; gives it up when its window has closed", async () => {
      const { item, liar, executor, batchId, root } = await lie(false);
      const settings = { retrySeconds: 1, downloadAttempts: 1, executors: [executor.address] };
      const fishing = await crew.fish({ settings });
      const { store } = fishing.fisherman;
      await until(() => store.batch(batchId)?.status === "unavailable");
      expect(store.batch(batchId)?.reason).toContain("404");
      // The executor serves once it believes that nobody looks any more.
      scene.serve(root, [item]);
      await crew.respond(executor, [item], liar);
      expect(await endOf(fishing)).toBe("executorLost");
      const honest = await scene.executor();
      const hidden = await scene.commit(honest, [await scene.answer(honest.address)], false);
      const other = await crew.fish({ file: "other.sqlite", settings: { ...settings, executors: [honest.address] } });
      await until(() => other.fisherman.store.batch(hidden.batchId)?.status === "unavailable");
      const { challengeWindow } = await honest.actions.getRules();
      await scene.chain.increaseTime({ seconds: Number(challengeWindow) });
      await scene.chain.mine({ blocks: 1 });
      await until(() => other.fisherman.store.nextBatch(Number.MAX_SAFE_INTEGER - 1) === undefined);
      expect(other.fisherman.store.batch(hidden.batchId)?.status).toBe("unavailable");
    });
  });

  it("plays its open game on without its database: chain and executor tell it all", async () => {
    const { item, liar, executor, settings } = await lie();
    const after = await head();
    const miner = new SlowMiner(scene, 40);
    await crew.respond(executor, [item], liar);
    const account = await crew.account();
    const first = await crew.fish({ account, settings });
    await until(async () => (await crew.sentBy(account.address, after)).length >= 2);
    await first.stop();
    rmSync(join(folder, "fisherman.sqlite"));
    const second = await crew.fish({ account, settings });
    expect(await endOf(second)).toBe("executorLost");
    expect(second.fisherman.games.all()).toHaveLength(1);
    expect(second.fisherman.store.verdict(item.receiptHash)).toMatchObject({ verdict: "invalid", dispute: "done" });
    await paid(account);
    await miner.stop();
    await expectOnce(account.address, after);
  });

  it("tells its operator of verdicts, games, deadlines and transactions", async () => {
    const { item, liar, executor, settings } = await lie();
    const account = await crew.account();
    const fishing = await crew.fish({ account, settings });
    const value = (name: string, labels: Record<string, string> = {}) => {
      const metric = fishing.health.metrics().find((metric) => metric.name === name);
      return metric?.samples.find((sample) => isDeepStrictEqual(sample.labels ?? {}, labels))?.value;
    };
    await until(() => value("otr_games_open") === 1);
    expect(value("otr_verdicts", { verdict: "invalid" })).toBe(1);
    expect(value("otr_disputes", { state: "open" })).toBe(1);
    expect(value("otr_transactions_total", { call: "game.open", event: "mined" })).toBe(1);
    // The liar has to move.
    expect(value("otr_game_deadline_seconds")).toBe(Number.POSITIVE_INFINITY);
    const before = await until(() => [value("otr_balance_ether")!].find((ether) => ether < 10));
    const miner = new SlowMiner(scene, 60);
    const stop = await crew.respond(executor, [item], liar);
    let nearest = Number.POSITIVE_INFINITY;
    await until(() => {
      nearest = Math.min(nearest, value("otr_game_deadline_seconds")!);
      return value("otr_games_over", { outcome: "executorLost" }) === 1;
    });
    await stop();
    await miner.stop();
    expect(nearest).toBeGreaterThan(0);
    expect(nearest).toBeLessThanOrEqual(DAY + 3600);
    expect(value("otr_games_open")).toBe(0);
    expect(value("otr_unstable_total")).toBe(0);
    expect(value("otr_store_bytes")).toBeGreaterThan(0);
    await paid(account);
    await until(() => value("otr_balance_ether")! > before);
    await until(() => fishing.health.readiness().every(({ problem }) => problem === undefined));
  });

  describe("reorganisations", () => {
    it.each([1, 2, 17, 64])("of %i blocks that take the opening out do not end the dispute", async (depth) => {
      const { item, liar, executor, settings } = await lie();
      const after = await head();
      const account = await crew.account();
      const fishing = await crew.fish({ account, settings });
      const { games, store } = fishing.fisherman;
      // The game is opened in the last block that survives or later, never before it was looked at.
      const snapshot = await scene.snapshot();
      await until(() => games.open().length === 1);
      if (depth > 1) await scene.chain.mine({ blocks: depth - 1 });
      const top = await head();
      await until(() => lastBlock(fishing) >= top);
      await scene.revert(snapshot);
      await crew.respond(executor, [item], liar);
      expect(await endOf(fishing)).toBe("executorLost");
      await paid(account);
      expect(store.verdict(item.receiptHash)).toMatchObject({ dispute: "done" });
      expect(games.all()).toHaveLength(1);
      await expectOnce(account.address, after);
    });

    it.each([1, 17, 64])("of %i blocks that take the batch out and bring it back end in one game", async (depth) => {
      const executor = await scene.executor();
      const settings = { executors: [executor.address] };
      const { item, liar } = await crew.lie(executor.address);
      const after = await head();
      const account = await crew.account();
      const snapshot = await scene.snapshot();
      await scene.commit(executor, [item]);
      const fishing = await crew.fish({ account, settings });
      await until(() => fishing.fisherman.games.open().length === 1);
      await scene.chain.mine({ blocks: depth });
      const top = await head();
      await until(() => lastBlock(fishing) >= top);
      await scene.revert(snapshot);
      await until(() => fishing.fisherman.store.verdict(item.receiptHash) === undefined);
      expect(fishing.fisherman.games.all()).toEqual([]);
      await scene.commit(executor, [item]);
      await crew.respond(executor, [item], liar);
      expect(await endOf(fishing)).toBe("executorLost");
      await paid(account);
      await expectOnce(account.address, after);
    });
  });

  it.each(seeds(1))(
    "wins through an endpoint of which a quarter fails, against a liar behind it too (seed %i)",
    async (seed) => {
      const { item, liar, executor, settings } = await lie();
      const after = await head();
      const account = await crew.account();
      proxy.flap(0.25, seed);
      const client = await until(() => through().catch(() => undefined));
      await crew.respond(scene.behind(client, executor), [item], liar);
      const fishing = await crew.fish({ account, client, settings });
      expect(await endOf(fishing)).toBe("executorLost");
      await paid(account);
      await expectOnce(account.address, after);
    },
  );

  describe("a day without", () => {
    /** Lets a day pass on the chain. */
    const day = async () => {
      await scene.chain.increaseTime({ seconds: DAY });
      await scene.chain.mine({ blocks: 1 });
    };
    const away = async () => {
      proxy.down = true;
      await day();
      await new Promise((resolve) => setTimeout(resolve, 100));
      proxy.down = false;
    };

    it.each([0, 1, 2, 3])(
      "an endpoint loses no game to the fisherman (after %i of its transactions)",
      async (moves) => {
        const { item, liar, executor, settings } = await lie();
        const after = await head();
        const account = await crew.account();
        const client = await through();
        await crew.respond(executor, [item], liar);
        const broadcast = () => proxy.count("eth_sendRawTransaction");
        const start = broadcast();
        // Cut off when the next transaction is simulated: the turn is the fisherman's own.
        let cut = false;
        proxy.trouble = ({ method }) => {
          if (method === "eth_estimateGas" && broadcast() - start >= moves && !cut) {
            cut = true;
            proxy.down = true;
            return "drop";
          }
          return "pass";
        };
        const fishing = await crew.fish({ account, client, settings });
        await until(() => cut);
        await away();
        expect(await endOf(fishing)).toBe("executorLost");
        await paid(account);
        await expectOnce(account.address, after);
      },
    );

    it.each([1, 2, 3])("blocks for its transaction %i loses no game to the fisherman", async (moves) => {
      const { item, liar, executor, settings } = await lie();
      const after = await head();
      const account = await crew.account();
      const miner = new SlowMiner(scene, 10);
      await crew.respond(executor, [item], liar);
      const client = await through();
      const start = proxy.count("eth_sendRawTransaction");
      const fishing = await crew.fish({ account, client, settings, transactions: { sendTimeoutMs: 200 } });
      await until(() => proxy.count("eth_sendRawTransaction") >= start + moves);
      miner.paused = true;
      // The caller gives up waiting meanwhile, and comes back for the same transaction.
      await new Promise((resolve) => setTimeout(resolve, 300));
      await scene.chain.increaseTime({ seconds: DAY });
      miner.paused = false;
      expect(await endOf(fishing)).toBe("executorLost");
      await paid(account);
      await miner.stop();
      await expectOnce(account.address, after);
    });

    it.each(["endpoint", "blocks"])("%s convicts no honest executor", async (what) => {
      const executor = await scene.executor();
      const item = await scene.answer(executor.address);
      const { batchId } = await scene.commit(executor, [item]);
      const sham = await scene.actor();
      const rules = await sham.actions.getRules();
      const committed = openReceipt(batchId, item.receipt, [item.receiptHash], 0);
      const { request } = item;
      const record = openRecord(item.records, 1);
      const key = await sham.actions.openGame({ rules, committed, request, step: 1, record });
      const state = () => sham.actions.getGame(key);
      const client = await through();
      const miner = what === "blocks" ? new SlowMiner(scene, 10) : undefined;
      const start = proxy.count("eth_sendRawTransaction");
      if (miner !== undefined) miner.paused = true;
      else proxy.down = true;
      await crew.respond(scene.behind(client, executor), [item]);
      if (miner === undefined) await away();
      else {
        await until(() => proxy.count("eth_sendRawTransaction") > start);
        await scene.chain.increaseTime({ seconds: DAY });
        miner.paused = false;
      }
      await until(async () => (await state()).turn === "challenger");
      await scene.chain.increaseTime({ seconds: DAY + 3600 });
      await scene.chain.mine({ blocks: 1 });
      await until(async () => /Won|Lost|Paid/.test((await state()).phase));
      await miner?.stop();
      const outcome: GameOutcome = (await convicted(executor)) ? "executorLost" : "challengerLost";
      expect(outcome).toBe("challengerLost");
    });
  });
});

/** Newest block that the fisherman's watcher has handled. */
function lastBlock({ database }: Fishing): bigint {
  const row = database.get("SELECT max(number) AS n FROM checkpoints WHERE watcher = 'fisherman'");
  return BigInt(Number(row?.n ?? 0));
}
