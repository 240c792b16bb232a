import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { saltKey } from "../commit/record.ts";
import { effectiveTemperature } from "../commit/typed-data.ts";
import { referenceEngine } from "../engine/reference.ts";
import type { Engine } from "../engine/types.ts";
import type { LoadedModel } from "../model/load.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { fetchReceipt } from "../sdk/fetch-bundles.ts";
import { prepareRequest } from "../sdk/prepare-request.ts";
import { verifyReceipt } from "../sdk/verify-receipt.ts";
import { randomModel } from "./testing/random-model.ts";
import { random, TEST_DOMAIN, testExecutor } from "./testing/setup.ts";

let dir: string;
let model: LoadedModel;
let engine: Engine;
let url: string;
let client: OpenAI;
let executor: ReturnType<typeof testExecutor>["executor"];

/** A random Llama, compiled, packed, loaded with all its roots, and served. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "otr-machine-"));
  model = await randomModel(dir);
  engine = referenceEngine(model.program, model.weights);
  const test = testExecutor({ model, engine });
  executor = test.executor;
  url = await executor.start({ host: "127.0.0.1", port: 0 });
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
});

afterAll(async () => {
  await executor.stop(1000);
  await rm(dir, { recursive: true });
});

/** Re-executes an answer, as a fisherman does. */
async function replayed({ request, receipt, inputTokens, outputTokens }: Bundle) {
  const input = {
    prompt: inputTokens,
    requestHash: receipt.requestHash,
    temperature: effectiveTemperature(request),
    saltKey: saltKey({ ...request, secret: request.seed }),
  };
  return referenceEngine(model.program, model.weights).replay(input, outputTokens);
}

describe("a compiled model behind the API", () => {
  it.each([0, 0.9])("answers at temperature %d with a receipt that verifies and re-executes", async (temperature) => {
    const prepared = await prepareRequest({
      model,
      domain: TEST_DOMAIN,
      body: { messages: [{ role: "user", content: "Tell me." }], temperature, max_tokens: 12 },
      seed: toHex(random(32)),
      deadline: BigInt(Math.floor(Date.now() / 1000)) + 600n,
    });
    const body = { ...(prepared.body as OpenAI.ChatCompletionCreateParams), stream: true as const };
    let [id, text] = ["", ""];
    for await (const chunk of await client.chat.completions.create(body, { headers: prepared.headers })) {
      id = chunk.id;
      text += chunk.choices[0].delta.content ?? "";
    }
    const { bundle } = await fetchReceipt(id, { url });
    const { executor, enclaveKey, modelId } = bundle.receipt;
    const now = BigInt(Math.floor(Date.now() / 1000));
    const standing = {
      keyActive: true,
      exiting: false,
      suspended: false,
      freeStake: 1n,
      lockPerReceipt: 1n,
      reserve: 0n,
      refunding: false,
      machineVersion: 1,
      modelUsable: true,
      expiryCap: 86_400n,
    };
    const facts = { executor, enclaveKey, modelId, blockNumber: 1n, blockTime: now, coverage: 0n, ...standing };
    const { checks } = await verifyReceipt({ prepared, model, bundle, text, facts, now });
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    const replay = await replayed(bundle);
    expect(replay.tokens).toEqual(bundle.outputTokens);
    expect(replay.records).toEqual(bundle.records);
  });

  it("gives the same text for the same greedy body, under receipts of their own", async () => {
    const body = { model: "random", messages: [{ role: "user" as const, content: "again" }], temperature: 0 };
    const [a, b] = await Promise.all([1, 2].map(() => client.chat.completions.create({ ...body, max_tokens: 8 })));
    expect(a.choices[0].message.content).toBe(b.choices[0].message.content);
    const [x, y] = await Promise.all([a, b].map(({ id }) => fetchReceipt(id, { url })));
    expect(x.bundle.receiptHash).not.toBe(y.bundle.receiptHash);
    expect(x.bundle.outputTokens).toEqual(y.bundle.outputTokens);
  });

  it("fills the context and no more", async () => {
    const messages = [{ role: "user" as const, content: "x".repeat(80) }];
    const { usage, choices } = await client.chat.completions.create({ model: "random", messages, temperature: 0 });
    expect(usage!.total_tokens).toBeLessThanOrEqual(96);
    if (choices[0].finish_reason === "length") expect(usage!.total_tokens).toBe(96);
    const full = client.chat.completions.create({ model: "random", messages, max_tokens: 90 });
    await expect(full).rejects.toMatchObject({ code: "context_length_exceeded" });
  });
});
