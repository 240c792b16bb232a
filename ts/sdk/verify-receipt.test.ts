import OpenAI from "openai";
import { recoverAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Hex } from "../commit/bytes.ts";
import { toHex } from "../commit/bytes.ts";
import { seedOf } from "../commit/record.ts";
import { type Domain, hashReceipt, type Receipt } from "../commit/typed-data.ts";
import { random, TEST_DOMAIN, TEST_MODEL, testExecutor } from "../executor/testing/setup.ts";
import { contradiction } from "../fisherman/contradiction.ts";
import type { ChainFacts } from "./chain-facts.ts";
import { ReceiptInvalidError, ReceiptMissingError } from "./errors.ts";
import { fetchBatch, fetchReceipt } from "./fetch-bundles.ts";
import { type PreparedRequest, prepareRequest } from "./prepare-request.ts";
import { ReceiptStream } from "./receipt-stream.ts";
import { encodeRequestHeader } from "./request-header.ts";
import { secretProblem } from "./secret-problem.ts";
import {
  assertReceipt,
  RECEIPT_CHECKS,
  type ReceiptCheckName,
  type VerifyReceiptParameters,
  verifyReceipt,
} from "./verify-receipt.ts";

const account = privateKeyToAccount(`0x${"22".repeat(32)}`);
const test = testExecutor();
let good: VerifyReceiptParameters;
let url: string;

/** A signed request through an unmodified openai client; returns what a careful client holds at the end. */
async function exchange(body: Partial<Parameters<typeof prepareRequest>[0]["body"]> = {}) {
  const prepared = await prepareRequest({
    model: TEST_MODEL,
    domain: TEST_DOMAIN,
    body: {
      messages: [{ role: "user", content: "hi" }],
      temperature: 0,
      stream: true,
      stream_options: { include_otr: true },
      ...body,
    },
    account,
    seed: toHex(random(32)),
    deadline: BigInt(Math.floor(Date.now() / 1000)) + 60n,
  });
  const receipts = new ReceiptStream(prepared);
  let raw: Promise<string> | undefined;
  const copy: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    raw = response.clone().text();
    return response;
  };
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", fetch: receipts.fetch(copy) });
  const params = { ...prepared.body, stream: true } as OpenAI.ChatCompletionCreateParamsStreaming;
  const stream = await client.chat.completions.create(params, { headers: prepared.headers });
  let [id, text] = ["", ""];
  for await (const chunk of stream) {
    id = chunk.id;
    text += chunk.choices[0].delta.content ?? "";
  }
  return { prepared, text, receipts, raw: (await raw)!, bundle: (await fetchReceipt(id, { url })).bundle };
}

beforeAll(async () => {
  url = await test.executor.start({ host: "127.0.0.1", port: 0 });
  const { prepared, text, bundle } = await exchange();
  const now = BigInt(Math.floor(Date.now() / 1000));
  const { executor, enclaveKey, modelId } = bundle.receipt;
  const facts: ChainFacts = {
    executor,
    enclaveKey,
    modelId,
    blockNumber: 1n,
    blockTime: now - 5n,
    keyActive: true,
    exiting: false,
    suspended: false,
    freeStake: 100n,
    lockPerReceipt: 10n,
    reserve: 20n,
    refunding: false,
    machineVersion: 1,
    modelUsable: true,
    expiryCap: 86_400n,
    coverage: 5n,
  };
  good = { prepared, text, bundle, facts, now, model: TEST_MODEL, risk: 5n };
});

afterAll(() => test.executor.stop(1000));

const failed = async (parameters: VerifyReceiptParameters) =>
  (await verifyReceipt(parameters)).checks.filter(({ ok }) => !ok).map(({ name }) => name);

/** The bundle with another receipt, signed by keys that the test holds in the place of enclave and operator. */
async function resigned(
  change: Partial<Receipt>,
  domain: Domain = TEST_DOMAIN,
): Promise<Pick<VerifyReceiptParameters, "bundle" | "facts">> {
  const enclave = privateKeyToAccount(`0x${"33".repeat(32)}`);
  const lower = (address: string) => address.toLowerCase() as Hex;
  const signers = { enclaveKey: lower(enclave.address), executor: lower(account.address) };
  const receipt = { ...good.bundle.receipt, ...signers, ...change };
  const hash = hashReceipt(domain, receipt);
  const enclaveSignature = await enclave.sign({ hash });
  const operatorSignature = await account.sign({ hash });
  return {
    bundle: { ...good.bundle, receiptHash: hash, receipt, enclaveSignature, operatorSignature },
    facts: { ...good.facts, ...signers },
  };
}

