import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DueStore } from "../chain/due-store.ts";
import { SqliteIntentStore } from "../chain/sqlite.ts";
import { batchRoot } from "../commit/batch.ts";
import { type Hex, toHex, word } from "../commit/bytes.ts";
import { Database } from "./database.ts";
import { StoreOpenError, StoreStateError } from "./errors.ts";
import type { SealedAnswer } from "./executor-rows.ts";
import { ExecutorStore } from "./executor-store.ts";
import { watchStatements } from "./testing/query-plans.ts";

const SIGNATURE: Hex = `0x${"5a".repeat(65)}`;
const DOMAIN = { chainId: 1, rollup: SIGNATURE.slice(0, 42) as Hex };
let dir: string;
let now = 1_000_000;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "otr-store-"));
  now = 1_000_000;
});
afterEach(() => rmSync(dir, { recursive: true }));

const path = () => join(dir, "executor.db");
const open = (file = path()) => new ExecutorStore(Database.open(file, ExecutorStore.schema), DOMAIN, () => now);

/** An answer like no other: `n` is in its hashes. */
function answer(n: number, change: Partial<SealedAnswer> = {}): SealedAnswer {
  const hash = (kind: number) => toHex(word(kind * 1_000_000 + n));
  const address: Hex = `0x${"aa".repeat(20)}`;
  return {
    requestHash: hash(1),
    receiptHash: hash(2),
    request: {
      requester: address,
      modelId: hash(3),
      inputRoot: hash(4),
      nIn: 2,
      maxOut: 5,
      stopTokens: [3, 4],
      sampler: 1,
      temperature: 65536,
      seed: hash(5),
      nonce: 2n ** 63n + 5n,
      deadline: 2n ** 40n,
      confidential: false,
      watchers: [address],
    },
    receipt: {
      machineVersion: 1,
      modelId: hash(3),
      executor: address,
      enclaveKey: address,
      seq: BigInt(n),
      commitBy: 2000n,
      expiry: 3000n,
      requestHash: hash(1),
      inputRoot: hash(4),
      nIn: 2,
      outputRoot: hash(6),
      nOut: 2,
      stopReason: 0,
      traceRoot: hash(7),
    },
    inputTokens: [1, 0xfffffffe],
    outputTokens: [7, 3],
    records: [0, 1, 2].map((t) => ({ salt: word(n + t), token: t === 0 ? 0xffffffff : t, cacheRoot: word(t) })),
    ...change,
  };
}

function queue(store: ExecutorStore, ...answers: SealedAnswer[]): void {
  for (const sealed of answers) {
    store.addSealed(sealed);
    store.enqueue(sealed.receiptHash, SIGNATURE, SIGNATURE);
  }
}

