import { mkdtempSync, rmSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { batchRoot } from "../commit/batch.ts";
import { fetchReceipt } from "../sdk/fetch-bundles.ts";
import { DatabaseOutdatedError } from "./errors.ts";
import type { Executor } from "./executor.ts";
import { FakeChain } from "./testing/fake-chain.ts";
import { type TestExecutorOptions, testExecutor, until } from "./testing/setup.ts";

describe("an executor whose database is older than what it signed", () => {
  let folder: string;
  let chain: FakeChain;
  const running: Executor[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-history-"));
    chain = new FakeChain();
  });
  afterEach(async () => {
    for (const executor of running.splice(0)) await executor.stop(1000);
    rmSync(folder, { recursive: true });
  });

  const path = (name: string) => join(folder, name);
  const boot = async (name: string, options: TestExecutorOptions = {}) => {
    const test = testExecutor({ chain, path: path(name), ...options });
    running.push(test.executor);
    const url = await test.executor.start({ host: "127.0.0.1", port: 0 }).catch(async (error: unknown) => {
      await end(test);
      throw error;
    });
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
    const ask = (text: string) =>
      client.chat.completions.create({ model: "tiny", messages: [{ role: "user", content: text }], seed: 7 });
    return { ...test, url, ask };
  };
  const end = async ({ executor }: { executor: Executor }) => {
    running.splice(running.indexOf(executor), 1);
    await executor.stop(1000);
  };

  /** A database after one batch, and an older copy of it, both closed. */
  const restored = async () => {
    const first = await boot("now.sqlite");
    await end(first);
    await copyFile(path("now.sqlite"), path("old.sqlite"));
    const second = await boot("now.sqlite");
    await second.ask("one");
    await until(() => second.store.batchesIn("done").length === 1);
    await end(second);
  };

  it("does not start, and says what to do", async () => {
    await restored();
    const refusal = await boot("old.sqlite").catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(DatabaseOutdatedError);
    expect(String(refusal)).toMatch(/Restore the newest copy.*executor exit.*acceptUnknownBatches/s);
    // The newest copy starts.
    await boot("now.sqlite");
  });

  it("takes no requests, once the chain answers that was away at its start", async () => {
    await restored();
    chain.down = true;
    const { ask, executor } = await boot("old.sqlite");
    await expect(ask("one")).rejects.toMatchObject({ status: 503, code: "chain_unreachable" });
    chain.down = false;
    await until(() => executor.readiness().some(({ problem }) => problem?.startsWith("database_outdated")));
    await expect(ask("one")).rejects.toMatchObject({ status: 503, code: "database_outdated" });
  });

  it("starts if its operator says so", async () => {
    await restored();
    const { ask } = await boot("old.sqlite", { acceptUnknownBatches: true });
    await ask("two");
  });

  it("is not one that has forgotten what it may, or whose receipt somebody committed by itself", async () => {
    await restored();
    chain.times.set(1n, BigInt(Math.floor(Date.now() / 1000)) - 3n * 24n * 3600n);
    await end(await boot("old.sqlite", { retentionMs: 24 * 3600 * 1000 }));
    const first = await boot("now.sqlite", { batches: { intervalMs: 3_600_000 } });
    const { id } = await first.ask("three");
    // Two of a batch, so that its root is not that of one alone.
    await first.ask("four");
    const { bundle } = await fetchReceipt(id, { url: first.url });
    await end(first);
    const root = batchRoot([bundle.receiptHash]);
    expect(chain.batches.has(root)).toBe(false);
    chain.batches.set(root, 1);
    await expect(boot("now.sqlite")).rejects.toBeInstanceOf(DatabaseOutdatedError);
    chain.singles.set(root, { single: bundle.receiptHash });
    await boot("now.sqlite");
  });
});