type Break = () => Partial<VerifyReceiptParameters> | Promise<Partial<VerifyReceiptParameters>>;
const other = `0x${"77".repeat(32)}` as const;

/** For each item, a change that breaks it and nothing else. */
const BREAKS: Record<ReceiptCheckName, Break> = {
  domain: () => ({ bundle: { ...good.bundle, domain: { ...TEST_DOMAIN, chainId: 1 } } }),
  "receipt-hash": () => ({ bundle: { ...good.bundle, receiptHash: other } }),
  "enclave-signature": () => {
    const { bundle } = good;
    return { bundle: { ...bundle, enclaveSignature: bundle.operatorSignature } };
  },
  "operator-signature": () => {
    const { bundle } = good;
    return { bundle: { ...bundle, operatorSignature: bundle.enclaveSignature } };
  },
  request: () => resigned({ requestHash: other }),
  secret: () => {
    const confidential = { ...good.prepared.request, confidential: true };
    return { prepared: { ...good.prepared, request: confidential } };
  },
  model: async () => {
    const broken = await resigned({ machineVersion: 2 });
    return { ...broken, facts: { ...broken.facts, machineVersion: 2 } };
  },
  decidable: () => ({ facts: { ...good.facts, modelUsable: false } }),
  "input-root": () => resigned({ inputRoot: other }),
  "output-root": () => resigned({ outputRoot: other }),
  text: () => ({ text: `${good.text}!` }),
  "trace-root": () => resigned({ traceRoot: other }),
  length: async () => ({
    ...(await resigned({})),
    prepared: { ...good.prepared, request: { ...good.prepared.request, maxOut: good.bundle.outputTokens.length - 1 } },
  }),
  "stop-reason": () => resigned({ stopReason: 1 }),
  deadline: () => ({
    prepared: { ...good.prepared, request: { ...good.prepared.request, deadline: good.now - 1n } },
  }),
  "commit-by": () => resigned({ commitBy: good.now - 1n }),
  expiry: () => resigned({ commitBy: good.now, expiry: good.now }),
  "facts-subject": () => ({ facts: { ...good.facts, enclaveKey: `0x${"77".repeat(20)}` } }),
  "facts-fresh": () => ({ facts: { ...good.facts, blockTime: good.now - 61n } }),
  "key-active": () => ({ facts: { ...good.facts, keyActive: false } }),
  "not-exiting": () => ({ facts: { ...good.facts, exiting: true } }),
  "not-suspended": () => ({ facts: { ...good.facts, suspended: true } }),
  "free-stake": () => ({ facts: { ...good.facts, freeStake: 9n } }),
  reserve: () => ({ facts: { ...good.facts, freeStake: 29n } }),
  coverage: () => ({ facts: { ...good.facts, single: { batchId: 7n, scarce: true } } }),
  "refund-mode": () => ({ facts: { ...good.facts, refunding: true } }),
};

