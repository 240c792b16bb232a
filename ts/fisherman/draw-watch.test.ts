import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getBlock, getBlockNumber, getCode } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  getBatchDraws,
  getDrawTerms,
  getStepClaim,
  getStrip,
  linkCall,
  postStepCall,
  provePairsCall,
} from "../chain/actions/draws.ts";
import { openReceipt } from "../chain/committed.ts";
import { type OtrContext, read } from "../chain/context.ts";
import { findPayouts } from "../chain/find-payouts.ts";
import { systemClock } from "../chain/time.ts";
import { VERIFIER_KEYS } from "../circuits/verifier-keys.ts";
import type { Hex } from "../commit/bytes.ts";
import { hashReceipt } from "../commit/typed-data.ts";
import { silentLogger } from "../config/logger.ts";
import { configSchema } from "../config/schema.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { deliveryOf, type RoundOptions, roundValue } from "../spotcheck/rounds.ts";
import type { Database } from "../store/database.ts";
import { DrawWatch } from "./draw-watch.ts";
import { FishermanStore, openFishermanDatabase } from "./store.ts";
import { Crew, until } from "./testing/crew.ts";
import { type Actor, Scene } from "./testing/scene.ts";

const TURN = 600;
/** Seconds in which a round becomes due. */
const ROUND = 8;
const DRAWS = { circuitKeys: VERIFIER_KEYS, drawStride: 1, drawPairs: 2, drawDelta: 0, drawEpoch: 1 };

/** Counts calls of contracts. */
function counting({ context }: Actor) {
  const count = { calls: 0 };
  const client = new Proxy(context.client, {
    get(target, key, receiver) {
      if (key !== "request") return Reflect.get(target, key, receiver);
      return (body: { method: string }, ...rest: never[]) => {
        if (body.method === "eth_call") count.calls++;
        return (target.request as (...all: unknown[]) => unknown)(body, ...rest);
      };
    },
  });
  return { context: { ...context, client }, count };
}

