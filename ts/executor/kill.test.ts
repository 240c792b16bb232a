import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, parseEventLogs } from "viem";
import { getBlock, getBlockNumber, getLogs } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ABIS } from "../chain/abis.ts";
import { anvilKey } from "../chain/anvil.ts";
import { type ChainClient, connect } from "../chain/client.ts";
import { openReceipt } from "../chain/committed.ts";
import { write } from "../chain/context.ts";
import { SOFTWARE_MEASUREMENT } from "../chain/dev-evidence.ts";
import { FlakyProxy } from "../chain/testing/flaky-proxy.ts";
import { Lifeline } from "../chain/testing/lifeline.ts";
import { batchRoot, openRecord } from "../commit/batch.ts";
import { Crew, SlowMiner, until } from "../fisherman/testing/crew.ts";
import { type Actor, Scene, TURN } from "../fisherman/testing/scene.ts";
import { fetchReceipt } from "../sdk/fetch-bundles.ts";
import { Database } from "../store/database.ts";
import { ExecutorStore } from "../store/executor-store.ts";
import { acceptSoftware, townExecutor } from "./testing/town-executor.ts";

/** A seed makes it the same request whenever it is asked: it has one receipt. */
const ASK = { model: "scene", messages: [{ role: "user", content: "t1t2t3" }], max_tokens: 2, temperature: 0, seed: 7 };

