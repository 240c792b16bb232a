import OpenAI from "openai";
import { privateKeyToAccount } from "viem/accounts";
import { afterEach, describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { STOP_REASON } from "../commit/typed-data.ts";
import { FakeChain } from "../executor/testing/fake-chain.ts";
import { FakeEngine } from "../executor/testing/fake-engine.ts";
import {
  OPERATOR_KEY,
  random,
  scriptOf,
  TEST_DOMAIN,
  TEST_MODEL,
  testExecutor,
  until,
} from "../executor/testing/setup.ts";
import { adoptRequest } from "../sdk/adopt-request.ts";
import { fetchReceipt } from "../sdk/fetch-bundles.ts";
import { prepareRequest } from "../sdk/prepare-request.ts";

const TEXT = "Hello, wörld!";
const messages = [{ role: "user" as const, content: "hi" }];
const ask = { model: "tiny", messages, temperature: 0 };

type TestOptions = NonNullable<Parameters<typeof testExecutor>[0]>;
const running: { stop(deadlineMs: number): Promise<void> }[] = [];

/** A started executor and an unmodified client of it. */
async function serve(options: TestOptions = {}) {
  const test = testExecutor(options);
  running.push(test.executor);
  const url = await test.executor.start({ host: "127.0.0.1", port: 0 });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-test" });
  return { ...test, url, client, engine: test.engine as FakeEngine };
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((executor) => executor.stop(1000)));
});