describe("verifyReceipt", () => {
  it("refuses an expiry that the stake may not outlive", async () => {
    expect(await failed({ ...good, facts: { ...good.facts, expiryCap: 1n } })).toEqual(["expiry"]);
  });

  it("refuses what the rules' judge does not decide about", async () => {
    expect(await failed({ ...good, facts: { ...good.facts, machineVersion: 2 } })).toEqual(["decidable"]);
  });

  it("refuses confidential requests whose secret is missing, another one, or can be guessed", () => {
    const hidden = (secret: Hex) => ({ ...good.prepared.request, confidential: true, seed: seedOf(true, secret) });
    const random32 = toHex(random(32));
    const problem = (secret: Hex, shown = secret) => secretProblem({ request: hidden(secret), secret: shown });
    expect(problem(random32)).toBeUndefined();
    expect(secretProblem({ request: hidden(random32) })).toContain("no secret is known");
    expect(problem(random32, other)).toContain("another secret");
    const guesses: Hex[] = [`0x${"00".repeat(32)}`, `0x${"00".repeat(24)}0123456789abcdef`, other];
    guesses.push(`0x${Buffer.from("hunter2").toString("hex").padEnd(64, "0")}`);
    for (const guess of guesses) expect(problem(guess)).toContain("can be guessed");
    expect(secretProblem({ request: good.prepared.request, secret: random32 })).toContain("public");
  });

  it("makes no confidential request with a secret that can be guessed", async () => {
    const parameters = {
      model: TEST_MODEL,
      domain: TEST_DOMAIN,
      body: { messages: [{ role: "user" as const, content: "hi" }] },
      deadline: good.now + 600n,
      confidential: true,
    };
    await expect(prepareRequest({ ...parameters, seed: other })).rejects.toThrow("can be guessed");
    expect((await prepareRequest({ ...parameters, seed: toHex(random(32)) })).secret).toBeDefined();
  });

  it("passes an honest receipt in every item", async () => {
    const { ok, checks } = await verifyReceipt(good);
    expect(checks).toEqual(RECEIPT_CHECKS.map((name) => ({ name, ok: true })));
    expect(ok).toBe(true);
    await assertReceipt(good);
  });

  it.each(RECEIPT_CHECKS)("fails %s, and only that, when it is broken", async (name) => {
    const change = await BREAKS[name]();
    expect(await failed({ ...good, ...change })).toEqual([name]);
  });

  it("throws an error that names what failed", async () => {
    const error = await assertReceipt({ ...good, risk: 6n }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ReceiptInvalidError);
    expect(error).toMatchObject({ failed: ["coverage"], code: "sdk.receipt" });
  });

  it("does not ask for free stake behind a receipt that is committed, and finds what is not locked for it", async () => {
    const single = { batchId: 7n, scarce: false };
    const poor = { ...good.facts, freeStake: 0n };
    expect(await failed({ ...good, facts: poor })).toEqual(["free-stake"]);
    expect(await failed({ ...good, facts: { ...poor, single } })).toEqual([]);
    const scarce = { ...poor, single: { ...single, scarce: true } };
    expect(await failed({ ...good, facts: scarce })).toEqual(["coverage"]);
    expect(await failed({ ...good, facts: scarce, risk: 0n })).toEqual([]);
    expect((await assertReceipt({ ...good, facts: scarce }).catch((e: Error) => e))?.message).toContain("batch 7");
  });

  it("does not take signatures made for another chain or rollup", async () => {
    for (const domain of [
      { ...TEST_DOMAIN, chainId: 1 },
      { ...TEST_DOMAIN, rollup: `0x${"bb".repeat(20)}` as const },
    ])
      expect(await failed({ ...good, ...(await resigned({}, domain)) })).toEqual([
        "receipt-hash",
        "enclave-signature",
        "operator-signature",
      ]);
  });

  it("finds every change to a record", async () => {
    const { records } = good.bundle;
    for (const change of [{ salt: random(32) }, { token: 5 }, { cacheRoot: random(32) }]) {
      const changed = records.map((r, i) => (i === 3 ? { ...r, ...change } : r));
      expect(await failed({ ...good, bundle: { ...good.bundle, records: changed } })).toEqual(["trace-root"]);
    }
    expect(await failed({ ...good, bundle: { ...good.bundle, records: records.slice(1) } })).toEqual(["trace-root"]);
  });

  it("finds another answer behind the same receipt", async () => {
    const outputTokens = good.bundle.outputTokens.with(0, 99);
    expect(await failed({ ...good, bundle: { ...good.bundle, outputTokens } })).toEqual([
      "output-root",
      "text",
      "trace-root",
    ]);
  });

  it("takes a cancellation from the one who cancelled, and from nobody else", async () => {
    const { prepared, bundle } = await exchange({ max_tokens: 4 });
    const cut = { ...good, prepared: { ...prepared, request: { ...prepared.request, maxOut: 9 } } };
    const { text: _, ...parameters } = cut;
    const receipt = { ...bundle.receipt, stopReason: 2 };
    const given = { ...parameters, bundle: { ...bundle, receipt } };
    const names = async (cancelled: boolean) => await failed({ ...given, cancelled });
    expect(await names(true)).not.toContain("stop-reason");
    expect(await names(false)).toContain("stop-reason");
  });
});

