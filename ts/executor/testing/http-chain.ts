import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Hex } from "../../commit/bytes.ts";
import type { ChainPort, CommittedBatch, ExecutorStanding, OwnBatch } from "../ports.ts";
import { type FakeChain, FakeChainError } from "./fake-chain.ts";

const encode = (value: unknown) =>
  JSON.stringify(value ?? null, (_key, v) => (typeof v === "bigint" ? { bigint: v.toString() } : v));
const decode = (text: string) =>
  JSON.parse(text, (_key, v) => (v !== null && typeof v === "object" && "bigint" in v ? BigInt(v.bigint) : v));

/** Serves a fake chain to other processes. */
export async function serveChain(chain: FakeChain): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    const [method, ...args] = decode(text) as [keyof ChainPort, ...never[]];
    try {
      const result = await (chain[method] as (...args: never[]) => Promise<unknown>).apply(chain, args);
      response.end(encode({ result }));
    } catch (error) {
      response.end(encode({ error: String(error) }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The other end: a chain port over HTTP. */
export class HttpChain implements ChainPort {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  commitBatch(root: Hex, count: number) {
    return this.#call<{ transactionHash: Hex }>("commitBatch", root, count);
  }

  async findBatch(root: Hex) {
    return (await this.#call<CommittedBatch | null>("findBatch", root)) ?? undefined;
  }

  ownBatches() {
    return this.#call<readonly OwnBatch[]>("ownBatches");
  }

  committedAt(batchId: bigint) {
    return this.#call<bigint>("committedAt", batchId);
  }

  standing(enclaveKey: Hex, modelId: Hex) {
    return this.#call<ExecutorStanding>("standing", enclaveKey, modelId);
  }

  async close(): Promise<void> {}

  async #call<T>(...call: unknown[]): Promise<T> {
    const response = await fetch(this.#url, { method: "POST", body: encode(call) });
    const { result, error } = decode(await response.text()) as { result: T; error?: string };
    if (error !== undefined) throw new FakeChainError(error);
    return result;
  }
}