describe("an executor", () => {
  let scene: Scene;
  let folder: string;
  let crew: Crew;
  let root: Actor;
  beforeAll(async () => {
    scene = await Scene.open(41_005);
    root = await scene.actor(undefined, anvilKey(0));
    await acceptSoftware(scene, root);
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-executor-"));
    crew = new Crew(scene, folder);
  });
  afterEach(async () => {
    await crew.close();
    rmSync(folder, { recursive: true });
  });

  /** Starts the daemon; a life may end before it serves. */
  const serve = async (actor: Actor, life = new Lifeline(), more: { keyPollMs?: number; uncut?: ChainClient } = {}) => {
    const started = await townExecutor(scene, {
      path: join(folder, "executor.sqlite"),
      actor,
      root,
      life,
      ...more,
    }).catch((error: unknown) => {
      if (!life.death.aborted) throw error;
    });
    const stop = async () => {
      // A killed daemon cannot end in order; it only lets go of its file.
      await started?.executor.stop(life.death.aborted ? 1 : 2000).catch(() => undefined);
    };
    return { url: started?.url, executor: started?.executor, stop };
  };
  /** One answer in full, or undefined if the daemon fails or refuses. */
  const ask = async (url: string | undefined) => {
    const headers = { "content-type": "application/json" };
    const request = { method: "POST", headers, body: JSON.stringify(ASK) };
    if (url === undefined) return undefined;
    const response = await fetch(`${url}/v1/chat/completions`, request).catch(() => undefined);
    if (!response?.ok) return undefined;
    return (await response.json().catch(() => undefined)) as { id: string } | undefined;
  };
  const committed = async (executor: Hex, after: bigint) => {
    const address = scene.deployment.addresses.rollup;
    const logs = await getLogs(scene.client, { address, fromBlock: after + 1n });
    return parseEventLogs({ abi: ABIS.rollup, logs, eventName: "BatchCommitted", args: { executor } });
  };
  /** A sham challenger's game on the executor's only receipt. */
  const accuse = async (sham: Actor, url: string, id: string, batchId: bigint) => {
    const { bundle } = await fetchReceipt(id, { url });
    const rules = await sham.actions.getRules();
    const opened = openReceipt(batchId, bundle.receipt, [bundle.receiptHash], 0);
    return sham.actions.openGame({
      rules,
      committed: opened,
      step: 1,
      record: openRecord(bundle.records, 1),
      request: bundle.request,
    });
  };

  it("killed after any one write or transaction keeps what it said, commits it once and misses no move", async () => {
    const [actor, sham] = [await scene.executor(), await scene.actor()];
    const after = await getBlockNumber(scene.client, { cacheTime: 0 });
    let snapshot = await scene.snapshot();
    let steps = Number.POSITIVE_INFINITY;
    for (let end = steps; end >= 1; end = Math.min(end, steps + 1) - 1) {
      const miner = new SlowMiner(scene);
      const life = new Lifeline(end);
      let daemon = await serve(actor, life);
      let revived = false;
      /** Goes on with what the test wants of the daemon, in its next life if need be. */
      const want = <T>(what: () => Promise<T | undefined | false>) =>
        until(async () => {
          if (life.death.aborted && !revived) {
            revived = true;
            // What is in the pool stays there until the next process has found out.
            miner.paused = true;
            await daemon.stop();
            setTimeout(() => {
              miner.paused = false;
            }, 50);
            daemon = await serve(actor);
          }
          return what();
        });
      const id = await want(async () => (await ask(daemon.url))?.id);
      const [{ args }] = (await want(async () => {
        const found = await committed(actor.address, after);
        return found.length > 0 && found;
      })) as Awaited<ReturnType<typeof committed>>;
      const key = await want(() => accuse(sham, daemon.url!, id, args.batchId).catch(() => undefined));
      const state = () => sham.actions.getGame(key);
      await want(async () => (await state()).turn === "challenger");
      await scene.chain.increaseTime({ seconds: TURN });
      await scene.chain.mine({ blocks: 1 });
      await want(async () => /Lost|Paid/.test((await state()).phase));
      const { bundle } = await fetchReceipt(id, { url: daemon.url! });
      await daemon.stop();
      await miner.stop();
      if (steps === Number.POSITIVE_INFINITY) steps = life.steps;
      expect((await actor.actions.getExecutor(actor.address)).convictedAt).toBe(0n);
      const sent = await crew.sentBy(actor.address, after);
      expect(sent.filter(({ status }) => status !== "success")).toEqual([]);
      expect(new Set(sent.map(({ to, input }) => `${to} ${input}`)).size).toBe(sent.length);
      // What the client was told is in the one batch there is.
      const batches = await committed(actor.address, after);
      expect(batches).toHaveLength(1);
      expect(batches[0]!.args.count).toBe(1n);
      expect(batchRoot([bundle.receiptHash])).toBe(batches[0]!.args.root);
      rmSync(join(folder, "executor.sqlite"), { force: true });
      for (const suffix of ["-wal", "-shm"]) rmSync(join(folder, `executor.sqlite${suffix}`), { force: true });
      await scene.revert(snapshot);
      snapshot = await scene.snapshot();
    }
    expect(steps).toBeGreaterThan(12);
  }, 600_000);

  /** Looks into the database of a daemon that has ended. */
  const inspect = (look: (store: ExecutorStore) => void, work?: (database: Database) => void) => {
    const database = Database.open(join(folder, "executor.sqlite"), ExecutorStore.schema);
    const domain = { ...scene.domain, rollup: scene.domain.rollup.toLowerCase() as Hex };
    look(new ExecutorStore(database, domain, Date.now));
    work?.(database);
    database.close();
  };

  it("goes on from its answers and the chain alone: games, cursors and transactions are found again", async () => {
    const [actor, sham] = [await scene.executor(), await scene.actor()];
    const after = await getBlockNumber(scene.client, { cacheTime: 0 });
    const first = await serve(actor);
    const { id } = await until(() => ask(first.url));
    const { args } = await until(async () => (await committed(actor.address, after))[0]);
    const key = await accuse(sham, first.url!, id, args.batchId);
    const state = () => sham.actions.getGame(key);
    await until(async () => (await state()).turn === "challenger");
    await first.stop();
    inspect(
      () => undefined,
      (database) => {
        for (const table of ["games", "checkpoints", "attempts", "intents"]) database.run(`DELETE FROM ${table}`);
        // As if it had died before it noted that the batch was committed.
        database.run("UPDATE batches SET state = 'intent'");
      },
    );
    await scene.chain.increaseTime({ seconds: TURN });
    await scene.chain.mine({ blocks: 1 });
    const second = await serve(actor);
    await until(async () => /Lost|Paid/.test((await state()).phase));
    expect((await actor.actions.getExecutor(actor.address)).convictedAt).toBe(0n);
    await second.stop();
    expect(await committed(actor.address, after)).toHaveLength(1);
    inspect((store) => expect(store.batch(args.root)?.state).toMatch(/committed|done/));
  });

  it.each([1, 17, 64])("commits again, once, what a reorganisation of %i blocks took out", async (depth) => {
    const actor = await scene.executor();
    const after = await getBlockNumber(scene.client, { cacheTime: 0 });
    const daemon = await serve(actor);
    const snapshot = await scene.snapshot();
    const { id } = await until(() => ask(daemon.url));
    await until(async () => (await committed(actor.address, after)).length === 1);
    if (depth > 1) await scene.chain.mine({ blocks: depth - 1 });
    // Long enough for the daemon to see all of them.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await scene.revert(snapshot);
    // The chain that took its place is longer.
    await scene.chain.mine({ blocks: depth });
    const [{ args }] = await until(async () => {
      const found = await committed(actor.address, after);
      return found.length > 0 && found;
    });
    const { bundle } = await fetchReceipt(id, { url: daemon.url! });
    expect(args.root).toBe(batchRoot([bundle.receiptHash]));
    await daemon.stop();
    expect(await committed(actor.address, after)).toHaveLength(1);
    const sent = await crew.sentBy(actor.address, after);
    expect(sent.filter(({ status }) => status !== "success")).toEqual([]);
  });

  it("serves, commits once and answers its game through an endpoint of which a fifth fails", async () => {
    const [actor, sham] = [await scene.executor(), await scene.actor()];
    const after = await getBlockNumber(scene.client, { cacheTime: 0 });
    const proxy = await FlakyProxy.open(scene.anvil.url);
    const uncut = await connect({ url: proxy.url, pollMs: 10, timeoutMs: 2000 });
    proxy.flap(0.2, 3);
    const daemon = await serve(actor, undefined, { uncut, keyPollMs: 50 });
    const { id } = await until(() => ask(daemon.url));
    const { args } = await until(async () => (await committed(actor.address, after))[0]);
    const key = await accuse(sham, daemon.url!, id, args.batchId);
    await until(async () => (await sham.actions.getGame(key)).turn === "challenger");
    proxy.trouble = () => "pass";
    await daemon.stop();
    await proxy.close();
    expect(await committed(actor.address, after)).toHaveLength(1);
    const sent = await crew.sentBy(actor.address, after);
    expect(sent.filter(({ status }) => status !== "success")).toEqual([]);
    expect(new Set(sent.map(({ to, input }) => `${to} ${input}`)).size).toBe(sent.length);
  });

  it("answers its games though no policy lets it serve, and serves once one does", async () => {
    const [actor, sham] = [await scene.executor(), await scene.actor()];
    const after = await getBlockNumber(scene.client, { cacheTime: 0 });
    const first = await serve(actor);
    const { id } = await until(() => ask(first.url));
    const { args } = await until(async () => (await committed(actor.address, after))[0]);
    const key = await accuse(sham, first.url!, id, args.batchId);
    await first.stop();
    await write(root.context, "enclaves", "removePolicy", [scene.model.modelId, SOFTWARE_MEASUREMENT]);
    const second = await serve(actor, undefined, { keyPollMs: 20 });
    await until(async () => (await sham.actions.getGame(key)).turn === "challenger");
    const refused = await fetch(`${second.url}/readyz`);
    expect(await refused.text()).toContain("enclave_key_inactive");
    await acceptSoftware(scene, root);
    // The same request has its answer already; what counts is that a new one would be taken.
    await until(async () => (await fetch(`${second.url}/readyz`)).ok);
    await second.stop();
  });

  it("renews its enclave key while it serves, once, before it expires", async () => {
    const actor = await scene.executor();
    const { enclaves } = scene.deployment.addresses;
    const after = await getBlockNumber(scene.client, { cacheTime: 0 });
    const daemon = await serve(actor, undefined, { keyPollMs: 20 });
    const registered = async () => {
      const logs = await getLogs(scene.client, { address: enclaves, fromBlock: after + 1n });
      return parseEventLogs({ abi: ABIS.enclaves, logs, eventName: "EnclaveRegistered" });
    };
    const [first] = await registered();
    const { enclaveKey, enclave } = first!.args;
    const life = enclave.expiresAt - enclave.registeredAt;
    const pass = async (seconds: number) => {
      await scene.chain.increaseTime({ seconds });
      await scene.chain.mine({ blocks: 1 });
    };
    await pass(Math.floor(life / 2));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await registered()).toHaveLength(1);
    await pass(Math.floor(life / 4));
    await until(async () => (await registered()).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const all = await registered();
    expect(all).toHaveLength(2);
    expect(all[1]!.args.enclaveKey).toBe(enclaveKey);
    expect(all[1]!.args.enclave.registeredAt).toBe(enclave.registeredAt);
    // Beyond the first registration's end it still serves.
    await pass(Math.floor(life / 3));
    const { timestamp } = await getBlock(scene.client);
    expect(Number(timestamp)).toBeGreaterThan(enclave.expiresAt);
    const { modelId } = scene.model;
    const subject = { enclaveKey, executor: actor.address, modelId };
    expect(await actor.actions.isEnclaveActive(subject)).toBe(true);
    expect(await until(() => ask(daemon.url))).toBeDefined();
    // Its operator sees the new end.
    const metrics = daemon.executor!.metrics();
    const [end] = metrics.find(({ name }) => name === "otr_enclave_key_expiry_timestamp_seconds")!.samples;
    expect(end).toEqual({ labels: { key: enclaveKey.toLowerCase() }, value: all[1]!.args.enclave.expiresAt });
    const [ready] = metrics.find(({ name }) => name === "otr_ready")!.samples;
    expect(ready!.value).toBe(1);
    await daemon.stop();
  });
});