describe("an unmodified openai client", () => {
  it("gets a completion with every field", async () => {
    const { client, url } = await serve();
    const { data, response, request_id } = await client.chat.completions.create(ask).withResponse();
    expect(data).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "tiny",
      system_fingerprint: "otr_abababababababab",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: TEXT, refusal: null },
          finish_reason: "stop",
          logprobs: null,
        },
      ],
      usage: { prompt_tokens: 5, completion_tokens: 15, total_tokens: 20 },
    });
    expect(request_id).toMatch(/^req_/);
    expect(response.headers.get("x-otr-receipt")).toBe(`/v1/otr/receipt/${data.id}`);
    const { bundle } = await fetchReceipt(response.headers.get("x-otr-receipt")!, { url });
    expect(bundle.receipt.stopReason).toBe(STOP_REASON.stop);
    expect(TEST_MODEL.tokenizer.applyChatTemplate(messages)).toEqual(bundle.inputTokens);
  });

  it("streams chunks that join to the text, with usage last", async () => {
    const { client } = await serve();
    const stream = await client.chat.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1);
    expect(chunks.every(({ object }) => object === "chat.completion.chunk")).toBe(true);
    expect(chunks[0].choices[0].delta.role).toBe("assistant");
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(TEXT);
    expect(chunks.at(-2)!.choices[0].finish_reason).toBe("stop");
    expect(chunks.slice(0, -2).every(({ choices }) => choices[0].finish_reason === null)).toBe(true);
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 15 } });
  });

  it("gets half a character never, and what is no UTF-8 as U+FFFD", async () => {
    const euro = TEST_MODEL.tokenizer.encode("€");
    expect(euro).toHaveLength(3);
    const { client } = await serve({ engine: new FakeEngine({ script: [...euro, ...euro.slice(0, 2), 3] }) });
    const deltas: string[] = [];
    for await (const { choices } of await client.chat.completions.create({ ...ask, stream: true }))
      deltas.push(choices[0].delta.content ?? "");
    expect(deltas.filter((text) => text !== "")).toEqual(["€", "\ufffd"]);
    const whole = await client.chat.completions.create(ask);
    expect(whole.choices[0].message.content).toBe("€\ufffd");
  });

  it("stops at max_tokens and max_completion_tokens with reason length", async () => {
    const { client } = await serve();
    for (const limit of [{ max_tokens: 4 }, { max_completion_tokens: 4 }]) {
      const { choices, usage } = await client.chat.completions.create({ ...ask, ...limit });
      expect(choices[0]).toMatchObject({ message: { content: "Hell" }, finish_reason: "length" });
      expect(usage!.completion_tokens).toBe(4);
    }
  });

  it("uses the streaming helper of the client", async () => {
    const { client } = await serve();
    const runner = client.chat.completions.stream(ask);
    expect(await runner.finalContent()).toBe(TEXT);
  });

  it("lists and retrieves models by name and by modelId", async () => {
    const { client } = await serve();
    const cards = await client.models.list();
    expect(cards.data).toEqual([
      { id: "tiny", object: "model", created: expect.any(Number), owned_by: expect.stringMatching(/^0x/) },
    ]);
    expect((await client.models.retrieve("tiny")).id).toBe("tiny");
    expect((await client.models.retrieve(TEST_MODEL.modelId)).id).toBe("tiny");
    await expect(client.models.retrieve("gpt-5")).rejects.toThrow(OpenAI.NotFoundError);
  });

  it("maps temperature to 16.16 fixed point and seed to 32 bytes; the default is 1", async () => {
    const { client, url } = await serve();
    const requestOf = async (extra: { temperature?: number; seed?: number }) => {
      const { id } = await client.chat.completions.create({ model: "tiny", messages, ...extra });
      return (await fetchReceipt(id, { url })).bundle.request;
    };
    expect(await requestOf({ temperature: 0 })).toMatchObject({ sampler: 0, temperature: 0 });
    expect(await requestOf({})).toMatchObject({ sampler: 1, temperature: 65536 });
    expect(await requestOf({ temperature: 0.7 })).toMatchObject({ sampler: 1, temperature: 45875 });
    expect((await requestOf({ seed: 7 })).seed).toBe(`0x${"0".repeat(63)}7`);
    expect((await requestOf({ seed: -1 })).seed).toBe(`0x${"f".repeat(64)}`);
    expect((await requestOf({})).seed).not.toBe((await requestOf({})).seed);
  });

  it("ends at a stop string of one token, and refuses others", async () => {
    const { client, url } = await serve();
    const { choices, id } = await client.chat.completions.create({ ...ask, stop: "w" });
    expect(choices[0]).toMatchObject({ message: { content: "Hello, " }, finish_reason: "stop" });
    const { request } = (await fetchReceipt(id, { url })).bundle;
    expect(request.stopTokens).toEqual([3, ...TEST_MODEL.tokenizer.encode("w")]);
    await expect(client.chat.completions.create({ ...ask, stop: ["Hello"] })).rejects.toMatchObject({
      status: 400,
      param: "stop",
    });
  });
});