describe("draws that nobody answers", () => {
  let scene: Scene;
  let folder: string;
  let crew: Crew;
  let court: Hex;
  const databases: Database[] = [];

  beforeAll(async () => {
    scene = await Scene.open(41_041, TURN, DRAWS);
    await scene.chain.setIntervalMining({ interval: 1 });
    court = (await (await scene.actor()).actions.getRules()).spotChecks;
  }, 300_000);
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-draw-watch-"));
    crew = new Crew(scene, folder);
  });
  afterEach(async () => {
    await crew.close();
    for (const database of databases.splice(0)) database.close();
    rmSync(folder, { recursive: true });
  });

  const chain = () => ({ client: scene.client, addresses: scene.deployment.addresses });
  const convicted = async ({ address, actions }: Actor) => (await actions.getExecutor(address)).convictedAt !== 0n;
  const head = () => getBlock(scene.client);

  /** An executor with a committed batch. */
  async function drawn(items?: (executor: Actor) => Promise<Bundle[]>) {
    const executor = await scene.executor();
    const bundles = (await items?.(executor)) ?? [await scene.answer(executor.address)];
    const { batchId, root } = await scene.commit(executor, bundles);
    return { executor, bundles, batchId, root };
  }

  /** The part of a fisherman that watches draws, over batches that it has heard of. */
  async function watching(
    batches: readonly Awaited<ReturnType<typeof drawn>>[],
    options: { draws?: object; rounds?: RoundOptions; name?: string; actor?: Actor; context?: OtrContext } = {},
  ) {
    const database = openFishermanDatabase(join(folder, options.name ?? "w.sqlite"));
    databases.push(database);
    const store = new FishermanStore(database);
    const actor = options.actor ?? (await scene.actor());
    const { fisherman: settings } = configSchema.parse({
      fisherman: { draws: { deliverAfterSeconds: 0, ...options.draws } },
    });
    const watch = new DrawWatch({
      context: options.context ?? actor.context,
      ...{ database, store, settings, clock: systemClock, log: silentLogger(), rounds: options.rounds },
    });
    const block = await getBlockNumber(scene.client);
    for (const { batchId, root, bundles, executor } of batches) {
      const batch = { executor: executor.address, root, count: bundles.length };
      store.addBatch({ ...batch, id: batchId, block });
      watch.open.note({ ...batch, batchId } as never, block);
    }
    const signal = new AbortController().signal;
    const tick = async (ahead = 0n) => {
      const { number, timestamp } = await head();
      watch.open.sawBlock({ number, timestamp: timestamp + ahead });
      await watch.tick(signal);
    };
    const lookAt = (batchId: bigint) =>
      database.get("SELECT look_at, settled FROM draws WHERE batch_id = ?", batchId.toString());
    return { watch, actor, database, tick, lookAt };
  }

  async function later(seconds: number) {
    await scene.chain.increaseTime({ seconds });
    await scene.chain.mine({ blocks: 1 });
  }

  const known = async (batchId: bigint) => {
    const { randomness } = await getDrawTerms(chain(), court);
    const { round } = await getBatchDraws(chain(), court, batchId);
    return roundValue(chain(), randomness, round);
  };

  it("convict by a fisherman alone, who brings the round, is killed, and gets its gas back", async () => {
    const { executor, batchId } = await drawn();
    const account = await crew.account();
    const before = await getBlockNumber(scene.client, { cacheTime: 0 });
    const settings = { draws: { deliverAfterSeconds: 0 } };
    const first = await crew.fish({ account, settings });
    await until(() => known(batchId));
    expect(await convicted(executor)).toBe(false);
    await first.stop();
    await later(TURN);
    const last = await crew.fish({ account, settings });
    await until(() => convicted(executor));
    const payouts = () => findPayouts(chain(), { account: account.address, fromBlock: 0n });
    const [payout] = await until(async () => (await payouts()).length > 0 && payouts());
    expect(payout).toMatchObject({ kind: "draw", batchId, state: "missed", own: true, executor: executor.address });
    const { airGap } = await executor.actions.getRules();
    await later(Number(airGap) + 1);
    expect(await until(() => last.fisherman.dues.result("draw", batchId.toString()))).toBe("paid");
    expect(await payouts()).toEqual([]);
    await last.stop();
    // The round, the conviction, the gas, what the vault owed: none twice, none in vain.
    const sent = await crew.sentBy(account.address, before);
    expect(sent.every(({ status }) => status === "success")).toBe(true);
    expect(new Set(sent.map(({ input }) => input.slice(0, 10))).size).toBe(sent.length);
  }, 120_000);

  it("convict again after a reorganisation has undone it", async () => {
    const { executor, batchId } = await drawn();
    const { fisherman } = await crew.fish({ settings: { draws: { deliverAfterSeconds: 0 } } });
    await until(() => known(batchId));
    const snapshot = await scene.snapshot();
    await later(TURN);
    await until(() => convicted(executor));
    await scene.revert(snapshot);
    expect(await convicted(executor)).toBe(false);
    await later(TURN);
    await until(() => convicted(executor));
    const open = () => fisherman.metrics().find(({ name }) => name === "otr_draws_open_batches")?.samples[0]?.value;
    await until(() => open() === 0);
  }, 120_000);

  it("convict whether the step was never posted, or never proven: both rounds are brought", async () => {
    const batch = await drawn();
    const { executor, batchId, bundles } = batch;
    const [bundle] = bundles as [Bundle];
    const { tick, lookAt } = await watching([batch]);
    await later(ROUND);
    await tick();
    expect(await known(batchId)).toBeDefined();
    const committed = openReceipt(batchId, bundle.receipt, [bundle.receiptHash], 0);
    await executor.context.sender.send(postStepCall(court, committed, 7n));
    await later(TURN);
    // The turn of the first round is over; now the proofs are owed, by a round that only the fisherman brings.
    await tick();
    expect(await convicted(executor)).toBe(false);
    const { deadline, state } = await getStrip(chain(), court, batchId, 0);
    expect(state).toBe("posted");
    await tick();
    expect(lookAt(batchId)).toMatchObject({ look_at: Number(deadline), settled: null });
    const { timestamp } = await head();
    expect(deadline).toBeLessThanOrEqual(timestamp + BigInt(TURN));
    await later(TURN + 1);
    await tick();
    expect(await convicted(executor)).toBe(true);
  }, 120_000);

  it("leave alone who answers, and whose batch is not due", async () => {
    const honest = await drawn(async ({ address }) => [await scene.answer(address), await scene.answer(address, [4])]);
    const { executor, batchId, bundles } = honest;
    const cheater = await drawn();
    const { tick, lookAt, watch } = await watching([honest, cheater]);
    await later(ROUND);
    await tick();
    const hashes = bundles.map(({ receiptHash }) => receiptHash);
    for (const [index, { receipt }] of bundles.entries()) {
      const committed = openReceipt(batchId, receipt, hashes, index);
      await executor.context.sender.send(postStepCall(court, committed, 7n));
    }
    await later(TURN - 60);
    await tick();
    expect(await convicted(cheater.executor)).toBe(false);
    await later(60);
    await tick();
    expect([await convicted(executor), await convicted(cheater.executor)]).toEqual([false, true]);
    expect(lookAt(cheater.batchId)?.settled).not.toBe(null);
    expect(watch.open.open).toBe(1);
  }, 120_000);

  it("are only reported without an account, or where that is switched off", async () => {
    const batch = await drawn();
    const { executor, batchId } = batch;
    const blind = await watching([batch], { name: "blind.sqlite", context: chain() });
    const meek = await watching([batch], { name: "meek.sqlite", draws: { convict: false, deliver: false } });
    const { roundTimeout } = await getDrawTerms(chain(), court);
    await later(ROUND);
    for (const { tick } of [blind, meek]) await tick();
    expect(await known(batchId)).toBeUndefined();
    await later(Number(roundTimeout) + 1);
    for (const { tick, lookAt } of [blind, meek]) {
      await tick();
      expect(lookAt(batchId)?.look_at).toBeGreaterThan(Number((await head()).timestamp));
    }
    expect(await convicted(executor)).toBe(false);
    // A round that nobody brings is missed like any other draw.
    const bold = await watching([batch], { name: "bold.sqlite", draws: { deliver: false } });
    await bold.tick();
    expect(await convicted(executor)).toBe(true);
    expect(await known(batchId)).toBeUndefined();
    // The others find nothing left to do.
    await later(3601);
    for (const { tick, lookAt } of [blind, meek]) {
      await tick();
      expect(lookAt(batchId)?.settled).not.toBe(null);
    }
  }, 120_000);

  it("wait for a round that cannot be had, and for deadlines that an outage has moved", async () => {
    const batch = await drawn();
    const { executor, batchId } = batch;
    const developmentValue = () => {
      throw new Error("silent");
    };
    const silent = await watching([batch], { name: "silent.sqlite", rounds: { developmentValue } });
    await later(ROUND);
    await silent.tick();
    const { timestamp } = await head();
    expect(Number(silent.lookAt(batchId)?.look_at)).toBeGreaterThanOrEqual(Number(timestamp) + 50);
    const { tick, lookAt } = await watching([batch]);
    await tick();
    expect(await known(batchId)).toBeDefined();
    // As if the contract's deadline were another one: it has the last word.
    await tick(BigInt(TURN) + 10n);
    expect(await convicted(executor)).toBe(false);
    const look = Number(lookAt(batchId)?.look_at);
    expect(look).toBeGreaterThan(Number(timestamp) + TURN);
  }, 120_000);

  it("are brought by one of many fishermen: each waits for a time of its own, half of the timeout at most", async () => {
    const batch = await drawn();
    const { randomness, roundTimeout } = await getDrawTerms(chain(), court);
    const { round } = await getBatchDraws(chain(), court, batch.batchId);
    const looks = new Set<number>();
    for (let n = 0; n < 5; n++) {
      const { tick, lookAt } = await watching([batch], { name: `${n}.sqlite`, draws: { deliverAfterSeconds: 100 } });
      await tick();
      looks.add(Number(lookAt(batch.batchId)!.look_at));
    }
    expect(looks.size).toBeGreaterThan(1);
    const { tick, lookAt } = await watching([batch], { draws: { deliverAfterSeconds: 10 ** 6 } });
    await tick();
    const dueAt = Number(await read(chain(), "randomness", "dueAt", [round], { address: randomness }));
    expect(Number(lookAt(batch.batchId)!.look_at)).toBe(dueAt + Number(roundTimeout) / 2);
    expect(Math.min(...looks)).toBeGreaterThanOrEqual(dueAt + 100);
    expect(Math.max(...looks)).toBeLessThan(dueAt + 200);
  }, 120_000);

  it("never were, once the batch was dropped, or its rules draw nothing", async () => {
    const batch = await drawn();
    const { tick, database, watch } = await watching([batch]);
    // A batch that nobody knows: of a machine that lags at first, then it is gone.
    const block = await getBlockNumber(scene.client);
    watch.open.note({ batchId: 999_999n, root: batch.root, count: 1 } as never, block);
    await tick();
    expect(watch.open.open).toBe(2);
    await scene.chain.mine({ blocks: 70 });
    await later(20);
    await tick();
    const row = database.get("SELECT settled FROM draws WHERE batch_id = '999999'");
    expect(row?.settled).not.toBe(null);
    await scene.chain.mine({ blocks: 70 });
    await tick();
    expect(database.get("SELECT closed FROM draws WHERE batch_id = '999999'")).toEqual({ closed: 1 });
  }, 120_000);

  it("cost an endpoint nothing before they are due, however many there are, after a restart, too", async () => {
    const batch = await drawn();
    const actor = await scene.actor();
    const { context, count } = counting(actor);
    const options = { actor, context, draws: { deliverAfterSeconds: 200 } };
    const first = await watching([batch], options);
    await first.tick();
    const { look_at: lookAt } = first.lookAt(batch.batchId)!;
    for (let n = 0; n < 5000; n++) {
      const sql = "INSERT INTO draws (batch_id, root, count, block, look_at) VALUES (?, ?, 1, 0, ?)";
      first.database.run(sql, `${10 ** 6 + n}`, batch.root, lookAt);
    }
    databases.pop()!.close();
    const second = await watching([], options);
    const before = count.calls;
    for (let n = 0; n < 20; n++) await second.tick();
    expect(count.calls).toBe(before);
    expect(second.watch.open.open).toBe(5001);
  }, 120_000);

  it("count where the claim of another batch answers them", async () => {
    const first = await drawn();
    const { executor, bundles } = first;
    const other = await scene.answer(executor.address, [4]);
    const both = [...bundles, other];
    await later(ROUND);
    const { batchId, root } = await scene.commit(executor, both);
    const { tick } = await watching([first, { executor, bundles: both, batchId, root }]);
    const { sender } = executor.context;
    const { verifier, randomness } = await getDrawTerms(chain(), court);
    await later(ROUND);
    await tick();
    // Any proof is right from here on: what is proven does not matter to who watches.
    const bytecode = (await getCode(scene.client, { address: verifier }))!;
    await scene.chain.setCode({ address: verifier, bytecode: "0x00" });
    const [{ receipt }] = bundles as [Bundle];
    const opened = (batch: bigint, items: readonly Bundle[], index: number) =>
      openReceipt(
        batch,
        items[index]!.receipt,
        items.map((item) => item.receiptHash),
        index,
      );
    const { round } = await getBatchDraws(chain(), court, first.batchId);
    const { round: second } = await getBatchDraws(chain(), court, batchId);
    expect(second).toBeGreaterThan(round);
    await sender.send(postStepCall(court, opened(first.batchId, bundles, 0), 7n));
    await sender.send(postStepCall(court, opened(batchId, both, 1), 7n));
    await later(ROUND);
    const proofs = [0, 1].map((pair) => ({ pair, opening: "0x", proofs: "0x" }) as const);
    for (const at of [
      { receipt, round },
      { receipt: other.receipt, round: second },
    ]) {
      const claim = (await getStepClaim(chain(), court, hashReceipt(scene.domain, at.receipt), at.round))!;
      const call = await deliveryOf(chain(), randomness, claim.pairsRound);
      if (call !== undefined) await sender.send(call);
      await sender.send(provePairsCall(court, [{ ...at, proven: proofs }]));
    }
    await sender.send(linkCall(court, opened(batchId, both, 0), round));
    expect((await getStrip(chain(), court, batchId, 0)).state).toBe("proven");
    await later(TURN);
    await tick();
    await scene.chain.setCode({ address: verifier, bytecode });
    expect((await getBatchDraws(chain(), court, batchId)).settled).toBe(true);
    expect(await convicted(executor)).toBe(false);
  }, 120_000);
});
