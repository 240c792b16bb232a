import { type Abi, type Address, encodeEventTopics, type Hex, pad, parseAbi, toHex } from "viem";
import { getBlock, getBlockNumber } from "viem/actions";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Anvil, anvilAddress, startAnvil } from "./anvil.ts";
import { type ChainClient, connect } from "./client.ts";
import { DeepReorgError } from "./errors.ts";
import { systemClock } from "./time.ts";
import { MemoryCursorStore, type WatchedLog, Watcher, type WatcherOptions } from "./watch.ts";

const abi = parseAbi(["event Ping(uint256 value)"]);
const [topic] = encodeEventTopics({ abi, eventName: "Ping" });
const bell: Address = "0x00000000000000000000000000000000000be110";
/** Emits `Ping(first word of the calldata)`, whatever is called. */
const bellCode: Hex = `0x6000356000527f${topic.slice(2)}60206000a100`;

describe("Watcher", () => {
  let anvil: Anvil;
  let client: ChainClient;
  let seen: { block: bigint; value: bigint }[];
  let rewinds: bigint[];
  let store: MemoryCursorStore;
  const rpc = (method: string, params: unknown[] = []) => client.request({ method, params } as never);
  const ping = async (value: number) => {
    const data = pad(toHex(value), { size: 32 });
    const hash = await rpc("eth_sendTransaction", [{ from: anvilAddress(0), to: bell, data, gas: "0x186a0" }]);
    return hash;
  };
  const watcher = (more: Partial<WatcherOptions> = {}) =>
    new Watcher({
      client,
      name: "test",
      store,
      addresses: () => [bell],
      abi: abi as Abi,
      fromBlock: 0n,
      onRange: (logs: readonly WatchedLog[]) => {
        for (const log of logs) seen.push({ block: log.blockNumber, value: (log.args as { value: bigint }).value });
      },
      onRewind: (block) => {
        rewinds.push(block);
        seen = seen.filter((entry) => entry.block <= block);
      },
      ...more,
    });
  const values = () => seen.map((entry) => Number(entry.value));

  beforeAll(async () => {
    anvil = await startAnvil();
    client = await connect({ url: anvil.url, pollMs: 20 });
    await rpc("anvil_setCode", [bell, bellCode]);
  });
  afterAll(() => anvil.stop());
  beforeEach(async () => {
    seen = [];
    rewinds = [];
    store = new MemoryCursorStore();
    store.save("test", [await head()]);
  });
  const head = async () => {
    const { number, hash } = await getBlock(client);
    return { number, hash };
  };

  it("hands out every log once and goes on where an earlier watcher stopped", async () => {
    await ping(1);
    await ping(2);
    await watcher().sync();
    expect(values()).toEqual([1, 2]);
    await ping(3);
    await watcher().sync();
    expect(values()).toEqual([1, 2, 3]);
    await watcher().sync();
    expect(values()).toEqual([1, 2, 3]);
  });

  it("gives a range again if the handler failed", async () => {
    await ping(4);
    const failing = watcher({ onRange: () => Promise.reject(new DeepReorgError(0n, 0)) });
    await expect(failing.sync()).rejects.toBeInstanceOf(DeepReorgError);
    await watcher().sync();
    expect(values()).toEqual([4]);
  });

  it("walks back over a reorganisation and reads the new chain", async () => {
    const subject = watcher();
    await ping(1);
    await subject.sync();
    const fork = await getBlockNumber(client, { cacheTime: 0 });
    await ping(2);
    await subject.sync();
    await ping(3);
    await subject.sync();
    expect(values()).toEqual([1, 2, 3]);
    // Two blocks are replaced by empty ones with other hashes; then the new chain brings its own log.
    await rpc(
      "anvil_reorg",
      [{ depth: 2, tx_block_pairs: [] }].flatMap((o) => [o.depth, o.tx_block_pairs]),
    );
    await ping(5);
    await subject.sync();
    expect(rewinds).toEqual([fork]);
    expect(values()).toEqual([1, 5]);
  });

  it("walks back when the chain becomes shorter", async () => {
    const subject = watcher();
    await ping(1);
    await subject.sync();
    const snapshot = await rpc("evm_snapshot");
    await ping(2);
    await subject.sync();
    await rpc("evm_revert", [snapshot]);
    await subject.sync();
    expect(values()).toEqual([1]);
    await ping(3);
    await subject.sync();
    expect(values()).toEqual([1, 3]);
  });

  it("waits for a node that lags, and takes only a lasting absence or another block for a reorganisation", async () => {
    let now = 0;
    const clock = { ...systemClock, now: () => now };
    const subject = watcher({ lagMs: 1000, clock });
    await ping(1);
    await subject.sync();
    const behind = await rpc("evm_snapshot");
    await ping(2);
    await subject.sync();
    await rpc("evm_revert", [behind]);
    await subject.sync();
    now = 999;
    await subject.sync();
    expect([values(), rewinds]).toEqual([[1, 2], []]);
    now = 1000;
    await subject.sync();
    expect(values()).toEqual([1]);
    // A shorter chain with another block is no lag.
    const { number } = await head();
    for (const value of [3, 4]) {
      await ping(value);
      await subject.sync();
    }
    await rpc("anvil_rollback", [2]);
    await rpc("evm_increaseTime", [7]);
    await rpc("evm_mine");
    await subject.sync();
    expect(values()).toEqual([1]);
    expect(rewinds.at(-1)).toBe(number);
  });

  it("fails loudly when everything it remembers is gone", async () => {
    const subject = watcher({ depth: 2 });
    const snapshot = await rpc("evm_snapshot");
    for (let i = 0; i < 4; i++) {
      await ping(i);
      await subject.sync();
    }
    await rpc("evm_revert", [snapshot]);
    await expect(subject.sync()).rejects.toBeInstanceOf(DeepReorgError);
  });

  it("halves ranges that the node refuses, and misses nothing", async () => {
    for (let i = 0; i < 9; i++) await ping(i);
    const asked: bigint[] = [];
    const picky = {
      ...client,
      request: (request: { method: string; params?: unknown[] }) => {
        if (request.method === "eth_getLogs") {
          const { fromBlock, toBlock } = request.params![0] as { fromBlock: Hex; toBlock: Hex };
          const size = BigInt(toBlock) - BigInt(fromBlock) + 1n;
          asked.push(size);
          if (size > 2n) return Promise.reject(new DeepReorgError(0n, 0));
        }
        return client.request(request as never);
      },
    } as ChainClient;
    await watcher({ client: picky }).sync();
    expect(values()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(asked.some((size) => size > 2n)).toBe(true);
  });

  it("stays the given number of blocks behind the head", async () => {
    await ping(1);
    await ping(2);
    await watcher({ confirmations: 1 }).sync();
    expect(values()).toEqual([1]);
  });
});