describe("errors", () => {
  const refused: [string, object][] = [
    ["top_p", { top_p: 0.9 }],
    ["n", { n: 2 }],
    ["logprobs", { logprobs: true }],
    ["top_logprobs", { top_logprobs: 2 }],
    ["tools", { tools: [{ type: "function", function: { name: "f" } }] }],
    ["tool_choice", { tool_choice: "auto" }],
    ["response_format.type", { response_format: { type: "json_object" } }],
    ["presence_penalty", { presence_penalty: 0.5 }],
    ["frequency_penalty", { frequency_penalty: 0.5 }],
    ["logit_bias", { logit_bias: { 5: 10 } }],
    ["top_k", { top_k: 40 }],
    ["min_p", { min_p: 0.1 }],
    ["temperature", { temperature: 3 }],
    ["max_tokens", { max_tokens: 0 }],
    ["messages", { messages: [] }],
    ["messages[0].role", { messages: [{ role: "tool", content: "x", tool_call_id: "1" }] }],
    ["messages[0].content[0].type", { messages: [{ role: "user", content: [{ type: "image_url" }] }] }],
    ["stream_options", { stream_options: { include_usage: true } }],
  ];

  it.each(refused)("refuses %s with 400 and the parameter's name", async (param, extra) => {
    const { client, engine } = await serve();
    const error = await client.chat.completions.create({ ...ask, ...extra } as typeof ask).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ param, type: "invalid_request_error", requestID: expect.stringMatching(/^req_/) });
    expect(engine.made).toBe(0);
  });

  it("takes neutral values of what it does not support", async () => {
    const { client } = await serve();
    const neutral = { n: 1, top_p: 1, presence_penalty: 0, frequency_penalty: 0, logprobs: false, stop: null };
    const labels = { user: "u", metadata: { a: "b" }, response_format: { type: "text" as const }, logit_bias: {} };
    const { choices } = await client.chat.completions.create({ ...ask, ...neutral, ...labels });
    expect(choices[0].message.content).toBe(TEXT);
  });

  it("knows no other model, no other route, and says so cleanly", async () => {
    const { client, url } = await serve();
    await expect(client.chat.completions.create({ ...ask, model: "gpt-5" })).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
      param: "model",
    });
    await expect(client.responses.create({ model: "tiny", input: "hi" })).rejects.toMatchObject({
      status: 404,
      code: "unknown_url",
    });
    await expect(client.embeddings.create({ model: "tiny", input: "hi" })).rejects.toThrow(OpenAI.NotFoundError);
    const response = await fetch(`${url}/v1/chat/completions`);
    expect(response.status).toBe(404);
  });

  it("refuses what does not fit the context, too large bodies, and malformed JSON", async () => {
    const { client, url } = await serve({ http: { bodyLimit: 5000 } });
    await expect(client.chat.completions.create({ ...ask, max_tokens: 508 })).rejects.toMatchObject({
      status: 400,
      code: "context_length_exceeded",
      param: "messages",
    });
    const long = [{ role: "user" as const, content: "x".repeat(6000) }];
    await expect(client.chat.completions.create({ ...ask, messages: long })).rejects.toMatchObject({ status: 413 });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body: "{" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  });

  it("does not tokenize what no model here can read", async () => {
    const { client } = await serve();
    const long = [{ role: "user" as const, content: "x".repeat(200_000) }];
    await expect(client.chat.completions.create({ ...ask, messages: long })).rejects.toMatchObject({ status: 413 });
    const fits = [{ role: "user" as const, content: "x".repeat(60_000) }];
    await expect(client.chat.completions.create({ ...ask, messages: fits })).rejects.toMatchObject({
      status: 400,
      code: "context_length_exceeded",
    });
  });

  it("refuses prompts above the limit of the court for demands before anything is computed, unless confidential", async () => {
    const chain = new FakeChain();
    chain.standingNow = { ...chain.standingNow, promptLimit: 4 };
    const { client, engine } = await serve({ chain });
    await expect(client.chat.completions.create(ask)).rejects.toMatchObject({
      status: 400,
      type: "invalid_request_error",
      code: "prompt_too_long",
      param: "messages",
      message: expect.stringContaining("Tokens: 5, at most 4"),
    });
    expect(engine).toMatchObject({ made: 0, open: 0 });
    const hidden = await prepareRequest({
      model: TEST_MODEL,
      domain: TEST_DOMAIN,
      body: { messages, temperature: 0 },
      seed: toHex(random(32)),
      deadline: BigInt(Math.floor(Date.now() / 1000)) + 600n,
      confidential: true,
      account: privateKeyToAccount(OPERATOR_KEY),
    });
    const answer = await client.chat.completions.create(ask, { headers: hidden.headers });
    expect(answer.choices[0].message.content).toBe(TEXT);
  });

  it("fails a request whose engine fails, and the client retries", async () => {
    const { client, engine } = await serve();
    engine.options.failAt = 2;
    const once = client.chat.completions.create(ask, { maxRetries: 0 });
    await expect(once).rejects.toMatchObject({ status: 500, code: "internal_error" });
    const retried = client.chat.completions.create(ask);
    await until(() => engine.made >= 4);
    delete engine.options.failAt;
    expect((await retried).choices[0].message.content).toBe(TEXT);
    expect(engine.open).toBe(0);
  });

  it("tells of a failure in a running stream, on which the client throws", async () => {
    const { client, engine } = await serve();
    engine.options.failAt = 3;
    let text = "";
    const read = async () => {
      for await (const { choices } of await client.chat.completions.create({ ...ask, stream: true }))
        text += choices[0].delta.content ?? "";
    };
    await expect(read()).rejects.toThrow(OpenAI.APIError);
    expect(text).toBe("Hel");
  });

  it("answers 429 when full, and the client's retry succeeds", async () => {
    const engine = new FakeEngine({ script: scriptOf(TEXT), delayMs: 20 });
    const { client } = await serve({ engine, limits: { maxRunning: 1, maxWaiting: 0 } });
    const first = client.chat.completions.create(ask);
    await until(() => engine.open === 1);
    const full = client.chat.completions.create(ask, { maxRetries: 0 });
    await expect(full).rejects.toMatchObject({ status: 429, code: "overloaded" });
    const second = client.chat.completions.create(ask);
    expect((await first).choices[0].message.content).toBe(TEXT);
    expect((await second).choices[0].message.content).toBe(TEXT);
  });

  it("keeps no place for clients that have gone before their turn, who may ask the same again", async () => {
    const engine = new FakeEngine({ script: scriptOf(TEXT), delayMs: 20 });
    const { client, executor } = await serve({ engine, limits: { maxRunning: 1, maxWaiting: 1 } });
    const first = client.chat.completions.create(ask, { maxRetries: 0 });
    await until(() => engine.open === 1);
    const gone = new AbortController();
    const seeded = { ...ask, seed: 1 };
    const second = client.chat.completions.create(seeded, { maxRetries: 0, signal: gone.signal });
    const waiting = () => executor.metrics().find(({ name }) => name === "otr_answers_running")!.samples[0].value;
    await until(() => waiting() === 2);
    gone.abort();
    await expect(second).rejects.toThrow(OpenAI.APIUserAbortError);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const third = await client.chat.completions.create(seeded, { maxRetries: 0 });
    expect(third.choices[0].message.content).toBe(TEXT);
    expect((await first).choices[0].message.content).toBe(TEXT);
  });

  it("asks for a key if there are keys, but not for receipts", async () => {
    const { client, url } = await serve({ http: { apiKeys: ["sk-other", "sk-test"] } });
    expect((await client.chat.completions.create(ask)).choices[0].message.content).toBe(TEXT);
    const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-wrong" });
    await expect(stranger.chat.completions.create(ask)).rejects.toThrow(OpenAI.AuthenticationError);
    // The router reads escapes, so whoever guards it must too.
    for (const path of ["/v1/models", "/%76%31/models", "/v%31/models"])
      expect((await fetch(url + path)).status).toBe(401);
    expect((await fetch(`${url}/.well-known/otr.json`)).status).toBe(200);
  });

  it("takes no work without standing on the chain, and says why", async () => {
    const chain = new FakeChain();
    const { client, url } = await serve({ chain });
    const refusals: [object, string, boolean][] = [
      [{ suspended: true }, "executor_suspended", false],
      [{ exiting: true }, "executor_exiting", false],
      [{ keyActive: false }, "enclave_key_inactive", true],
      // One receipt's lock beside the reserve is not there.
      [{ freeStake: 10n ** 15n + 10n ** 16n - 1n }, "insufficient_stake", true],
    ];
    const good = chain.standingNow;
    for (const [change, code, retry] of refusals) {
      chain.standingNow = { ...good, ...change };
      await until(async () => (await fetch(`${url}/readyz`)).status === 503);
      const error = await client.chat.completions.create(ask, { maxRetries: 0 }).catch((e: unknown) => e);
      expect(error).toMatchObject({ status: 503, code });
      if (code === "insufficient_stake") expect((error as Error).message).toContain("less the reserve");
      expect((error as InstanceType<typeof OpenAI.APIError>).headers!.get("x-should-retry")).toBe(String(retry));
      chain.standingNow = good;
      await until(async () => (await fetch(`${url}/readyz`)).status === 200);
    }
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });
});

