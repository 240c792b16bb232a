import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Hex } from "../commit/bytes.ts";
import { testExecutor, until } from "../executor/testing/setup.ts";
import { EndpointError, MalformedBundleError } from "./errors.ts";
import { fetchBatch, fetchReceipt } from "./fetch-bundles.ts";

const test = testExecutor({ batches: { intervalMs: 600_000, maxReceipts: 5 } });
let url: string;
let root: Hex;
let page: { bundles: unknown[] };
const ids: string[] = [];

beforeAll(async () => {
  url = await test.executor.start({ host: "127.0.0.1", port: 0 });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
  const messages = [{ role: "user" as const, content: "hi" }];
  for (let i = 0; i < 5; i++) ids.push((await client.chat.completions.create({ model: "tiny", messages })).id);
  await until(async () => (await fetchReceipt(ids[0], { url })).batchRoot !== undefined);
  root = (await fetchReceipt(ids[0], { url })).batchRoot!;
  page = (await (await fetch(`${url}/v1/otr/batches/${root}`)).json()) as typeof page;
});

afterAll(() => test.executor.stop(1000));

async function all(get?: typeof fetch, maxBytes?: number) {
  const items = [];
  const options = {
    url,
    ...(get === undefined ? {} : { fetch: get }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  };
  for await (const item of fetchBatch(root, options)) items.push(item);
  return items;
}

/** A server that answers everything with this. */
const always =
  (body: unknown, status = 200): typeof fetch =>
  async () =>
    new Response(typeof body === "string" ? body : JSON.stringify(body), { status });

describe("fetchBatch", () => {
  it("gets all bundles in leaf order", async () => {
    const items = await all();
    const own = await Promise.all(ids.map(async (id) => (await fetchReceipt(id, { url })).bundle));
    expect(items.map((item) => "bundle" in item && item.bundle.receiptHash)).toEqual(own.map((b) => b.receiptHash));
    expect(items.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
  });

  it("follows pages", async () => {
    const asked: string[] = [];
    const small: typeof fetch = (input, init) => {
      asked.push(String(input));
      return fetch(`${String(input)}&limit=2`, init);
    };
    const items = await all(small);
    expect(items).toEqual(await all());
    expect(asked.map((target) => new URL(target).searchParams.get("from"))).toEqual(["0", "2", "4"]);
  });

  it("does not follow a server that stays where it is, or jumps", async () => {
    for (const next of [0, 1, 3]) {
      const get = always({ count: 5, from: 0, next, bundles: page.bundles.slice(0, 2) });
      await expect(all(get)).rejects.toThrow(MalformedBundleError);
    }
  });

  it("takes nothing that is malformed, too large, or an error", async () => {
    await expect(all(always({ count: 1, from: 0, next: null, bundles: [{}] }))).rejects.toThrow(MalformedBundleError);
    await expect(all(always("<html>"))).rejects.toMatchObject({ code: "sdk.endpoint", retryable: false });
    await expect(all(always({}, 503))).rejects.toMatchObject({ code: "sdk.endpoint", retryable: true });
    await expect(all(always({}, 404))).rejects.toMatchObject({ code: "sdk.endpoint", retryable: false });
    await expect(all(undefined, 1000)).rejects.toThrow(/more than 1000 bytes/);
    // All pages together: else a hostile executor fills the memory of whoever checks it with many.
    const bytes = JSON.stringify(page).length;
    const pages: typeof fetch = (input, init) => fetch(`${String(input)}&limit=1`, init);
    await expect(all(pages, Math.floor(bytes / 2))).rejects.toThrow(/more than \d+ bytes/);
    expect(await all(pages, 2 * bytes)).toHaveLength(5);
    const away: typeof fetch = () => Promise.reject(new TypeError("fetch failed"));
    await expect(all(away)).rejects.toThrow(EndpointError);
  });
});

describe("GET /v1/otr/batches/:root", () => {
  const status = async (query: string) => (await fetch(`${url}/v1/otr/batches/${root}?${query}`)).status;

  it("takes sensible pages only", async () => {
    expect(await status("from=4&limit=100")).toBe(200);
    expect(await status("limit=101")).toBe(400);
    expect(await status("limit=0")).toBe(400);
    expect(await status("from=-1")).toBe(400);
    expect(await status("form=1")).toBe(400);
  });
});
