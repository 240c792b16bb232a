import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { getBlockNumber } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { fitsOneTransaction, promptParts } from "../chain/actions/parts.ts";
import { loadPostedAnswer } from "../chain/posted-answer.ts";
import { SqliteIntentStore } from "../chain/sqlite.ts";
import { silentLogger } from "../config/logger.ts";
import { Crew, until } from "../fisherman/testing/crew.ts";
import { type Actor, Scene } from "../fisherman/testing/scene.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { Database } from "../store/database.ts";
import { ExecutorStore } from "../store/executor-store.ts";
import { DemandResponder } from "./demand-responder.ts";

/** Longer than any part. */
const LONG = 9000;

describe("a demanded prompt that no transaction holds", () => {
  let scene: Scene;
  let folder: string;
  beforeAll(async () => {
    scene = await Scene.open(41_062);
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-parts-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A committed answer to a prompt of so many tokens, and a demand for it. Only the prompt matters here. */
  const demanded = async (executor: Actor, tokens: number) => {
    const prompt = Array.from({ length: tokens }, (_, i) => (i * 7919) % 100_000);
    const asked = scene.ask(scene.model, prompt, 1);
    const record = { salt: new Uint8Array(32), token: 1, cacheRoot: new Uint8Array(32) };
    const item = scene.item(executor.address, asked, [1], [record]);
    const { batchId, root } = await scene.commit(executor, [item], false);
    const demander = await scene.actor();
    const rules = await demander.actions.getRules();
    const { blockNumber } = await demander.actions.demandData({ rules, batchId, index: 0 });
    const key = { availability: rules.availability, batchId, index: 0 };
    const state = async () => (await demander.actions.getDemand(key)).state;
    const answer = () => loadPostedAnswer(demander.context, key, blockNumber);
    const parts = await promptParts(demander.context, { ...key, request: item.request, input: prompt });
    return { item, root, prompt, state, answer, parts: parts.length, after: await getBlockNumber(scene.client) };
  };

  /** The responder on a database file, as one process runs it. @returns How to end that. */
  const respond = async (actor: Actor, database: Database, item: Bundle, root: string) => {
    const responder = new DemandResponder({
      context: actor.context,
      executor: actor.address,
      database,
      log: silentLogger(),
      fromBlock: 0n,
      pollMs: 5,
    });
    await responder.start({
      bundle: (hash) => (hash === item.receiptHash ? item : undefined),
      leaves: (wanted) => (wanted === root ? [item.receiptHash] : undefined),
    });
    return async () => {
      await actor.context.sender.close();
      await responder.stop();
    };
  };

  const registered = async (database: Database, key = generatePrivateKey()) => {
    const actor = await scene.actor(new SqliteIntentStore(database), key);
    await actor.actions.registerExecutor({ endpoint: scene.endpoint, stake: 10n ** 18n });
    return actor;
  };

  it("is posted in parts, of the length that the court names, and read from the chain by whoever demanded it", async () => {
    const database = Database.open(join(folder, "e.sqlite"), ExecutorStore.schema);
    const executor = await registered(database);
    const { item, root, prompt, state, answer, parts, after } = await demanded(executor, LONG);
    expect(parts).toBeGreaterThan(1);
    const stop = await respond(executor, database, item, root);
    await until(async () => (await state()) === "answered");
    await stop();
    database.close();
    expect((await answer())?.input).toEqual(prompt);
    const sent = await new Crew(scene, folder).sentBy(executor.address, after);
    expect(sent.map(({ status }) => status)).toEqual(Array.from({ length: parts + 1 }, () => "success"));
    // Its answer holds none of the prompt again.
    expect(fitsOneTransaction({ data: sent.at(-1)!.input })).toBe(true);
  });

  it("is answered also while the endpoint refuses logs, once the demand is known: its deadline does not wait", async () => {
    const database = Database.open(join(folder, "logs.sqlite"), ExecutorStore.schema);
    const actor = await registered(database);
    const { item, state } = await demanded(actor, 10);
    const options = { executor: actor.address, database, log: silentLogger(), fromBlock: 0n, pollMs: 5 };
    const first = new DemandResponder({ ...options, context: actor.context });
    await first.start({ bundle: () => undefined, leaves: () => undefined });
    await until(() => first.open().length === 1);
    await first.stop();
    // A block that nobody has read yet.
    await scene.chain.mine({ blocks: 1 });
    const { client } = actor.context;
    const request: typeof client.request = async (args) => {
      if (args.method === "eth_getLogs") throw new TypeError("limit exceeded");
      return client.request(args as never);
    };
    const second = new DemandResponder({ ...options, context: { ...actor.context, client: { ...client, request } } });
    await second.start({ bundle: () => item, leaves: () => [item.receiptHash] });
    await until(async () => (await state()) === "answered");
    await actor.context.sender.close();
    await second.stop();
    database.close();
  });

  it("survives a crash between any two parts: each is posted once", async () => {
    const key = generatePrivateKey();
    const path = join(folder, "crash.sqlite");
    let database = Database.open(path, ExecutorStore.schema);
    const { item, root, prompt, state, answer, parts, after } = await demanded(await registered(database, key), LONG);
    database.close();
    let lives = 0;
    for (; (await state()) !== "answered"; lives++) {
      database = Database.open(path, ExecutorStore.schema);
      const actor = await scene.actor(new SqliteIntentStore(database), key);
      const stop = await respond(actor, database, item, root);
      await new Promise((resolve) => setTimeout(resolve, 80 * lives));
      await stop();
      database.close();
    }
    expect(lives).toBeGreaterThan(2);
    expect((await answer())?.input).toEqual(prompt);
    expect(await new Crew(scene, folder).sentBy(privateKeyToAddress(key), after)).toHaveLength(parts + 1);
  });

  it("is one transaction as long as nodes take it", async () => {
    const database = Database.open(join(folder, "short.sqlite"), ExecutorStore.schema);
    const actor = await registered(database);
    const { item, root, prompt, state, answer, after } = await demanded(actor, 2500);
    const stop = await respond(actor, database, item, root);
    await until(async () => (await state()) === "answered");
    await stop();
    database.close();
    expect((await answer())?.input).toEqual(prompt);
    expect(await new Crew(scene, folder).sentBy(actor.address, after)).toHaveLength(1);
  });
});
