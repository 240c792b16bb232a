import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getBalance, getTransactionCount } from "viem/actions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database } from "../store/database.ts";
import { type Anvil, anvilAddress, anvilKey, startAnvil } from "./anvil.ts";
import { type ChainClient, connect } from "./client.ts";
import { TransactionStuckError, TransactorClosedError } from "./errors.ts";
import { raiseFees } from "./gas.ts";
import { type IntentStore, MemoryIntentStore } from "./intent.ts";
import type { Call } from "./sender.ts";
import { CHAIN_SQL, SqliteIntentStore } from "./sqlite.ts";
import { Transactor, type TransactorEvent, type TransactorOptions } from "./transactor.ts";

const pay = (to: number, value: bigint): Call => ({
  to: anvilAddress(to),
  data: "0x",
  value,
  abi: [],
  name: "payment",
});

describe("Transactor", () => {
  let anvil: Anvil;
  let client: ChainClient;
  const rpc = (method: string, params: unknown[] = []) => client.request({ method, params } as never);
  const transactor = (
    key: number,
    store: IntentStore = new MemoryIntentStore(),
    more: Partial<TransactorOptions> = {},
  ) => new Transactor({ client, account: privateKeyToAccount(anvilKey(key)), store, pollMs: 20, ...more });

  beforeAll(async () => {
    anvil = await startAnvil();
    client = await connect({ url: anvil.url, pollMs: 20 });
  });
  afterAll(() => anvil.stop());

  it("sends calls made at once with nonces in a row", async () => {
    const sender = transactor(0);
    const before = await getBalance(client, { address: anvilAddress(9) });
    const receipts = await Promise.all([1n, 2n, 3n, 4n].map((value) => sender.send(pay(9, value))));
    expect(new Set(receipts.map((r) => r.transactionHash)).size).toBe(4);
    expect(await getBalance(client, { address: anvilAddress(9) })).toBe(before + 10n);
    expect(await getTransactionCount(client, { address: anvilAddress(0) })).toBe(4);
  });

  it("says what the endpoint says of a transaction that it does not take", async () => {
    const [key, address] = [7, anvilAddress(7)];
    const full = await getBalance(client, { address });
    await rpc("anvil_setBalance", [address, "0x1"]);
    const sender = transactor(key, undefined, { sendTimeoutMs: 300 });
    await expect(sender.send(pay(9, 0n))).rejects.toThrow(/endpoint says: .*insufficient funds/is);
    await sender.close();
    await rpc("anvil_setBalance", [address, `0x${full.toString(16)}`]);
  });

  it("carries out a deed with an id once, also when asked by two callers and by a later process", async () => {
    const store = new MemoryIntentStore();
    const sender = transactor(1, store);
    const [a, b] = await Promise.all([sender.send(pay(8, 5n), { id: "d" }), sender.send(pay(8, 5n), { id: "d" })]);
    const c = await transactor(1, store).send(pay(8, 5n), { id: "d" });
    expect(b.transactionHash).toBe(a.transactionHash);
    expect(c.transactionHash).toBe(a.transactionHash);
    expect(await getTransactionCount(client, { address: anvilAddress(1) })).toBe(1);
  });

  it("replaces a transaction that stays out of blocks, with higher fees", async () => {
    await rpc("evm_setAutomine", [false]);
    const events: TransactorEvent[] = [];
    const sender = transactor(2, undefined, { replaceAfterMs: 60, onEvent: (e) => events.push(e) });
    const sent = sender.send(pay(7, 1n), { id: "slow" });
    await until(() => events.filter((e) => e.kind === "replaced").length >= 2);
    await rpc("evm_setAutomine", [true]);
    await rpc("evm_mine");
    const receipt = await sent;
    const attempts = events.at(-1)!.intent.attempts;
    expect(attempts.map((a) => a.hash)).toContain(receipt.transactionHash);
    expect(receipt.transactionHash).not.toBe(attempts[0]!.hash);
    expect(attempts[1]!.maxFeePerGas * 10n).toBeGreaterThanOrEqual(attempts[0]!.maxFeePerGas * 11n);
    expect(await getTransactionCount(client, { address: anvilAddress(2) })).toBe(1);
  });

  it("gives up waiting but keeps the intent, and a later process follows it", async () => {
    await rpc("evm_setAutomine", [false]);
    const store = new MemoryIntentStore();
    const first = transactor(3, store, { sendTimeoutMs: 50 });
    await expect(first.send(pay(7, 1n), { id: "x" })).rejects.toBeInstanceOf(TransactionStuckError);
    expect(store.get("x")?.status).toBe("pending");
    await rpc("evm_setAutomine", [true]);
    await rpc("evm_mine");
    await transactor(3, store).resume();
    expect(store.get("x")?.status).toBe("mined");
  });

  it("sends again what a reorganisation took out", async () => {
    const store = new MemoryIntentStore();
    const snapshot = await rpc("evm_snapshot");
    const first = await transactor(4, store).send(pay(7, 1n), { id: "r" });
    await rpc("evm_revert", [snapshot]);
    const second = await transactor(4, store).send(pay(7, 1n), { id: "r" });
    expect(second.transactionHash).toBe(first.transactionHash);
  });

  it("stops at once when closed", async () => {
    await rpc("evm_setAutomine", [false]);
    const sender = transactor(5);
    const sent = sender.send(pay(7, 1n));
    await new Promise((resolve) => setTimeout(resolve, 60));
    await Promise.all([expect(sent).rejects.toBeInstanceOf(TransactorClosedError), sender.close()]);
    await rpc("evm_setAutomine", [true]);
    await rpc("evm_mine");
  });

  it("does not send twice after kill -9 between sending and being mined", async () => {
    const folder = mkdtempSync(join(tmpdir(), "otr-transactor-"));
    try {
      await rpc("evm_setAutomine", [false]);
      const path = join(folder, "store.sqlite");
      const before = await getBalance(client, { address: anvilAddress(9) });
      for (let run = 0; run < 3; run++) await killedSender(anvil.url, path);
      await rpc("evm_setAutomine", [true]);
      await rpc("evm_mine");
      const database = Database.open(path, { applicationId: 1, migrations: [CHAIN_SQL] });
      const store = new SqliteIntentStore(database);
      await transactor(6, store).resume();
      expect(store.get("once")).toMatchObject({ status: "mined", nonce: 0 });
      expect(await getBalance(client, { address: anvilAddress(9) })).toBe(before + parseEther("1"));
      expect(await getTransactionCount(client, { address: anvilAddress(6) })).toBe(1);
      database.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("raiseFees", () => {
  it("raises by a quarter, follows the chain, and stops at the limit", () => {
    const before = { maxFeePerGas: 100n, maxPriorityFeePerGas: 10n };
    expect(raiseFees(before, before, 1000n)).toEqual({ maxFeePerGas: 126n, maxPriorityFeePerGas: 13n });
    expect(raiseFees(before, { maxFeePerGas: 300n, maxPriorityFeePerGas: 1n }, 1000n)?.maxFeePerGas).toBe(300n);
    expect(raiseFees(before, before, 115n)?.maxFeePerGas).toBe(115n);
    expect(raiseFees(before, before, 105n)).toBeUndefined();
  });
});

/** Runs a process that sends 1 ether with the deed id `once`, and kills it as soon as it says that it has sent. */
async function killedSender(url: string, path: string): Promise<void> {
  const script = fileURLToPath(new URL("./testing/send-once.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, url, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}
