import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEventLogs } from "viem";
import { generatePrivateKey } from "viem/accounts";
import { getLogs, getTransactionCount } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { randomFault } from "../adversary/random-fault.ts";
import { ABIS } from "../chain/abis.ts";
import { openReceipt } from "../chain/committed.ts";
import { deploymentPath } from "../chain/deployment.ts";
import { CHAIN_SQL, SqliteIntentStore } from "../chain/sqlite.ts";
import { openRecord } from "../commit/batch.ts";
import type { Hex } from "../commit/bytes.ts";
import { prng } from "../compiler/prng.ts";
import { silentLogger } from "../config/logger.ts";
import { configSchema } from "../config/schema.ts";
import type { ModelSource } from "../dispute/answer.ts";
import type { Engine } from "../engine/types.ts";
import { Responder } from "../executor/responder.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { Database } from "../store/database.ts";
import { Fisherman } from "./fisherman.ts";
import { openFishermanDatabase } from "./store.ts";
import { type Actor, Scene, TURN } from "./testing/scene.ts";

const LOG = silentLogger();
const SETTINGS = configSchema.parse({}).fisherman;

describe("Fisherman", () => {
  let scene: Scene;
  let folder: string;
  const stops: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    scene = await Scene.open(41_001);
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-fisherman-"));
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
    rmSync(folder, { recursive: true });
  });

  const models =
    (engine: Engine = scene.engine): ModelSource =>
    async (modelId) =>
      modelId === scene.model.modelId
        ? { engine, disputed: scene.model, contextLength: scene.model.program.contextLength }
        : undefined;

  /** Starts a fisherman on the file `name`; `crash` ends it as if its process died: nothing is awaited but its loops. */
  const fish = async (name = "f.sqlite", key: Hex = generatePrivateKey(), settings: Partial<typeof SETTINGS> = {}) => {
    const database = openFishermanDatabase(join(folder, name));
    const actor = await scene.actor(new SqliteIntentStore(database), key);
    const fisherman = new Fisherman({
      context: actor.context,
      models: models(),
      database,
      settings: { ...SETTINGS, retrySeconds: 1, downloadAttempts: 2, ...settings },
      collector: { ...configSchema.parse({}).collector, everySeconds: 0.05 },
      log: LOG,
      fromBlock: 0n,
      pollMs: 20,
    });
    const abort = new AbortController();
    const done = fisherman.run(abort.signal);
    let stopped = false;
    const stop = async () => {
      if (stopped) return;
      stopped = true;
      abort.abort();
      await actor.context.sender.close();
      await done;
      database.close();
    };
    stops.push(stop);
    return {
      fisherman,
      actor,
      stop,
      verdict: (item: Bundle) => until(() => fisherman.store.verdict(item.receiptHash)),
    };
  };

  /** Starts an executor's responder over what it signed. */
  const respond = async (executor: Actor, items: readonly Bundle[], engine?: Engine) => {
    const database = Database.open(":memory:", { applicationId: 2, migrations: [CHAIN_SQL] });
    const responder = new Responder({
      context: executor.context,
      executor: executor.address,
      models: models(engine),
      database,
      log: LOG,
      fromBlock: 0n,
      pollMs: 20,
    });
    const byHash = new Map(items.map((item) => [item.receiptHash, item]));
    await responder.start({ bundle: (hash) => byHash.get(hash) });
    let stopped = false;
    const stop = async () => {
      if (stopped) return;
      stopped = true;
      await responder.stop();
      database.close();
    };
    stops.push(stop);
    return stop;
  };

  const lie = async (executor: Hex) => {
    const fault = await randomFault([scene.model], "rescale", prng(5), scene.ask);
    const item = scene.item(executor, { request: fault.request, input: fault.input }, fault.outputs, fault.records);
    return { item, liar: fault.liar };
  };

  const games = async (challenger: Hex) =>
    (await getLogs(scene.client, { address: scene.deployment.addresses.game, fromBlock: 0n })).filter((log) =>
      log.topics[3]?.endsWith(challenger.slice(2).toLowerCase()),
    ).length;

  /** The challenger's game, and how many transactions it has sent in all. */
  const lastGame = async (challenger: Hex) => {
    const actor = await scene.actor();
    const { game: address } = scene.deployment.addresses;
    const logs = await getLogs(scene.client, { address, fromBlock: 0n });
    const [opened] = parseEventLogs({ abi: ABIS.game, logs, eventName: "GameOpened", args: { challenger } });
    const game = await actor.actions.loadGame({ address, gameId: opened!.args.gameId }, opened!.blockNumber);
    return { game, sent: await getTransactionCount(scene.client, { address: challenger }) };
  };

  /** What the vault paid out to an account. */
  const claimedBy = async (account: Hex) => {
    const logs = await getLogs(scene.client, { address: scene.deployment.addresses.vault, fromBlock: 0n });
    const claims = parseEventLogs({ abi: ABIS.vault, logs, eventName: "Claimed", args: { account } });
    return claims.reduce((sum, { args }) => sum + args.amount, 0n);
  };

  /** Lets the air gap pass, and all that earlier cases could take. */
  const passGap = async () => {
    const { airGap } = await (await scene.actor()).actions.getRules();
    await scene.chain.increaseTime({ seconds: Number(airGap) + 200 * TURN });
    await scene.chain.mine({ blocks: 1 });
  };

  it("finds honest answers valid and leaves them alone", async () => {
    const executor = await scene.executor();
    const items = [await scene.answer(executor.address), await scene.answer(executor.address, [5], 3)];
    await scene.commit(executor, items);
    const { verdict, actor } = await fish();
    for (const item of items) expect(await verdict(item)).toMatchObject({ verdict: "valid", dispute: "none" });
    expect(await games(actor.address)).toBe(0);
  });

  it("disputes a wrong record, wins against a responding liar, and is paid", async () => {
    const executor = await scene.executor();
    const { item, liar } = await lie(executor.address);
    const honest = await scene.answer(executor.address);
    await scene.commit(executor, [honest, item]);
    await respond(executor, [item], liar);
    const { fisherman, verdict, actor } = await fish();
    const found = await verdict(item);
    expect(found).toMatchObject({ verdict: "invalid", fault: { kind: "record" } });
    await until(() => fisherman.games.all()[0]?.status === "over");
    expect(fisherman.games.all()).toMatchObject([{ outcome: "executorLost" }]);
    expect(fisherman.store.verdict(item.receiptHash)).toMatchObject({ dispute: "done" });
    expect((await actor.actions.getExecutor(executor.address)).convictedAt).toBeGreaterThan(0n);
    // Nothing moves before the air gap is over.
    expect(await claimedBy(actor.address)).toBe(0n);
    await passGap();
    const { bond, lockPerReceipt, challengerBps } = await actor.actions.getRules();
    const share = (lockPerReceipt * BigInt(challengerBps)) / 10_000n;
    // Bond, share, and gas by constants.
    await untilAsync(async () => (await claimedBy(actor.address)) > bond + share);
    expect(fisherman.dues.open()).toEqual([]);
    expect(await games(actor.address)).toBe(1);
  });

  it("wins by timeout against a liar that does not answer", async () => {
    const executor = await scene.executor();
    const { item } = await lie(executor.address);
    await scene.commit(executor, [item]);
    const { fisherman } = await fish();
    await until(() => fisherman.games.open().length === 1);
    await scene.chain.increaseTime({ seconds: TURN });
    await scene.chain.mine({ blocks: 1 });
    await until(() => fisherman.games.all()[0]?.outcome === "executorLost");
  });

  it("goes on after a crash anywhere in a game, and opens no second one", async () => {
    const executor = await scene.executor();
    const { item, liar } = await lie(executor.address);
    await scene.commit(executor, [item]);
    const key = generatePrivateKey();
    const first = await fish("c.sqlite", key);
    await until(() => first.fisherman.games.open().length === 1);
    // The process died after the opening was sent and before it was noted.
    const verdict = first.fisherman.store.verdict(item.receiptHash)!;
    first.fisherman.store.saveVerdict({ ...verdict, dispute: "wanted", gameId: undefined });
    await first.stop();
    await respond(executor, [item], liar);
    for (let crash = 0; crash < 3; crash++) {
      const { stop } = await fish("c.sqlite", key);
      await new Promise((resolve) => setTimeout(resolve, 150));
      await stop();
    }
    const last = await fish("c.sqlite", key);
    await until(() => last.fisherman.games.all()[0]?.outcome === "executorLost");
    expect(await games(last.actor.address)).toBe(1);
  });

  it("survives kill -9 at any time: one game, every move once, no transaction in vain", async () => {
    const executor = await scene.executor();
    const { item, liar } = await lie(executor.address);
    await scene.commit(executor, [item]);
    await respond(executor, [item], liar);
    const key = generatePrivateKey();
    const { address } = await scene.actor(undefined, key);
    const keyFile = join(folder, "key");
    writeFileSync(keyFile, key);
    const script = fileURLToPath(new URL("./testing/fisherman-process.ts", import.meta.url));
    const place = [scene.anvil.url, deploymentPath(scene.client.chain.id), join(folder, "k.sqlite"), keyFile];
    const convicted = async () => (await executor.actions.getExecutor(executor.address)).convictedAt !== 0n;
    for (let life = 0; !(await convicted()); life++) {
      const child = spawn(process.execPath, ["--import", "tsx", script, ...place], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      const gone = new Promise((resolve) => child.once("exit", resolve));
      await Promise.race([gone, new Promise((resolve) => child.stderr.once("data", resolve))]);
      // Later lives are longer, so that the game comes to its end.
      const end = Date.now() + 60 * 2 ** life;
      while (Date.now() < end && !(await convicted())) await new Promise((resolve) => setTimeout(resolve, 20));
      child.kill("SIGKILL");
      await gone;
    }
    expect(await convicted()).toBe(true);
    expect(await games(address)).toBe(1);
    const { game, sent } = await lastGame(address);
    const choices = ["ChildChosen", "RowChosen", "ElementChosen", "PartChosen", "CacheChosen"];
    const own = new Set(["GameOpened", ...choices, "LieProven", "GameEnded"]);
    const moves = game.events.filter(({ eventName }) => own.has(eventName)).length;
    expect(sent).toBe(moves);
  });

  it("shares a liar with another fisherman: one is rewarded, the other gets its bond back", async () => {
    const executor = await scene.executor();
    const { item, liar } = await lie(executor.address);
    await scene.commit(executor, [item]);
    const both = [await fish("a.sqlite"), await fish("b.sqlite")];
    for (const { fisherman } of both) await until(() => fisherman.games.all().length === 1);
    await respond(executor, [item], liar);
    for (const { fisherman } of both) await until(() => fisherman.games.all()[0]?.status === "over");
    const outcomes = both.map(({ fisherman }) => fisherman.games.all()[0]?.outcome);
    // The game that was opened earlier goes on after the other one convicts, and may win, too.
    expect(outcomes).toContain("executorLost");
    expect(outcomes).not.toContain("challengerLost");
    await passGap();
    const { bond, lockPerReceipt, challengerBps } = await executor.actions.getRules();
    const share = (lockPerReceipt * BigInt(challengerBps)) / 10_000n;
    const { challenger } = (await executor.actions.getConviction(executor.address))!;
    for (const { actor } of both) {
      const due = actor.address === challenger ? bond + share : bond;
      await untilAsync(async () => (await claimedBy(actor.address)) > due);
    }
  });

  it("forgets a batch that a reorganisation took out, and checks it again when it is back", async () => {
    const executor = await scene.executor();
    const item = await scene.answer(executor.address);
    const snapshot = await scene.snapshot();
    const { batchId } = await scene.commit(executor, [item]);
    const { fisherman, verdict } = await fish();
    expect(await verdict(item)).toMatchObject({ verdict: "valid" });
    await scene.revert(snapshot);
    await until(() => fisherman.store.batch(batchId) === undefined);
    await until(() => fisherman.store.verdict(item.receiptHash) === undefined);
    // What vanished is committed once more beside it: the same receipt then stands in two batches.
    await scene.commit(executor, [item]);
    await until(() => fisherman.store.verdict(item.receiptHash, batchId)?.verdict === "valid");
  });

  it("calls unavailable what is not served, does not lead to the root, or shows another prompt", async () => {
    const executor = await scene.executor();
    const [missing, foreign, changed] = [
      await scene.answer(executor.address),
      await scene.answer(executor.address),
      await scene.answer(executor.address),
    ];
    const { batchId: a } = await scene.commit(executor, [missing], false);
    const { batchId: b, root } = await scene.commit(executor, [foreign], false);
    scene.serve(root, [missing]);
    const { root: other } = await scene.commit(executor, [changed], false);
    scene.serve(other, [{ ...changed, inputTokens: [1, 1, 1] }]);
    const { fisherman, verdict } = await fish("u.sqlite", undefined, { executors: [executor.address] });
    expect(await verdict(changed)).toMatchObject({
      verdict: "unavailable",
      reason: "the prompt does not lead to inputRoot",
    });
    const batchOf = (id: bigint) =>
      until(() => [fisherman.store.batch(id)].find((batch) => batch?.status === "unavailable"));
    expect(await batchOf(a)).toMatchObject({ attempts: 2, reason: expect.stringContaining("status 404") });
    expect(await batchOf(b)).toMatchObject({ reason: expect.stringContaining("do not lead to the batch root") });
  });

  it("is matched by a responder that survives a sham game, across a restart", async () => {
    const executor = await scene.executor();
    const item = await scene.answer(executor.address);
    const { batchId } = await scene.commit(executor, [item]);
    const sham = await scene.actor();
    const key = await sham.actions.openGame({
      rules: await sham.actions.getRules(),
      committed: openReceipt(batchId, item.receipt, [item.receiptHash], 0),
      request: item.request,
      step: 1,
      record: openRecord(item.records, 1),
    });
    const phase = async () => (await sham.actions.getGame(key)).phase;
    const stop = await respond(executor, [item]);
    await untilAsync(async () => (await phase()) === "Fine");
    await stop();
    await scene.chain.increaseTime({ seconds: TURN });
    await scene.chain.mine({ blocks: 1 });
    await respond(executor, [item]);
    await untilAsync(async () => (await phase()) === "Lost");
    expect((await sham.actions.getExecutor(executor.address)).convictedAt).toBe(0n);
    // Half of the bond pays the executor for its answers.
    const { bond } = await sham.actions.getRules();
    await passGap();
    await sham.actions.payOutGame(key);
    expect(await executor.actions.claim()).toBe(bond / 2n);
  });
});

/** Polls until the value is there. */
async function until<T>(value: () => T | undefined | false): Promise<T> {
  for (;;) {
    const now = value();
    if (now !== undefined && now !== false) return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function untilAsync(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