describe("clients that go away", () => {
  it("cancels when a stream is left, and commits what was emitted", async () => {
    const engine = new FakeEngine({ script: scriptOf(TEXT), delayMs: 20 });
    const { client, chain, store, url } = await serve({ engine });
    const stream = await client.chat.completions.create({ ...ask, stream: true });
    let [id, text] = ["", ""];
    for await (const chunk of stream) {
      id = chunk.id;
      text += chunk.choices[0].delta.content ?? "";
      if (text.length >= 3) break;
    }
    await until(() => engine.open === 0);
    const { bundle } = await fetchReceipt(id, { url });
    expect(bundle.receipt).toMatchObject({ stopReason: STOP_REASON.cancelled, nOut: bundle.outputTokens.length });
    expect(bundle.outputTokens.length).toBeGreaterThanOrEqual(3);
    expect(bundle.outputTokens.length).toBeLessThan(14);
    await until(() => (chain as FakeChain).commits.length === 1);
    await until(() => store.answerOf(bundle.receipt.requestHash)?.state === "batched");
    expect(store.bundle(bundle.receiptHash)).toEqual(bundle);
  });

  it("cancels an aborted request without stream", async () => {
    const engine = new FakeEngine({ script: [20], delayMs: 10 });
    const { client, store } = await serve({ engine });
    const abort = new AbortController();
    const answer = client.chat.completions.create(ask, { signal: abort.signal });
    await until(() => engine.made >= 3);
    abort.abort();
    await expect(answer).rejects.toThrow(OpenAI.APIUserAbortError);
    await until(() => engine.open === 0);
    expect(store.queue().count + store.batchesIn("intent").length + store.batchesIn("done").length).toBeGreaterThan(0);
  });

  it("makes no receipt for a request that is cancelled while it waits for its turn", async () => {
    const engine = new FakeEngine({ script: scriptOf(TEXT), delayMs: 20 });
    const { client, url } = await serve({ engine, limits: { maxRunning: 1 } });
    const first = client.chat.completions.create(ask);
    await until(() => engine.open === 1);
    let id = "";
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
      id = chunk.id;
      break;
    }
    await first;
    await until(async () => (await fetch(`${url}/v1/otr/receipt/${id}`)).status === 404);
    expect(await (await fetch(`${url}/v1/otr/receipt/${id}`)).json()).toMatchObject({
      error: { code: "receipt_gone" },
    });
    expect(engine.made).toBe(15);
  });
});

