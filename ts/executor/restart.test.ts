import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Hex } from "../commit/bytes.ts";
import type { ExecutorStore } from "../store/executor-store.ts";
import { FakeChain } from "./testing/fake-chain.ts";
import { serveChain } from "./testing/http-chain.ts";
import { openStore, until } from "./testing/setup.ts";

const TEXT = "Hello, wörld!";
const ask = { model: "tiny", messages: [{ role: "user" as const, content: "hi" }], temperature: 0 };
const script = fileURLToPath(new URL("./testing/serve.ts", import.meta.url));

let dir: string;
let chain: FakeChain;
let remote: Awaited<ReturnType<typeof serveChain>>;
const children: ChildProcess[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "otr-restart-"));
  chain = new FakeChain();
  remote = await serveChain(chain);
});

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  await remote.close();
  rmSync(dir, { recursive: true });
});

/** Starts an executor process on the test's database; resolves when it listens. */
async function boot({ delayMs = 1, intervalMs = 20 } = {}) {
  const args = [join(dir, "executor.db"), remote.url, String(delayMs), String(intervalMs)];
  const child = spawn(process.execPath, ["--import", "tsx", script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const url = await new Promise<string>((resolve) => child.stdout.once("data", (data) => resolve(String(data).trim())));
  return { child, client: new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, timeout: 20_000 }) };
}

async function kill(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill(signal);
  return exit;
}

/** Looks into the database of a process that has ended. */
function inspect<T>(look: (store: ExecutorStore) => T): T {
  const store = openStore(join(dir, "executor.db"));
  try {
    return look(store);
  } finally {
    store.close();
  }
}

/** Receipt hashes of everything on the chain, from the batches' own records. */
function committed(store: ExecutorStore): Hex[] {
  return chain.commits.flatMap((root) => {
    const bundles = [...store.bundlesOf(root, 0, 1000)];
    expect(bundles).toHaveLength(chain.batches.get(root)!);
    return bundles.map(({ receiptHash }) => receiptHash);
  });
}

describe("kill -9", () => {
  it("before a batch: the queue is committed by the next process", async () => {
    const first = await boot({ intervalMs: 600_000 });
    await first.client.chat.completions.create(ask);
    await first.client.chat.completions.create(ask);
    await kill(first.child);
    expect(chain.commits).toEqual([]);
    await boot();
    await until(() => chain.commits.length === 1);
    expect([...chain.batches.values()]).toEqual([2]);
  });

  it("while a batch is sent, before it took effect: sent again", async () => {
    const first = await boot();
    const commit = chain.commitBatch.bind(chain);
    const asked: Hex[] = [];
    chain.commitBatch = async (root, count) => {
      asked.push(root);
      if (asked.length > 1) return commit(root, count);
      await kill(first.child);
      return { transactionHash: root };
    };
    await first.client.chat.completions.create(ask);
    await until(() => asked.length === 1);
    await boot();
    await until(() => chain.commits.length === 1);
    expect(asked).toEqual([asked[0], asked[0]]);
  });

  it("after a batch took effect, before its sender knew: found, and not sent again", async () => {
    const first = await boot();
    chain.afterCommit = () => void first.child.kill("SIGKILL");
    await first.client.chat.completions.create(ask);
    await until(() => first.child.signalCode !== null);
    chain.afterCommit = () => {};
    const second = await boot();
    await second.client.chat.completions.create(ask);
    await until(() => chain.commits.length === 2);
    await kill(second.child);
    inspect((store) => {
      const hashes = committed(store);
      expect(new Set(hashes).size).toBe(2);
      expect(store.batch(chain.commits[0])?.state).toMatch(/committed|done/);
    });
  });

  it("at any time: what a client got in full is committed, once", async () => {
    const finished = new Set<string>();
    for (let round = 0; round < 4; round++) {
      const { child, client } = await boot({ delayMs: 1 });
      const killed = new Promise((resolve) => setTimeout(resolve, 60 + 90 * round)).then(() => kill(child));
      const worker = async () => {
        for (;;) {
          try {
            const { id, choices } = await client.chat.completions.create(ask);
            expect(choices[0].message.content).toBe(TEXT);
            finished.add(id);
          } catch (error) {
            if (error instanceof OpenAI.APIConnectionError) return;
            throw error;
          }
        }
      };
      await Promise.all([killed, worker(), worker(), worker()]);
    }
    const { child } = await boot();
    await until(async () => chain.batches.size > 0);
    await kill(child, "SIGTERM");
    inspect((store) => {
      expect(store.queue().count).toBe(0);
      const hashes = committed(store);
      expect(new Set(hashes).size).toBe(hashes.length);
      expect(new Set(chain.commits).size).toBe(chain.commits.length);
      expect(finished.size).toBeGreaterThan(0);
      for (const id of finished) {
        const answer = store.answerOf(store.requestOfChat(id)!)!;
        expect(hashes).toContain(answer.receiptHash);
      }
      expect(store.answersIn("sealed")).toEqual([]);
    });
  });

  it("in the middle of an answer: the same Idempotency-Key gets a whole one afterwards", async () => {
    const first = await boot({ delayMs: 20 });
    const headers = { "Idempotency-Key": "k" };
    const broken = first.client.chat.completions.create({ ...ask, stream: true }, { headers }).then(async (stream) => {
      for await (const { choices } of stream) if (choices[0].delta.content) await kill(first.child);
    });
    await expect(broken).rejects.toThrow();
    const second = await boot();
    const { choices } = await second.client.chat.completions.create(ask, { headers }).catch(async (error) => {
      // The body differs by `stream`: that is another request under the same key, and is told so.
      expect(error).toMatchObject({ status: 422 });
      const whole = await second.client.chat.completions.create({ ...ask, stream: true }, { headers });
      let content = "";
      for await (const chunk of whole) content += chunk.choices[0].delta.content ?? "";
      return { choices: [{ message: { content } }] };
    });
    expect(choices[0].message.content).toBe(TEXT);
  });
});

describe("SIGTERM", () => {
  it("lets answers finish, commits them, and exits with 0", async () => {
    const { child, client } = await boot({ delayMs: 10, intervalMs: 600_000 });
    const answer = client.chat.completions.create(ask);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const code = kill(child, "SIGTERM");
    expect((await answer).choices[0].message.content).toBe(TEXT);
    expect(await code).toBe(0);
    expect([...chain.batches.values()]).toEqual([1]);
  });

  it("cuts answers short at the deadline, and commits what was emitted", async () => {
    const { child, client } = await boot({ delayMs: 400 });
    const answer = client.chat.completions.create(ask);
    const refused = expect(answer).rejects.toMatchObject({ status: 503, code: "answer_cut_short" });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await kill(child, "SIGTERM")).toBe(0);
    await refused;
    inspect((store) => {
      const [hash] = [
        ...chain.commits.flatMap((root) => [...store.bundlesOf(root, 0, 9)]),
        ...store.answersIn("batched"),
      ];
      expect(hash.receipt.stopReason).toBe(2);
    });
  });

  it("leaves everything on disk if the chain is away, for the next process", async () => {
    const first = await boot();
    chain.down = true;
    await first.client.chat.completions.create(ask);
    expect(await kill(first.child, "SIGTERM")).toBe(0);
    expect(chain.commits).toEqual([]);
    chain.down = false;
    await boot();
    await until(() => chain.commits.length === 1);
  });
});
