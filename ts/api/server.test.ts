import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../chain/time.ts";
import { silentLogger } from "../config/logger.ts";
import type { Chat } from "../executor/answerer.ts";
import type { Order } from "../executor/receipts.ts";
import { random, TEST_DOMAIN, TEST_MODEL, until } from "../executor/testing/setup.ts";
import { chatParameters, parseChatBody } from "../sdk/chat-parameters.ts";
import type { ApiBackend } from "./backend.ts";
import { unsignedOrder } from "./order.ts";
import { createApiServer } from "./server.ts";

const HEARTBEAT_MS = 25;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server before a backend that makes answers without end. */
async function serve(changes: Partial<ApiBackend> = {}) {
  const begun: Order[] = [];
  let left = 0;
  const token = TEST_MODEL.tokenizer.encode("x")[0];
  async function* steps(): ReturnType<Chat["steps"]> {
    for (;;) {
      if (left > 0) throw new TypeError("nobody reads");
      yield { token, cacheRoots: [] };
      await new Promise(setImmediate);
    }
  }
  const backend: ApiBackend = {
    domain: TEST_DOMAIN,
    executor: TEST_DOMAIN.rollup,
    models: [{ ...TEST_MODEL, enclaveKey: TEST_DOMAIN.rollup, enclavePublicKey: `0x${"00".repeat(64)}` }],
    begin: (order) => {
      begun.push(order);
      return { chatId: "chatcmpl-1", order, steps, leave: () => left++ };
    },
    resume: () => undefined,
    isSpent: () => false,
    receiptOf: () => ({ state: "unknown" }),
    batch: () => undefined,
    signExchange: async () => undefined,
    exchangeOf: () => undefined,
    readiness: () => [],
    ...changes,
  };
  const log = silentLogger();
  const app = createApiServer({ backend, clock: systemClock, random, log, heartbeatMs: HEARTBEAT_MS });
  await app.listen({ host: "127.0.0.1", port: 0 });
  closers.push(() => app.close());
  const { port } = app.server.address() as { port: number };
  return { app, port, begun, left: () => left };
}

/** Sends a chat request over a socket of its own. */
function ask(port: number, body: object) {
  const text = JSON.stringify({ model: "tiny", messages: [{ role: "user", content: "hi" }], ...body });
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  const head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  socket.write(`${head}Content-Length: ${text.length}\r\n\r\n${text}`);
  closers.push(async () => socket.destroy());
  return socket;
}

describe("the HTTP server", () => {
  it("gives up a client that takes nothing of its answer", async () => {
    const { port, left } = await serve();
    ask(port, { stream: true }).pause();
    await until(() => left() > 0, 20_000);
  });

  it("gives up nobody who waits for an answer that takes its time", async () => {
    const slow = async function* (): ReturnType<Chat["steps"]> {
      await new Promise((resolve) => setTimeout(resolve, 20 * HEARTBEAT_MS));
      return { receiptHash: `0x${"00".repeat(32)}`, stopReason: 1 };
    };
    const begin: ApiBackend["begin"] = (order) => ({ chatId: "c", order, steps: slow, leave: () => undefined });
    const { port } = await serve({ begin });
    let text = "";
    const socket = ask(port, {});
    socket.on("data", (part) => {
      text += part;
    });
    await until(() => text.includes("chat.completion"), 5000);
  });

  it("does not go one by one through the answers that a seeded request's clients left unfinished", async () => {
    const body = { model: "tiny", messages: [{ role: "user" as const, content: "hi" }], seed: 1 };
    const parameters = chatParameters(TEST_MODEL, parseChatBody(body));
    const context = { domain: TEST_DOMAIN, random, defaultMaxOut: 1024, now: 0n };
    const hashOf = (nonce: number) => unsignedOrder(TEST_MODEL, parameters, BigInt(nonce), context).requestHash;
    for (const count of [0, 1, 2, 300]) {
      const spent = new Set(Array.from({ length: count }, (_, nonce) => hashOf(nonce)));
      let asked = 0;
      const { port, begun } = await serve({ isSpent: (requestHash) => ++asked > 0 && spent.has(requestHash) });
      ask(port, { seed: 1, stream: true });
      await until(() => begun.length === 1);
      expect(begun[0].request.nonce).toBe(BigInt(count));
      expect(asked).toBeLessThan(25);
    }
  });
});