describe("repeated requests", () => {
  it("answers a repeated Idempotency-Key with the same completion, also while it runs", async () => {
    const engine = new FakeEngine({ script: scriptOf(TEXT), delayMs: 5 });
    const { client } = await serve({ engine });
    const headers = { "Idempotency-Key": "key-1" };
    const [a, b] = await Promise.all([
      client.chat.completions.create(ask, { headers }),
      client.chat.completions.create(ask, { headers }),
    ]);
    const c = await client.chat.completions.create(ask, { headers });
    expect([b.id, c.id]).toEqual([a.id, a.id]);
    expect(c.choices).toEqual(a.choices);
    expect(engine.made).toBe(15);
    const other = { ...ask, max_tokens: 3 };
    await expect(client.chat.completions.create(other, { headers })).rejects.toMatchObject({
      status: 422,
      code: "idempotency_key_reused",
    });
  });

  it("keeps the keys of two clients apart", async () => {
    const { client, url } = await serve();
    const other = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-other" });
    const headers = { "Idempotency-Key": "key-1" };
    const a = await client.chat.completions.create(ask, { headers });
    const b = await other.chat.completions.create({ ...ask, max_tokens: 3 }, { headers });
    expect(b.id).not.toBe(a.id);
  });

  it("starts again under a key whose first answer was cut short", async () => {
    const engine = new FakeEngine({ script: scriptOf(TEXT), delayMs: 10 });
    const { client } = await serve({ engine });
    const headers = { "Idempotency-Key": "key-1" };
    for await (const { choices } of await client.chat.completions.create({ ...ask, stream: true }, { headers }))
      if (choices[0].delta.content) break;
    await until(() => engine.open === 0);
    let text = "";
    for await (const { choices } of await client.chat.completions.create({ ...ask, stream: true }, { headers }))
      text += choices[0].delta.content ?? "";
    expect(text).toBe(TEXT);
  });

  it("answers a seeded body twice with one receipt: no request has two", async () => {
    const { client, url, engine } = await serve();
    const seeded = { ...ask, temperature: 1, seed: 42 };
    const a = await client.chat.completions.create(seeded);
    const b = await client.chat.completions.create(seeded);
    expect(b.id).not.toBe(a.id);
    expect((await fetchReceipt(b.id, { url })).bundle.receiptHash).toBe(
      (await fetchReceipt(a.id, { url })).bundle.receiptHash,
    );
    expect(engine.made).toBe(15);
  });
});

