import OpenAI from "openai";
import { privateKeyToAccount } from "viem/accounts";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../chain/time.ts";
import { batchRoot } from "../commit/batch.ts";
import type { Hex } from "../commit/bytes.ts";
import { accountSigner } from "./operator.ts";
import type { OperatorSigner } from "./ports.ts";
import { FakeChain } from "./testing/fake-chain.ts";
import { OPERATOR_KEY, testExecutor, until } from "./testing/setup.ts";

const ask = { model: "tiny", messages: [{ role: "user" as const, content: "hi" }], temperature: 0 };
type TestOptions = NonNullable<Parameters<typeof testExecutor>[0]>;
const running: { stop(deadlineMs: number): Promise<void> }[] = [];

async function serve(options: TestOptions = {}) {
  const test = testExecutor(options);
  running.push(test.executor);
  const url = await test.executor.start({ host: "127.0.0.1", port: 0 });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  return { ...test, url, ask: () => client.chat.completions.create(ask), chain: test.chain as FakeChain };
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((executor) => executor.stop(500)));
});

describe("batches", () => {
  it("hold what came in the interval, in one transaction", async () => {
    const { ask, chain, store } = await serve({ batches: { intervalMs: 2500 } });
    await Promise.all([ask(), ask(), ask(), ask(), ask()]);
    await until(() => chain.commits.length === 1);
    const [root] = chain.commits;
    const bundles = [...store.bundlesOf(root, 0, 9)];
    expect(bundles).toHaveLength(5);
    expect(batchRoot(bundles.map(({ receiptHash }) => receiptHash))).toBe(root);
    expect(bundles.map(({ receipt }) => receipt.seq)).toEqual([0n, 1n, 2n, 3n, 4n]);
  });

  it("are formed at once when full, and never larger", async () => {
    const { ask, chain } = await serve({ batches: { intervalMs: 600_000, maxReceipts: 2, pollMs: 600_000 } });
    for (let i = 0; i < 5; i++) await ask();
    await until(() => chain.batches.size === 2);
    expect([...chain.batches.values()]).toEqual([2, 2]);
  });

  it("wait on disk while the chain is away; serving goes on", async () => {
    const { ask, chain, store } = await serve();
    await ask();
    await until(() => chain.commits.length === 1);
    chain.down = true;
    for (let i = 0; i < 3; i++) await ask();
    await until(() => store.batchesIn("intent").length === 1);
    expect(chain.commits).toHaveLength(1);
    chain.down = false;
    await until(() => store.queue().count === 0 && store.batchesIn("intent").length === 0);
    expect([...chain.batches.values()].reduce((sum, count) => sum + count)).toBe(4);
  });

  it("stop new work once the chain was silent for as long as receipts may wait, not before", async () => {
    let skew = 0;
    const clock = { ...systemClock, now: () => Date.now() + skew };
    const { ask, chain } = await serve({ clock });
    chain.down = true;
    skew = 500_000;
    await ask();
    skew = 700_000;
    await expect(ask()).rejects.toMatchObject({ status: 503, code: "chain_unreachable" });
    chain.down = false;
    await until(async () =>
      ask().then(
        () => true,
        () => false,
      ),
    );
  });

  it("are found again when the answer to their transaction was lost, and not sent twice", async () => {
    const chain = new FakeChain();
    let lost = 0;
    chain.afterCommit = () => {
      if (lost++ === 0) throw new TypeError("connection reset");
    };
    const { ask, store } = await serve({ chain });
    await ask();
    await until(() => store.batchesIn("done").length === 1);
    expect(chain.commits).toHaveLength(1);
  });

  it("are committed in time although the operator's signer fails for another receipt", async () => {
    const account = privateKeyToAccount(OPERATOR_KEY);
    const operator = accountSigner(account);
    const signReceipt: OperatorSigner["signReceipt"] = (domain, receipt) => {
      if (receipt.seq === 0n) throw new TypeError("the signer refuses");
      return operator.signReceipt(domain, receipt);
    };
    const { ask, chain, store } = await serve({ operator: { ...operator, signReceipt } });
    await expect(ask()).rejects.toMatchObject({ status: 503, code: "receipt_pending" });
    await ask();
    await until(() => chain.commits.length === 1, 5000);
    expect(store.answersIn("attested")).toHaveLength(1);
  });

  it("go back to be committed when a reorganisation takes them out", async () => {
    const { ask, chain, store } = await serve({ batches: { confirmations: 3 } });
    await ask();
    await until(() => store.batchesIn("committed").length === 1);
    const [root] = chain.commits;
    chain.batches.delete(root);
    await until(() => chain.commits.length === 2);
    expect(chain.commits).toEqual([root, root]);
    chain.confirmations = 3;
    await until(() => store.batchesIn("done").length === 1);
  });

  it("that expired before they could be committed are given up, loudly", async () => {
    let skew = 0;
    const clock = { ...systemClock, now: () => Date.now() + skew };
    const { ask, chain, store } = await serve({ clock, batches: { intervalMs: 0 } });
    chain.down = true;
    await ask();
    await until(() => store.batchesIn("intent").length === 1);
    skew = 4_000_000;
    chain.down = false;
    await until(() => store.batchesIn("failed").length === 1);
    expect(chain.commits).toEqual([]);
  });
});

describe("the operator's signer", () => {
  it("may fail: the receipt is kept, and signed and committed later", async () => {
    let working = false;
    const address: Hex = `0x${"0d".repeat(20)}`;
    const operator = {
      address,
      signReceipt: async (): Promise<Hex> => {
        if (!working) throw new TypeError("signer away");
        return `0x${"5a".repeat(65)}`;
      },
    };
    const { ask, chain, store } = await serve({ operator });
    await expect(ask()).rejects.toMatchObject({ status: 503, code: "receipt_pending" });
    expect(store.answersIn("attested")).toHaveLength(1);
    expect(chain.commits).toEqual([]);
    working = true;
    await until(() => chain.commits.length === 1);
    expect([...store.bundlesOf(chain.commits[0], 0, 1)][0].operatorSignature).toBe(`0x${"5a".repeat(65)}`);
  });
});
