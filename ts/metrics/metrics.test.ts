import { createClient, custom, type EIP1193RequestFn, parseEther, toHex } from "viem";
import { afterEach, describe, expect, it } from "vitest";
import type { ChainClient } from "../chain/client.ts";
import { chainOf } from "../chain/client.ts";
import type { OtrContext } from "../chain/context.ts";
import { GameStore } from "../chain/game-store.ts";
import { CHAIN_SQL } from "../chain/sqlite.ts";
import { MemoryCursorStore } from "../chain/watch.ts";
import { silentLogger } from "../config/logger.ts";
import { Database } from "../store/database.ts";
import { ChainPulse } from "./chain-pulse.ts";
import { HealthListenError } from "./errors.ts";
import { type Health, openHealthServer } from "./health-server.ts";
import { exposition, gauge, gaugeBy, type Metric } from "./metric.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

describe("exposition", () => {
  it("is Prometheus' text format", () => {
    const metrics = [
      gauge("otr_a", "What a is.", 1.5),
      gauge("otr_unknown", "Not known yet.", undefined),
      gauge("otr_never", "No deadline.", Number.POSITIVE_INFINITY),
      gaugeBy("otr_b", "By label.", "state", { open: 2, 'quo"te\\\n': 0 }),
      { name: "otr_c_total", help: "Counted.", type: "counter", samples: [{ value: 7 }] } satisfies Metric,
    ];
    expect(exposition(metrics).split("\n")).toEqual([
      ...["# HELP otr_a What a is.", "# TYPE otr_a gauge", "otr_a 1.5"],
      ...["# HELP otr_unknown Not known yet.", "# TYPE otr_unknown gauge"],
      ...["# HELP otr_never No deadline.", "# TYPE otr_never gauge", "otr_never +Inf"],
      ...["# HELP otr_b By label.", "# TYPE otr_b gauge", 'otr_b{state="open"} 2', 'otr_b{state="quo\\"te\\\\\\n"} 0'],
      ...["# HELP otr_c_total Counted.", "# TYPE otr_c_total counter", "otr_c_total 7", ""],
    ]);
  });
});

describe("health server", () => {
  const open = async (health: Health, port = 0) => {
    const server = await openHealthServer(health, { host: "127.0.0.1", port });
    closers.push(server.close);
    return server.url;
  };

  it("tells life, readiness and numbers apart", async () => {
    let problem: string | undefined;
    const url = await open({
      readiness: () => [{ name: "chain", ...(problem === undefined ? {} : { problem }) }],
      metrics: () => [gauge("otr_a", "A.", 1)],
    });
    const get = async (path: string, method = "GET") => {
      const response = await fetch(url + path, { method });
      return { status: response.status, text: await response.text() };
    };
    expect(await get("/readyz")).toEqual({ status: 200, text: '{"status":"ok","checks":{"chain":"ok"}}' });
    problem = "no answer for 70 s";
    expect(await get("/readyz")).toMatchObject({ status: 503, text: expect.stringContaining(problem) });
    for (const path of ["/healthz", "/livez"]) expect(await get(path)).toMatchObject({ status: 200 });
    expect(await get("/metrics")).toMatchObject({ status: 200, text: expect.stringContaining("\notr_a 1\n") });
    expect(await get("/metrics", "POST")).toMatchObject({ status: 405 });
    expect(await get("/other")).toMatchObject({ status: 404 });
  });

  it("survives a daemon that can say nothing, and says so when its port is taken", async () => {
    const broken = () => {
      throw new HealthListenError("", 0, undefined);
    };
    const url = await open({ readiness: broken, metrics: broken });
    for (const path of ["/readyz", "/metrics"]) expect((await fetch(url + path)).status).toBe(500);
    const port = Number(new URL(url).port);
    await expect(open({ readiness: () => [], metrics: () => [] }, port)).rejects.toBeInstanceOf(HealthListenError);
  });
});

describe("ChainPulse", () => {
  it("tells what the chain said last, and how long ago", async () => {
    let now = 1_000_000_000_000;
    let [head, balance, away] = [10n, parseEther("2"), false];
    const request: EIP1193RequestFn = async ({ method }) => {
      if (away) throw new HealthListenError("", 0, undefined);
      if (method === "eth_getBalance") return toHex(balance) as never;
      const block = { number: toHex(head), timestamp: toHex(now / 1000 - 3), hash: toHex(1, { size: 32 }) };
      return { ...block, transactions: [] } as never;
    };
    const client = createClient({ chain: chainOf(1, "http://x"), transport: custom({ request }, { retryCount: 0 }) });
    const cursors = new MemoryCursorStore();
    const database = Database.open(":memory:", { applicationId: 1, migrations: [CHAIN_SQL] });
    const pulse = new ChainPulse({
      context: { client: client as unknown as ChainClient } as OtrContext,
      account: "0x00000000000000000000000000000000000000aa",
      games: new GameStore(database),
      role: "challenger",
      cursors,
      watcher: "w",
      clock: { now: () => now, sleep: () => new Promise((resolve) => setTimeout(resolve, 2)) },
      log: silentLogger(),
    });
    const values = () =>
      Object.fromEntries(pulse.metrics().map(({ name, samples }) => [name, samples[0]?.value] as const));
    const problems = () => Object.fromEntries(pulse.readiness().map(({ name, problem }) => [name, problem]));
    expect(values()).toMatchObject({ otr_chain_head_block: undefined, otr_games_open: 0 });
    expect(problems()).toMatchObject({ chain: "no answer since the start", watcher: "nothing read yet" });
    pulse.start();
    closers.push(async () => {
      await pulse.stop();
      database.close();
    });
    const beat = () => new Promise((resolve) => setTimeout(resolve, 40));
    await beat();
    cursors.save("w", [{ number: 8n, hash: "0x" }]);
    expect(values()).toEqual({
      otr_chain_head_block: 10,
      otr_chain_head_age_seconds: 3,
      otr_chain_silence_seconds: 0,
      otr_watcher_lag_blocks: 2,
      otr_balance_ether: 2,
      otr_games_open: 0,
      otr_game_deadline_seconds: Number.POSITIVE_INFINITY,
    });
    expect(problems()).toEqual({ chain: undefined, watcher: undefined, funds: undefined });
    [head, balance] = [100n, 0n];
    await beat();
    expect(problems()).toEqual({ chain: undefined, watcher: "92 blocks behind", funds: "the account is empty" });
    away = true;
    await beat();
    now += 61_000;
    expect(values()).toMatchObject({ otr_chain_silence_seconds: 61, otr_chain_head_age_seconds: 64 });
    expect(problems()).toMatchObject({ chain: "no answer for 61 s" });
  });
});