describe("OTR's own routes", () => {
  it("carry the receipt in a comment before [DONE], if asked", async () => {
    const { url } = await serve();
    const body = { ...ask, stream: true, stream_options: { include_otr: true } };
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(body) });
    const lines = (await response.text()).trimEnd().split("\n\n");
    expect(lines.at(-1)).toBe("data: [DONE]");
    const otr = JSON.parse(lines.at(-2)!.replace(/^: otr /, ""));
    expect(response.headers.get("x-otr-receipt")).toBe(`/v1/otr/receipt/${otr.chatId}`);
    expect((await fetchReceipt(otr.chatId, { url })).bundle.receiptHash).toBe(otr.receiptHash);
  });

  it("lets a client with a plain body check what was made of it", async () => {
    const { client, url } = await serve();
    const { id } = await client.chat.completions.create(ask);
    const { bundle } = await fetchReceipt(id, { url });
    const mine = adoptRequest({ model: TEST_MODEL, domain: TEST_DOMAIN, body: ask, request: bundle.request });
    expect(mine.requestHash).toBe(bundle.receipt.requestHash);
    const other = { ...ask, messages: [{ role: "user", content: "ho" }] };
    const theirs = adoptRequest({ model: TEST_MODEL, domain: TEST_DOMAIN, body: other, request: bundle.request });
    expect(theirs.requestHash).not.toBe(bundle.receipt.requestHash);
  });

  it("says who serves here", async () => {
    const { url, enclave } = await serve();
    expect(await (await fetch(`${url}/.well-known/otr.json`)).json()).toMatchObject({
      chainId: TEST_DOMAIN.chainId,
      rollup: TEST_DOMAIN.rollup,
      enclaveKey: enclave.address,
      modelId: TEST_MODEL.modelId,
    });
  });

  it("knows no foreign chats and batches", async () => {
    const { url } = await serve();
    expect((await fetch(`${url}/v1/otr/receipt/chatcmpl-0`)).status).toBe(404);
    expect((await fetch(`${url}/v1/otr/batches/0x00`)).status).toBe(404);
    expect((await fetch(`${url}/v1/otr/batches/0x${"00".repeat(32)}`)).status).toBe(404);
  });

  it("keeps a slow answer's connection alive", async () => {
    const engine = new FakeEngine({ script: scriptOf("a"), delayMs: 120 });
    const { client, url } = await serve({ engine, http: { heartbeatMs: 25 } });
    expect((await client.chat.completions.create(ask)).choices[0].message.content).toBe("a");
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ ...ask, stream: true });
    const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body });
    expect(await response.text()).toContain(": waiting\n\n");
  });
});