describe("ExecutorStore", () => {
  it("gives back what was put in, bit for bit, also after a reopening", () => {
    const sealed = answer(1);
    const store = open();
    queue(store, sealed);
    store.close();
    const again = open();
    expect(again.answerOf(sealed.requestHash)).toEqual({
      ...sealed,
      state: "queued",
      enclaveSignature: SIGNATURE,
      operatorSignature: SIGNATURE,
    });
    again.close();
  });

  it("publishes nothing that lacks a signature", () => {
    const store = open(":memory:");
    const sealed = answer(1);
    store.addSealed(sealed);
    expect(store.bundle(sealed.receiptHash)).toBeUndefined();
    store.attest(sealed.receiptHash, SIGNATURE);
    expect(store.bundle(sealed.receiptHash)).toBeUndefined();
    store.enqueue(sealed.receiptHash, SIGNATURE, SIGNATURE);
    expect(store.bundle(sealed.receiptHash)).toMatchObject({
      domain: DOMAIN,
      inputTokens: sealed.inputTokens,
      outputTokens: sealed.outputTokens,
    });
  });

  it("moves an answer through its states in their order only", () => {
    const store = open(":memory:");
    const sealed = answer(1);
    expect(() => store.attest(sealed.receiptHash, SIGNATURE)).toThrow(StoreStateError);
    expect(() => store.enqueue(sealed.receiptHash, SIGNATURE, SIGNATURE)).toThrow(StoreStateError);
    store.addSealed(sealed);
    store.enqueue(sealed.receiptHash, SIGNATURE, SIGNATURE);
    store.enqueue(sealed.receiptHash, SIGNATURE, SIGNATURE);
    store.attest(sealed.receiptHash, SIGNATURE);
    expect(store.answerOf(sealed.requestHash)?.state).toBe("queued");
    expect(() => store.lose(sealed.receiptHash)).toThrow(StoreStateError);
  });

  it("takes no second receipt for a request, and no seq twice", () => {
    const store = open(":memory:");
    store.addSealed(answer(1));
    expect(() => store.addSealed({ ...answer(2), requestHash: answer(1).requestHash })).toThrow(/UNIQUE/);
    expect(() => store.addSealed({ ...answer(2), receipt: answer(1).receipt })).toThrow(/UNIQUE/);
  });

  it("lets a request be answered again if its answer was lost before it was signed", () => {
    const store = open(":memory:");
    store.addSealed(answer(1));
    expect(store.loseSealed()).toBe(1);
    store.addSealed({ ...answer(2), requestHash: answer(1).requestHash });
    expect(store.answerOf(answer(1).requestHash)?.receiptHash).toBe(answer(2).receiptHash);
  });

  it("puts each receipt in one batch, oldest first, and knows the leaves' order", () => {
    const store = open(":memory:");
    const answers = [1, 2, 3, 4, 5].map((n) => answer(n));
    queue(store, ...answers);
    const first = store.formBatch(3, batchRoot)!;
    const second = store.formBatch(3, batchRoot)!;
    expect([first.count, second.count]).toEqual([3, 2]);
    expect(store.formBatch(3, batchRoot)).toBeUndefined();
    expect(first.root).toBe(batchRoot(answers.slice(0, 3).map(({ receiptHash }) => receiptHash)));
    const bundles = [...store.bundlesOf(first.root, 0, 9), ...store.bundlesOf(second.root, 0, 9)];
    expect(bundles.map(({ receipt }) => receipt.seq)).toEqual([1n, 2n, 3n, 4n, 5n]);
    expect([...store.bundlesOf(first.root, 1, 1)].map(({ receipt }) => receipt.seq)).toEqual([2n]);
  });

  it("counts what will lock stake but does not yet", () => {
    const store = open(":memory:");
    queue(store, answer(1), answer(2));
    expect(store.uncommitted()).toBe(2);
    const { root } = store.formBatch(9, batchRoot)!;
    expect(store.uncommitted()).toBe(2);
    store.moveBatch(root, "intent", "committed", { transactionHash: root });
    expect(store.uncommitted()).toBe(0);
    expect(() => store.moveBatch(root, "intent", "committed")).toThrow(StoreStateError);
  });

  it("gives up receipts past their expiry, but only those", () => {
    const store = open(":memory:");
    const late = answer(2);
    queue(store, answer(1), { ...late, receipt: { ...late.receipt, expiry: 4000n } });
    expect(store.expire(3000n)).toBe(1);
    expect(store.queue().count).toBe(1);
  });

  it("forgets only what is settled and old", () => {
    const store = open(":memory:");
    queue(store, answer(1));
    const { root } = store.formBatch(9, batchRoot)!;
    queue(store, answer(2));
    store.addChat("chatcmpl-1", answer(1).requestHash, { key: "k", bodyHash: answer(1).requestHash });
    expect(store.prune(now + 1)).toBe(0);
    store.moveBatch(root, "intent", "committed");
    store.moveBatch(root, "committed", "done");
    expect(store.prune(now)).toBe(0);
    expect(store.prune(now + 1)).toBe(1);
    expect(store.batch(root)).toBeUndefined();
    expect(store.idempotency("k")).toBeUndefined();
    expect(store.answerOf(answer(2).requestHash)?.state).toBe("queued");
  });

  it("remembers that it answered a forgotten request, until its deadline", () => {
    const store = open(":memory:");
    const soon = answer(2);
    queue(store, answer(1), { ...soon, request: { ...soon.request, deadline: BigInt(Math.floor(now / 1000)) + 9n } });
    store.addSealed(answer(3));
    store.lose(answer(3).receiptHash);
    const far = answer(4);
    queue(store, { ...far, request: { ...far.request, deadline: 2n ** 64n - 1n } });
    const { root } = store.formBatch(9, batchRoot)!;
    store.moveBatch(root, "intent", "committed");
    store.moveBatch(root, "committed", "done");
    expect(store.prune(now + 1)).toBe(4);
    const answered = () => [1, 2, 3, 4].map((n) => store.wasAnswered(answer(n).requestHash));
    expect(answered()).toEqual([true, true, false, true]);
    store.prune(now + 11_000);
    expect(answered()).toEqual([true, false, false, true]);
  });

  it("keeps the secret of a confidential request, and shows it in its bundle only", () => {
    const store = open();
    const secret = toHex(word(99));
    queue(store, answer(1, { secret }), answer(2));
    expect(store.answerOf(answer(1).requestHash)).toMatchObject({ secret });
    expect(store.bundle(answer(1).receiptHash)).toMatchObject({ secret });
    expect(store.answerOf(answer(2).requestHash)).not.toHaveProperty("secret");
  });
});

