import { type Hex, parseEther, parseGwei, parseTransaction } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { getBalance, getTransactionCount, getTransactionReceipt } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { type Anvil, startAnvil } from "./anvil.ts";
import { type ChainClient, connect } from "./client.ts";
import { ContractRevertError, NonceTakenError } from "./errors.ts";
import { MemoryIntentStore } from "./intent.ts";
import type { Call } from "./sender.ts";
import { FlakyProxy } from "./testing/flaky-proxy.ts";
import { Transactor, type TransactorEvent, type TransactorOptions } from "./transactor.ts";

/** Reverts, whatever is called. */
const WALL = "0x00000000000000000000000000000000000000f0";

describe("Transactor in trouble", () => {
  let anvil: Anvil;
  let direct: ChainClient;
  let proxy: FlakyProxy;
  let flaky: ChainClient;
  let account: ReturnType<typeof privateKeyToAccount>;
  let payees = 0;
  const rpc = (method: string, params: unknown[] = []) => direct.request({ method, params } as never);
  const transactor = (more: Partial<TransactorOptions> = {}) =>
    new Transactor({ client: flaky, account, store: new MemoryIntentStore(), pollMs: 20, ...more });
  /** A payment to an account that nobody else pays. */
  const payment = (value = 1n): Call & { to: Hex } => {
    const to: Hex = `0x${(0xbeef_0000 + payees++).toString(16).padStart(40, "0")}`;
    return { to, data: "0x", value, abi: [], name: "payment" };
  };
  const paid = (call: Call) => getBalance(direct, { address: call.to });
  const sentCount = () => getTransactionCount(direct, { address: account.address });

  beforeAll(async () => {
    anvil = await startAnvil();
    direct = await connect({ url: anvil.url, pollMs: 20 });
    proxy = await FlakyProxy.open(anvil.url);
    flaky = await connect({ url: proxy.url, pollMs: 20, timeoutMs: 2000 });
    await rpc("anvil_setCode", [WALL, "0x60006000fd"]);
  });
  afterAll(async () => {
    await proxy.close();
    await anvil.stop();
  });
  beforeEach(async () => {
    account = privateKeyToAccount(generatePrivateKey());
    await rpc("anvil_setBalance", [account.address, `0x${parseEther("100").toString(16)}`]);
  });
  afterEach(async () => {
    proxy.trouble = () => "pass";
    proxy.down = false;
    await rpc("evm_setAutomine", [true]);
    await rpc("evm_mine");
  });

  it("never broadcasts a call that its simulation refuses", async () => {
    const before = proxy.count("eth_sendRawTransaction");
    const events: TransactorEvent[] = [];
    const sender = transactor({ onEvent: (event) => events.push(event) });
    const wall: Call = { ...payment(), to: WALL };
    await expect(sender.send(wall, { id: "wall" })).rejects.toBeInstanceOf(ContractRevertError);
    const good = payment();
    await rpc("evm_setAutomine", [false]);
    const sent = sender.send(good, { id: "good" });
    await until(() => events.length > 0);
    // Nor in place of one that is under way.
    await expect(sender.send({ ...wall, value: 2n }, { id: "good" })).rejects.toBeInstanceOf(ContractRevertError);
    await rpc("evm_setAutomine", [true]);
    await rpc("evm_mine");
    await sent;
    const broadcast = proxy.seen.filter(({ method }) => method === "eth_sendRawTransaction").slice(before);
    const calls = broadcast.map(({ params }) => parseTransaction(params[0] as Hex).to);
    expect(new Set(calls)).toEqual(new Set([good.to]));
  });

  it("does not take a late index of receipts for a stolen nonce", async () => {
    const end = Date.now() + 400;
    proxy.trouble = ({ method }) => (method === "eth_getTransactionReceipt" && Date.now() < end ? "empty" : "pass");
    const call = payment();
    await transactor().send(call, { id: "late" });
    expect(await paid(call)).toBe(1n);
    expect(await sentCount()).toBe(1);
  });

  it("says so when a stranger used its nonce, and carries the call out when asked again", async () => {
    await rpc("evm_setAutomine", [false]);
    const sender = transactor({ dropAfterMs: 100 });
    const call = payment();
    const refused = expect(sender.send(call, { id: "mine" })).rejects.toBeInstanceOf(NonceTakenError);
    await until(() => rpc("txpool_status").then((status) => (status as { pending: Hex }).pending !== "0x0"));
    // First, or the call would be sent again between the two.
    proxy.trouble = ({ method }) => (method === "eth_sendRawTransaction" ? "error" : "pass");
    await rpc("anvil_dropAllTransactions");
    const stranger = new Transactor({ client: direct, account, store: new MemoryIntentStore(), pollMs: 20 });
    const theft = stranger.send(payment());
    await rpc("evm_setAutomine", [true]);
    await rpc("evm_mine");
    await Promise.all([theft, refused]);
    proxy.trouble = () => "pass";
    await sender.send(call, { id: "mine" });
    expect(await paid(call)).toBe(1n);
    expect(await sentCount()).toBe(2);
  });

  it.each([1, 8, 64])("keeps the nonces of what a reorganisation of %i blocks took out", async (depth) => {
    const sender = transactor();
    const snapshot = await rpc("evm_snapshot");
    const [first, second, later] = [payment(), payment(), payment()];
    await sender.send(first, { id: `a${depth}` });
    await sender.send(second, { id: `b${depth}` });
    await rpc("anvil_mine", [`0x${(depth - 1).toString(16)}`]);
    await rpc("evm_revert", [snapshot]);
    // Another deed comes first; nobody asks for the first one again.
    await sender.send(later, { id: `c${depth}` });
    await sender.send(second, { id: `b${depth}` });
    await until(async () => (await paid(first)) > 0n);
    for (const call of [first, second, later]) expect(await paid(call)).toBe(1n);
    expect(await sentCount()).toBe(3);
  });

  it("sends again at once what a reorganisation took out and nobody asks for, though its fees are too low by now", async () => {
    const store = new MemoryIntentStore();
    const sender = transactor({ store });
    const snapshot = await rpc("evm_snapshot");
    const [first, second] = [payment(), payment()];
    await sender.send(first, { id: "first" });
    await sender.send(second, { id: "second" });
    const { maxFeePerGas } = store.get("first")!.attempts[0]!;
    await rpc("evm_revert", [snapshot]);
    await rpc("anvil_setNextBlockBaseFeePerGas", [`0x${(2n * maxFeePerGas).toString(16)}`]);
    await rpc("evm_mine");
    // Only the second is asked for, whose nonce is the later one.
    await sender.send(second, { id: "second" });
    expect([await paid(first), await paid(second)]).toEqual([1n, 1n]);
    expect(await sentCount()).toBe(2);
    expect(store.get("first")!.attempts.length).toBeGreaterThan(1);
    await rpc("anvil_setNextBlockBaseFeePerGas", [`0x${parseGwei("1").toString(16)}`]);
  });

  it("uses up a nonce that a reorganisation left to nobody", async () => {
    const store = new MemoryIntentStore();
    const snapshot = await rpc("evm_snapshot");
    const [lost, kept] = [payment(), payment()];
    const sender = transactor({ store, dropAfterMs: 100 });
    await sender.send(lost, { id: "lost" });
    await sender.send(kept, { id: "kept" });
    await sender.close();
    await rpc("evm_revert", [snapshot]);
    // As after a deed that reverted and was carried out anew, under a later nonce and the same id.
    const forgetful = new MemoryIntentStore();
    forgetful.put(store.get("kept")!);
    await transactor({ store: forgetful, dropAfterMs: 100 }).send(kept, { id: "kept" });
    expect([await paid(lost), await paid(kept)]).toEqual([0n, 1n]);
    expect(await sentCount()).toBe(2);
  });

  it("puts a deed that is decided anew in the place of what was decided before a reorganisation", async () => {
    const sender = transactor();
    const snapshot = await rpc("evm_snapshot");
    const [before, after] = [payment(), payment()];
    await sender.send(before, { id: "turn" });
    await rpc("evm_revert", [snapshot]);
    // The node brings the old bytes back to its pool, as nodes do.
    await rpc("evm_setAutomine", [false]);
    const sent = sender.send(after, { id: "turn" });
    await until(() => rpc("txpool_status").then((status) => (status as { pending: Hex }).pending === "0x1"));
    await rpc("evm_setAutomine", [true]);
    await rpc("evm_mine");
    await sent;
    expect([await paid(before), await paid(after)]).toEqual([0n, 1n]);
    expect(await sentCount()).toBe(1);
  });

  it("follows fees that rise a hundredfold while a transaction waits: one nonce, one effect", async () => {
    const events: TransactorEvent[] = [];
    const sender = transactor({ replaceAfterMs: 100, onEvent: (event) => events.push(event) });
    const call = payment();
    await rpc("evm_setAutomine", [false]);
    const sent = sender.send(call, { id: "spike" });
    await until(() => events.length > 0);
    const [attempt] = events[0]!.intent.attempts;
    // Now no block takes the first attempt.
    const spike = attempt!.maxFeePerGas * 100n;
    await rpc("anvil_setNextBlockBaseFeePerGas", [`0x${spike.toString(16)}`]);
    await rpc("evm_mine");
    await rpc("anvil_setNextBlockBaseFeePerGas", [`0x${spike.toString(16)}`]);
    await rpc("evm_mine");
    expect(await sentCount()).toBe(0);
    await until(() => events.at(-1)!.intent.attempts.at(-1)!.maxFeePerGas >= spike);
    await until(async () => {
      await rpc("evm_mine");
      return (await paid(call)) > 0n;
    });
    const { transactionHash } = await sent;
    const { attempts, nonce } = events.at(-1)!.intent;
    expect(transactionHash).not.toBe(attempts[0]!.hash);
    for (const { raw } of attempts) expect(parseTransaction(raw).nonce ?? 0).toBe(nonce);
    expect(await paid(call)).toBe(1n);
    expect(await sentCount()).toBe(1);
    await rpc("anvil_setNextBlockBaseFeePerGas", [`0x${parseGwei("1").toString(16)}`]);
  });

  it.each(Array.from({ length: 2 * FUZZ }, (_, seed) => seed))(
    "carries out each deed once through an endpoint of which a third fails (seed %i)",
    async (seed) => {
      proxy.flap(0.33, seed);
      const store = new MemoryIntentStore();
      const calls = [payment(), payment(), payment(), payment()];
      for (let left = calls.length; left > 0; ) {
        // Every attempt by a new process, so to speak: all that is kept is the store.
        const sender = transactor({ store, sendTimeoutMs: 300, dropAfterMs: 3000 });
        const results = await Promise.allSettled(calls.map((call, index) => sender.send(call, { id: `${index}` })));
        await sender.close();
        const failures = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
        for (const failure of failures) expect(failure).not.toBeInstanceOf(NonceTakenError);
        left = failures.length;
      }
      proxy.trouble = () => "pass";
      for (const call of calls) expect(await paid(call)).toBe(1n);
      expect(await sentCount()).toBe(calls.length);
      for (const index of calls.keys()) {
        const { minedHash } = store.get(`${index}`)!;
        expect(await getTransactionReceipt(direct, { hash: minedHash! })).toMatchObject({ status: "success" });
      }
    },
  );
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
