import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePrivateKey } from "viem/accounts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { SqliteIntentStore } from "../chain/sqlite.ts";
import { silentLogger } from "../config/logger.ts";
import { configSchema } from "../config/schema.ts";
import { Fisherman } from "./fisherman.ts";
import { openFishermanDatabase } from "./store.ts";
import { Scene } from "./testing/scene.ts";

const DEFAULTS = configSchema.parse({});

describe("one-shot frauds", () => {
  let scene: Scene;
  let folder: string;
  const stops: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    scene = await Scene.open(41_011);
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-frauds-"));
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
    rmSync(folder, { recursive: true });
  });

  const fish = async (name = "f.sqlite", key = generatePrivateKey()) => {
    const database = openFishermanDatabase(join(folder, name));
    const actor = await scene.actor(new SqliteIntentStore(database), key);
    const { model, engine } = scene;
    const playable = { engine, disputed: model, contextLength: model.program.contextLength };
    const fisherman = new Fisherman({
      context: actor.context,
      models: async (id) => (id === model.modelId ? playable : undefined),
      database,
      settings: { ...DEFAULTS.fisherman, retrySeconds: 1, downloadAttempts: 2, demandAfterSeconds: 0 },
      collector: { ...DEFAULTS.collector, everySeconds: 0.02 },
      log: silentLogger(),
      fromBlock: 0n,
      pollMs: 20,
    });
    const abort = new AbortController();
    const done = fisherman.run(abort.signal);
    const stop = async () => {
      abort.abort();
      await actor.context.sender.close();
      await done;
      database.close();
    };
    stops.push(stop);
    return { fisherman, actor, stop };
  };

  it("convicts a wrong field", async () => {
    const executor = await scene.executor();
    const item = await scene.answer(executor.address, [1, 2], 2, { stopReason: 0 });
    const { batchId } = await scene.commit(executor, [item]);
    const { fisherman, actor } = await fish();
    for (;;) {
      const verdict = fisherman.store.verdict(item.receiptHash);
      console.log(verdict);
      if (verdict?.dispute === "done" || verdict?.dispute === "given-up") break;
      await new Promise((resolve) => setTimeout(resolve, 500));
      await scene.chain.mine({ blocks: 1, interval: 1 });
    }
    console.log(await actor.actions.getConviction(executor.address), batchId);
  });
});