describe("an executor's database of many months", () => {
  it("is never read from end to end by what is done again and again", () => {
    const statements = watchStatements();
    const database = Database.open(path(), ExecutorStore.schema);
    const store = new ExecutorStore(database, DOMAIN, () => now);
    queue(store, answer(1));
    store.addChat("chatcmpl-1", answer(1).requestHash, { key: "k", bodyHash: answer(1).requestHash });
    store.requestOfChat("chatcmpl-1");
    store.idempotency("k");
    store.wasAnswered(answer(1).requestHash);
    store.hasSigned(answer(1).receiptHash);
    store.bundle(answer(1).receiptHash);
    store.expire(0n);
    const { root } = store.formBatch(9, batchRoot)!;
    store.leaves(root);
    expect([...store.bundlesOf(root, 0, 1)]).toHaveLength(1);
    store.moveBatch(root, "intent", "committed");
    store.batchesIn("committed");
    store.moveBatch(root, "committed", "done");
    store.uncommitted();
    store.loseSealed();
    store.counts();
    expect(store.prune(now + 1)).toBe(1);
    const intents = new SqliteIntentStore(database);
    intents.pending(1, DOMAIN.rollup);
    intents.holding(1, DOMAIN.rollup, 7);
    const dues = new DueStore(database);
    dues.claims();
    dues.due(1n);
    dues.rewind(1n);
    store.close();
    const tables = ["answers", "answered", "batches", "chats", "idempotency", "intents", "attempts", "dues"];
    expect(statements.scans(path(), tables)).toEqual([]);
  });
});

describe("Database", () => {
  it("has one owner at a time", () => {
    const store = open();
    expect(() => open()).toThrow(StoreOpenError);
    store.close();
    open().close();
  });

  it("refuses a file of another program, of a later version, and what is no database", () => {
    open().close();
    const foreign = { ...ExecutorStore.schema, applicationId: 7 };
    expect(() => Database.open(path(), foreign)).toThrow(/application id/);
    const file = new DatabaseSync(path());
    file.exec("PRAGMA user_version = 99");
    file.close();
    expect(() => open()).toThrow(/schema version 99/);
    expect(() => open(dir)).toThrow(StoreOpenError);
  });

  it("undoes a transaction that fails, nested ones included", () => {
    const database = Database.open(":memory:", { applicationId: 1, migrations: ["CREATE TABLE t (x INTEGER) STRICT"] });
    const insert = () => database.run("INSERT INTO t VALUES (1)");
    expect(() =>
      database.transaction(() => {
        insert();
        database.transaction(insert);
        throw new StoreStateError("a test", "failure", "failure");
      }),
    ).toThrow(StoreStateError);
    expect(database.all("SELECT * FROM t")).toEqual([]);
    database.transaction(insert);
    expect(database.all("SELECT * FROM t")).toHaveLength(1);
  });

  it("says that the disk is full when it is, and goes on when it is no more", () => {
    const database = Database.open(path(), { applicationId: 1, migrations: ["CREATE TABLE t (x BLOB) STRICT"] });
    const insert = () => database.transaction(() => database.run("INSERT INTO t VALUES (zeroblob(1000000))"));
    database.get("PRAGMA max_page_count = 20");
    expect(insert).toThrow(/full/);
    database.get("PRAGMA max_page_count = 2000");
    expect(insert()).toBe(1);
    database.close();
  });

  it("applies new migrations to an old file once", () => {
    const first = "CREATE TABLE t (x INTEGER) STRICT";
    Database.open(path(), { applicationId: 1, migrations: [first] }).close();
    const next = { applicationId: 1, migrations: [first, "ALTER TABLE t ADD COLUMN y INTEGER"] };
    Database.open(path(), next).close();
    const database = Database.open(path(), next);
    database.run("INSERT INTO t (x, y) VALUES (1, 2)");
    database.close();
  });
});
