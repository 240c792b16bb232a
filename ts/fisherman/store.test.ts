import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, custom } from "viem";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { chainOf } from "../chain/client.ts";
import { DueStore } from "../chain/due-store.ts";
import { SqliteIntentStore } from "../chain/sqlite.ts";
import { silentLogger } from "../config/logger.ts";
import { configSchema } from "../config/schema.ts";
import { watchStatements } from "../store/testing/query-plans.ts";
import { CaseStore } from "./case-store.ts";
import { Demands } from "./demands.ts";
import { FishermanStore, openFishermanDatabase } from "./store.ts";
import { wordOf } from "./testing/scene-model.ts";

const EXECUTOR = `0x${"aa".repeat(20)}` as const;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "otr-fisherman-store-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("a fisherman's database of many months", () => {
  it("is never read from end to end by what is done again and again", () => {
    const statements = watchStatements();
    const path = join(dir, "fisherman.sqlite");
    const database = openFishermanDatabase(path);
    const [store, cases, dues] = [new FishermanStore(database), new CaseStore(database), new DueStore(database)];
    store.addBatch({ id: 1n, executor: EXECUTOR, root: wordOf(9), count: 1, block: 10n });
    store.saveVerdict({
      ...{ receiptHash: wordOf(1), batchId: 1n, index: 0, verdict: "valid", fault: undefined, reason: undefined },
      ...{ dispute: "none", gameId: undefined, disputeReason: undefined },
    });
    store.nextBatch(1);
    store.withheld();
    store.verdict(wordOf(1));
    store.verdict(wordOf(1), 1n);
    store.verdictAt(1n, 0);
    store.verdicts(1n);
    store.disputes("wanted");
    store.counts();
    store.pruneEvidence(1);
    cases.receipt(wordOf(1));
    cases.demands("open");
    dues.claims();
    dues.due(1n);
    dues.rewind(1n);
    new SqliteIntentStore(database).holding(1, EXECUTOR, 7);
    cases.rewind(5n);
    store.rewind(5n);
    store.close();
    const tables = ["batches", "verdicts", "receipts", "r", "b", "intents", "attempts", "dues"];
    expect(statements.scans(path, tables)).toEqual([]);
  });
});

describe("batches whose data was asked for in vain", () => {
  it("are no longer withheld once nobody can ask any more", () => {
    const database = openFishermanDatabase(":memory:");
    const store = new FishermanStore(database);
    for (const id of [1n, 2n])
      store.addBatch({ id, executor: EXECUTOR, root: wordOf(Number(id)), count: 1, block: 10n });
    store.checkFailed(1n, "unavailable", "no response", 5000);
    store.checkFailed(2n, "unavailable", "the window has closed", undefined);
    expect(store.withheld().map(({ id }) => id)).toEqual([1n]);
    store.close();
  });
});

describe("demands on batches of an executor that is gone", () => {
  it("ask the chain about each batch once in ten minutes, not in every round", async () => {
    const database = openFishermanDatabase(":memory:");
    const [store, cases, dues] = [new FishermanStore(database), new CaseStore(database), new DueStore(database)];
    for (const id of [1n, 2n, 3n]) {
      store.addBatch({ id, executor: EXECUTOR, root: wordOf(Number(id)), count: 1, block: 10n });
      store.checkFailed(id, "unavailable", "no response", 5000);
    }
    let [asked, now] = [0, 1000];
    // No such batch, says the chain: all its fields are zero.
    const request = async () => {
      asked++;
      return `0x${"00".repeat(32 * 32)}`;
    };
    const client = createClient({ chain: chainOf(1, "http://x"), transport: custom({ request }) });
    const demands = new Demands({
      context: { client, addresses: { rollup: EXECUTOR }, sender: { address: EXECUTOR } } as never,
      ...{ store, cases, dues, log: silentLogger(), settings: configSchema.parse({}).fisherman },
      clock: { now: () => now, sleep: async () => undefined },
      judge: async () => undefined,
      onConvicted: () => undefined,
    });
    for (let round = 0; round < 5; round++) await demands.tick();
    expect(asked).toBe(3);
    now += 600_000;
    await demands.tick();
    expect(asked).toBe(6);
    database.close();
  });
});
