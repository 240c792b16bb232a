import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { bitFlip } from "../adversary/lie.ts";
import { lyingEngine } from "../adversary/lying-engine.ts";
import { silentLogger } from "../config/logger.ts";
import { openEngine } from "../engine/backends.ts";
import { referenceEngine } from "../engine/reference.ts";
import type { Engine } from "../engine/types.ts";
import type { LoadedModel } from "../model/load.ts";
import { CrossCheck } from "./cross-check.ts";
import { FakeChain } from "./testing/fake-chain.ts";
import { randomModel } from "./testing/random-model.ts";
import { openStore, testExecutor, until } from "./testing/setup.ts";

let dir: string;
let model: LoadedModel;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "otr-cross-check-"));
  model = await randomModel(dir);
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => rm(dir, { recursive: true }));

/** An executor that serves with one engine and checks with another. */
async function serve(engine: Engine, checker: Engine, share: number) {
  const store = openStore();
  const crossCheck = new CrossCheck({
    store,
    engines: new Map([[model.modelId, checker]]),
    share,
    log: silentLogger(),
  });
  const chain = new FakeChain();
  const test = testExecutor({ model, engine, store, chain, crossCheck });
  const url = await test.executor.start({ host: "127.0.0.1", port: 0 });
  stops.push(() => test.executor.stop(1000));
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const ask = (content: string) =>
    client.chat.completions.create({
      model: "random",
      messages: [{ role: "user", content }],
      temperature: 0,
      max_tokens: 6,
    });
  return { ...test, chain, store, crossCheck, ask };
}

const honest = () => referenceEngine(model.program, model.weights);
/** Wrong in one bit of a cached row, which changes no token. */
const broken = () => {
  const row = model.program.instructions.findIndex(({ role }) => role === 1);
  return lyingEngine(model.program, model.weights, bitFlip(2, row, 3, false));
};

describe("cross-check", () => {
  it("commits what two backends agree about", async () => {
    const wasm = await openEngine(model.program, model.weights, { backend: "wasm", threads: 1 });
    const { ask, store, crossCheck, executor } = await serve(wasm, honest(), 1);
    for (const content of ["one", "two", "three"]) await ask(content);
    await until(() => store.counts().answers.batched === 3);
    expect(crossCheck.checked).toBe(3);
    expect(executor.metrics().find(({ name }) => name === "otr_cross_checks_total")?.samples).toEqual([{ value: 3 }]);
  });

  it("never commits what they disagree about, and takes no new requests for that model", async () => {
    const { ask, store, executor, chain } = await serve(broken(), honest(), 1);
    await ask("one");
    await until(() => store.counts().answers.quarantined === 1);
    await expect(ask("two")).rejects.toThrow(/another backend/);
    expect(executor.readiness().some(({ problem }) => problem?.startsWith("quarantined"))).toBe(true);
    await executor.stop(1000);
    stops.pop();
    expect(chain.batches.size).toBe(0);
  });

  it("commits in time what the other backend fails to compute", async () => {
    const failing: Engine = { ...honest(), replay: () => Promise.reject(new Error("out of memory")) };
    const { ask, store, crossCheck } = await serve(honest(), failing, 1);
    await ask("one");
    await until(() => store.counts().answers.batched === 1);
    expect(crossCheck.distrusts(model.modelId)).toBe(false);
  });

  it("checks nothing beyond the share that is asked for", async () => {
    const { ask, store, crossCheck } = await serve(honest(), honest(), 0);
    for (const content of ["one", "two"]) await ask(content);
    await until(() => store.counts().answers.batched === 2);
    expect(crossCheck.checked).toBe(0);
  });
});