describe("ReceiptStream", () => {
  const expectations = () => ({ model: TEST_MODEL, facts: good.facts, now: good.now, risk: 5n });

  it("verifies beside an unmodified client, without another request", async () => {
    const { receipts, text, bundle } = await exchange();
    const verdict = await receipts.verify({ ...expectations(), text });
    expect(verdict.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(receipts.receipt).toMatchObject({ receiptHash: bundle.receiptHash, request: bundle.request });
  });

  it("finds a text that is not the committed one", async () => {
    const { receipts, text } = await exchange();
    const { checks } = await receipts.verify({ ...expectations(), text: `${text}.` });
    expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(["text"]);
  });

  it("finds every change to what was streamed", async () => {
    const { prepared, raw } = await exchange();
    const changes: [RegExp, string, string[]][] = [
      [/"token":\d+/, '"token":9', ["output-root", "text", "trace-root"]],
      [/"cacheRoots":"0x../, '"cacheRoots":"0x00', ["trace-root"]],
      [/"seq":"\d+"/, '"seq":"99"', ["receipt-hash", "enclave-signature", "operator-signature"]],
    ];
    for (const [pattern, replacement, failed] of changes) {
      const receipts = new ReceiptStream(prepared);
      const headers = { "content-type": "text/event-stream" };
      const changed = raw.replace(pattern, replacement);
      expect(changed).not.toBe(raw);
      await (await receipts.fetch(async () => new Response(changed, { headers }))(url)).text();
      const text = good.text!;
      const { checks } = await receipts.verify({ ...expectations(), text });
      expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(failed);
    }
  });

  it("says so if no receipt came", async () => {
    await expect(new ReceiptStream(good.prepared).verify(expectations())).rejects.toThrow(ReceiptMissingError);
  });

  it("costs little more than two signature recoveries after the last token, however long the answer", async () => {
    // A stream with 400 further tokens: the verdict is no, at the same cost.
    const { prepared, raw, text } = await exchange();
    const receipts = new ReceiptStream(prepared);
    const headers = { "content-type": "text/event-stream" };
    const [step] = raw.match(/^: otr \{"token".*$/m)!;
    const long = `${`${step}\n\n`.repeat(400)}${raw}`;
    await (await receipts.fetch(async () => new Response(long, { headers }))(url)).text();
    const { receiptHash: hash, enclaveSignature: signature } = good.bundle;
    const recover = await fastest(() => recoverAddress({ hash, signature }));
    const verify = await fastest(() => receipts.verify({ ...expectations(), text }));
    expect(verify).toBeLessThan(2 * recover + 2);
  });
});

/** Milliseconds of the fastest of many runs: the others measure how busy this machine is. */
async function fastest(work: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 40; i++) {
    const start = performance.now();
    await work();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

type SentBody = { readonly id: string; readonly error: { readonly param: string } };

describe("a carried request", () => {
  const send = async (prepared: PreparedRequest, body: object = prepared.body) => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...prepared.headers },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as SentBody };
  };
  const prepare = (extra: Partial<Parameters<typeof prepareRequest>[0]> = {}) =>
    prepareRequest({
      model: TEST_MODEL,
      domain: TEST_DOMAIN,
      body: { messages: [{ role: "user", content: "hi" }], temperature: 0, max_tokens: 20 },
      account,
      seed: toHex(random(32)),
      deadline: good.now + 600n,
      ...extra,
    });

  it("comes back in the bundle with its signature", async () => {
    const { bundle, prepared } = good;
    expect(bundle.request).toEqual(prepared.request);
    expect(bundle.requestSignature).toBe(prepared.signature);
  });

  it("may stay unsigned if it names nobody", async () => {
    const prepared = await prepareRequest({
      model: TEST_MODEL,
      domain: TEST_DOMAIN,
      body: { messages: [{ role: "user", content: "hi" }] },
      seed: other,
      deadline: good.now + 600n,
    });
    expect((await send(prepared)).status).toBe(200);
  });

  it("is answered once: sent again it gets the same receipt", async () => {
    const prepared = await prepare();
    const [a, b] = [await send(prepared), await send(prepared)];
    const hashes = await Promise.all(
      [a, b].map(async ({ body }) => (await fetchReceipt(body.id, { url })).bundle.receiptHash),
    );
    expect(hashes[0]).toBe(hashes[1]);
  });

  it.each([
    ["inputRoot", { messages: [{ role: "user", content: "ho" }] }],
    ["nIn", { messages: [{ role: "user", content: "longer" }] }],
    ["maxOut", { max_tokens: 21 }],
    ["sampler", { temperature: 1 }],
    ["stopTokens", { stop: "x" }],
    ["seed", { seed: 1 }],
  ])("must have the %s of the body", async (field, change) => {
    const prepared = await prepare();
    const { status, body } = await send(prepared, { ...prepared.body, ...change });
    expect(status).toBe(400);
    expect(body.error.param).toBe(`x-otr-request.${field}`);
  });

  it.each([
    ["a passed deadline", { deadline: 1n }, "x-otr-request.deadline"],
    ["another rollup", { domain: { ...TEST_DOMAIN, chainId: 1 } }, "x-otr-request.signature"],
  ])("is refused with %s", async (_name, extra, param) => {
    const { status, body } = await send(await prepare(extra));
    expect(status).toBe(400);
    expect(body.error.param).toBe(param);
  });

  it("is refused if malformed", async () => {
    const prepared = await prepare();
    for (const value of ["%%%", Buffer.from("{}").toString("base64url")]) {
      const { status, body } = await send({ ...prepared, headers: { "x-otr-request": value } });
      expect(status).toBe(400);
      expect(body.error.param).toMatch(/^x-otr-request/);
    }
  });

  it("hides a confidential answer from the batch, and not from who asked", async () => {
    const prepared = await prepare({ confidential: true });
    const { body } = await send(prepared);
    let fetched = await fetchReceipt(body.id, { url });
    while (fetched.batchRoot === undefined) fetched = await fetchReceipt(body.id, { url });
    const { bundle, batchRoot } = fetched;
    expect(bundle.inputTokens).toEqual(prepared.tokens);
    const heads = [];
    for await (const item of fetchBatch(batchRoot!, { url })) if ("head" in item) heads.push(item.head);
    const { domain, receipt, receiptHash, enclaveSignature, operatorSignature } = bundle;
    expect(heads).toEqual([{ domain, receipt, receiptHash, enclaveSignature, operatorSignature }]);
    const text = await (await fetch(`${url}/v1/otr/batches/${batchRoot}`)).text();
    expect(text).not.toContain(prepared.request.seed);
    expect(bundle.secret).toBe(prepared.secret);
    expect(prepared.request.seed).toBe(seedOf(true, prepared.secret!));
    expect(text).not.toContain(prepared.secret!);
    expect(contradiction(TEST_DOMAIN, bundle)).toBeUndefined();
    const { secret: _, ...silent } = bundle;
    for (const wrong of [silent, { ...bundle, secret: bundle.request.seed }])
      expect(contradiction(TEST_DOMAIN, wrong)).toContain("secret");
  });

  it("is refused if it is confidential and does not bring its secret, or is not and brings one", async () => {
    const carried = async (extra: object, change: object) => {
      const prepared = await prepare(extra);
      const { request, signature, secret } = prepared;
      const value = encodeRequestHeader({ request, signature: signature!, ...(secret && { secret }), ...change });
      return send({ ...prepared, headers: { "x-otr-request": value } });
    };
    const wrong = toHex(random(32));
    for (const [extra, change] of [
      [{ confidential: true }, { secret: wrong }],
      [{}, { secret: wrong }],
    ]) {
      const { status, body } = await carried(extra!, change!);
      expect(status).toBe(400);
      expect(body.error.param).toBe("x-otr-request.secret");
    }
    expect((await carried({ confidential: true }, {})).status).toBe(200);
  });

  it("has a secret seed or one that the body names, not both", async () => {
    await expect(
      prepare({ confidential: true, body: { messages: [{ role: "user", content: "hi" }], seed: 1 } }),
    ).rejects.toMatchObject({
      param: "seed",
    });
  });
});
