import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getContractEvents } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { generate } from "../adversary/random-fault.ts";
import { ABIS } from "../chain/abis.ts";
import { getBatchDraws, getDrawTerms, getStrip, missedCall } from "../chain/actions/draws.ts";
import type { OtrContext } from "../chain/context.ts";
import type { Sender } from "../chain/sender.ts";
import { systemClock } from "../chain/time.ts";
import type { CircuitInputs } from "../circuits/calculator.ts";
import type { CircuitName } from "../circuits/catalogue.ts";
import { committedFiles, ProcessProver, type Prover } from "../circuits/claim-prover.ts";
import { provingKey } from "../circuits/keys.ts";
import { VERIFIER_KEYS } from "../circuits/verifier-keys.ts";
import { weightsOpener } from "../circuits/weights-opener.ts";
import { type Hex, toHex, word } from "../commit/bytes.ts";
import { hashRequest } from "../commit/typed-data.ts";
import { createLogger } from "../config/logger.ts";
import { type Actor, Scene } from "../fisherman/testing/scene.ts";
import { sceneModel } from "../fisherman/testing/scene-model.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { instructionOf } from "../spotcheck/draws.ts";
import { deliveryOf } from "../spotcheck/rounds.ts";
import { Database } from "../store/database.ts";
import { ExecutorStore } from "../store/executor-store.ts";
import { DrawResponder } from "./draw-responder.ts";

const PAIRS = 2;
const TURN = 600;
const LOG = createLogger("test", { level: (process.env.OTR_TEST_LOG as "info") ?? "silent", format: "text" });

/** What `map` proves by itself: other kinds have keys of their own, whose making takes longer (ts/circuits/answer.chain.test.ts has all of them). */
const MAPS = ["rms", "norm", "quantize", "dequant", "add", "rescale", "exp2", "divide", "gate"] as const;

async function until<T>(look: () => Promise<T | undefined | false>, what: string, ms = 120_000): Promise<T> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await systemClock.sleep(50);
  }
  throw new Error(`not within ${ms / 1000} s: ${what}`);
}

describe("draws", () => {
  let scene: Scene;
  let folder: string;
  const running: DrawResponder[] = [];
  const { content, weightsTreeP } = sceneModel();

  beforeAll(async () => {
    await provingKey("map");
    const draws = { circuitKeys: VERIFIER_KEYS, drawStride: 1, drawPairs: PAIRS, drawDelta: 0, drawEpoch: 1 };
    scene = await Scene.open(41_031, TURN, draws);
    // Rounds are due by the chain's clock.
    await scene.chain.setIntervalMining({ interval: 1 });
  }, 600_000);
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-draws-"));
  });
  afterEach(async () => {
    for (const responder of running.splice(0)) await responder.stop();
    rmSync(folder, { recursive: true });
  });

  /** A value by which all pairs of these receipts are maps. */
  function mapsOnly(items: readonly Bundle[]): Hex {
    const { instructions } = content.program;
    const opcodes: readonly number[] = MAPS.map((name) => INSTRUCTIONS[name].opcode);
    const pairs = Array.from({ length: PAIRS }, (_, pair) => pair);
    for (let n = 1; ; n++) {
      const value = toHex(word(n));
      const drawn = items.flatMap(({ receiptHash }) =>
        pairs.map((pair) => instructions[instructionOf(value, receiptHash, pair, instructions.length)]!),
      );
      if (drawn.every(({ opcode, role }) => opcodes.includes(opcode) && role === 0)) return value;
    }
  }

  /** Starts the responder over the executor's store, which knows these answers. */
  async function respond(
    executor: { readonly address: Hex; readonly context: OtrContext },
    items: readonly Bundle[],
    root: Hex,
    prover: Prover,
  ) {
    const database = Database.open(join(folder, "e.sqlite"), ExecutorStore.schema);
    const leaves = items.map(({ receiptHash }) => receiptHash);
    const responder = new DrawResponder({
      context: executor.context,
      executor: executor.address,
      database,
      log: LOG,
      prover,
      models: async () => ({
        engine: scene.engine,
        disputed: scene.model,
        weights: async () => weightsOpener(content.weights, weightsTreeP),
      }),
      rounds: { developmentValue: () => mapsOnly(items) },
      fromBlock: 0n,
      pollMs: 50,
    });
    const byHash = new Map(items.map((item) => [item.receiptHash, item]));
    await responder.start({
      bundle: (hash) => byHash.get(hash),
      leaves: (wanted) => (wanted === root ? leaves : undefined),
      batchRoot: (hash) => (byHash.has(hash) ? root : undefined),
    });
    running.push(responder);
    return { responder, database };
  }

  const never: Prover = {
    prove: async () => {
      throw new Error("nothing is to be proven");
    },
    close() {},
  };
  const courtOf = async ({ actions }: Actor) => (await actions.getRules()).spotChecks;
  const settled = (executor: Actor, batchId: bigint) => async () =>
    (await getBatchDraws(executor.context, await courtOf(executor), batchId)).settled;

  it("are answered: step, proofs, and the batch settles", async () => {
    const executor = await scene.executor();
    const items = [await scene.answer(executor.address), await scene.answer(executor.address, [4, 5, 6], 3)];
    const { batchId, root } = await scene.commit(executor, items, false);
    expect(await settled(executor, batchId)()).toBe(false);
    await respond(executor, items, root, new ProcessProver(committedFiles()));
    await until(settled(executor, batchId), "the batch is settled");
    const { drawn, answered } = await getBatchDraws(executor.context, await courtOf(executor), batchId);
    expect([drawn, answered]).toEqual([2, 2]);
    const proven = await provenIn(executor, items);
    expect(proven).toHaveLength(2);
    expect(new Set(proven).size, "one transaction").toBe(1);
  }, 300_000);

  /** The transactions that proved pairs of these receipts. */
  async function provenIn(executor: Actor, items: readonly Bundle[]): Promise<Hex[]> {
    const hashes = items.map(({ receiptHash }) => receiptHash);
    const events = await getContractEvents(executor.context.client, {
      ...{ address: await courtOf(executor), abi: ABIS.spotChecks, eventName: "PairsProven", fromBlock: 0n },
    });
    return events
      .filter(({ args }) => hashes.includes((args as { receiptHash: Hex }).receiptHash))
      .map(({ transactionHash }) => transactionHash);
  }

  const proofsKept = (database: Database) => Number(database.get("SELECT count(*) AS n FROM draw_proofs")!.n);

  it("are proven together by a process that comes after one that was ended before it could send", async () => {
    const executor = await scene.executor();
    const items = [await scene.answer(executor.address, [2, 3], 2), await scene.answer(executor.address, [3, 4], 2)];
    const { batchId, root } = await scene.commit(executor, items, false);
    const { sender } = executor.context;
    const withoutProofs: Sender = {
      address: sender.address,
      async send(call, options) {
        if (call.name.endsWith("provePairs")) throw new Error("killed");
        return sender.send(call, options);
      },
    };
    const context = { ...executor.context, sender: withoutProofs };
    const real = new ProcessProver(committedFiles());
    const first = await respond({ address: executor.address, context }, items, root, real);
    await until(async () => proofsKept(first.database) === 2 * PAIRS, "all proofs are kept");
    await first.responder.stop();
    first.database.close();
    expect(await provenIn(executor, items)).toEqual([]);
    const { database } = await respond(executor, items, root, never);
    await until(settled(executor, batchId), "the batch is settled");
    await until(async () => proofsKept(database) === 0, "what has done its work is not kept");
    expect(new Set(await provenIn(executor, items)).size, "one transaction").toBe(1);
  }, 300_000);

  it("that are proven do not wait for one whose proof does not come", async () => {
    const executor = await scene.executor();
    const items = [await scene.answer(executor.address, [5, 3], 2), await scene.answer(executor.address, [6, 4], 2)];
    const { batchId, root } = await scene.commit(executor, items, false);
    const real = new ProcessProver(committedFiles());
    let made = 0;
    let giveUp: (reason: Error) => void = () => undefined;
    const prover: Prover = {
      prove(circuit, inputs) {
        if (made++ < PAIRS) return real.prove(circuit, inputs);
        return new Promise((_, reject) => {
          giveUp = reject;
        });
      },
      close() {
        real.close();
        giveUp(new Error("closed"));
      },
    };
    await respond(executor, items, root, prover);
    await until(async () => made > PAIRS, "the second receipt's proofs are being made");
    await systemClock.sleep(1000);
    expect(await provenIn(executor, items)).toEqual([]);
    await scene.chain.increaseTime({ seconds: TURN / 2 });
    await until(async () => (await provenIn(executor, items)).length === 1, "the first one's are sent");
    const court = await courtOf(executor);
    expect((await getBatchDraws(executor.context, court, batchId)).answered).toBe(1);
  }, 300_000);

  it("go on where a process was ended: proofs that were made are not made again", async () => {
    const executor = await scene.executor();
    const items = [await scene.answer(executor.address, [7, 8], 2)];
    const { batchId, root } = await scene.commit(executor, items, false);
    const made: string[] = [];
    const real = new ProcessProver(committedFiles());
    /** Ends itself after a proof, as a process that is killed. */
    const prover = (most: number): Prover => ({
      async prove(circuit: CircuitName, inputs: CircuitInputs) {
        if (made.length === most) throw new Error("killed");
        made.push(circuit);
        return real.prove(circuit, inputs);
      },
      close() {},
    });
    const first = await respond(executor, items, root, prover(1));
    await until(
      async () => made.length === 1 && first.database.get("SELECT 1 AS n FROM draw_proofs"),
      "a proof is kept",
    );
    await first.responder.stop();
    first.database.close();
    await respond(executor, items, root, prover(PAIRS));
    await until(settled(executor, batchId), "the batch is settled");
    expect(made).toHaveLength(PAIRS);
    real.close();
  }, 300_000);

  it("of confidential answers are answered by their request alone", async () => {
    const executor = await scene.executor();
    const asked = scene.ask(scene.model, [1, 2, 3], 2);
    const request = { ...asked.request, confidential: true };
    const input = { ...asked.input, requestHash: hashRequest(scene.domain, request) };
    const { outputs, records } = await generate(scene.engine, input, 2);
    const items = [scene.item(executor.address, { request, input }, outputs, records)];
    const { batchId, root } = await scene.commit(executor, items, false);
    await respond(executor, items, root, never);
    await until(settled(executor, batchId), "the batch is settled");
  }, 300_000);

  it("are given up, and said to be, once their time is over", async () => {
    const executor = await scene.executor();
    const items = [await scene.answer(executor.address)];
    const { batchId, root } = await scene.commit(executor, items, false);
    const court = await courtOf(executor);
    const { sender } = executor.context;
    const { randomness } = await getDrawTerms(executor.context, court);
    const { round } = await getBatchDraws(executor.context, court, batchId);
    await until(async () => {
      const call = await deliveryOf(executor.context, randomness, round);
      return call && sender.send(call);
    }, "the round is delivered");
    await scene.chain.increaseTime({ seconds: 2 * TURN });
    const { responder } = await respond(executor, items, root, never);
    const missed = () => responder.metrics().find(({ name }) => name === "otr_draws_missed")?.samples[0]?.value;
    await until(async () => missed() === 1, "the draw is given up");
    await systemClock.sleep(500);
    expect(missed()).toBe(1);
  }, 300_000);

  it("convict whoever lets them pass: anybody may say so", async () => {
    const executor = await scene.executor();
    const stranger = await scene.actor();
    const items = [await scene.answer(executor.address)];
    const { batchId } = await scene.commit(executor, items, false);
    const court = await courtOf(executor);
    const terms = await getDrawTerms(executor.context, court);
    expect(terms).toMatchObject({ stride: 1, pairs: PAIRS, turnDuration: BigInt(TURN) });
    const { sender } = stranger.context;
    await expect(sender.send(missedCall(court, batchId, 0))).rejects.toThrow("NotMissed");
    // Nobody brings the round, nobody posts the step.
    await scene.chain.increaseTime({ seconds: 3 * TURN });
    await scene.chain.mine({ blocks: 1 });
    await sender.send(missedCall(court, batchId, 0));
    expect((await executor.actions.getExecutor(executor.address)).convictedAt).not.toBe(0n);
    expect((await getStrip(executor.context, court, batchId, 0)).state).toBe("unknown");
  }, 300_000);
});

describe("draws that are not due", () => {
  it("are not asked for: however many batches wait, an endpoint hears of each once", async () => {
    const folder = mkdtempSync(join(tmpdir(), "otr-draws-"));
    const draws = { circuitKeys: VERIFIER_KEYS, drawStride: 1, drawPairs: PAIRS, drawDelta: 3600, drawEpoch: 3600 };
    const scene = await Scene.open(41_032, TURN, draws);
    const executor = await scene.executor();
    for (let n = 0; n < 3; n++) await scene.commit(executor, [await scene.answer(executor.address)], false);
    let calls = 0;
    const { client } = executor.context;
    const counted = new Proxy(client, {
      get(target, key, receiver) {
        if (key !== "request") return Reflect.get(target, key, receiver);
        return (body: { method: string }, ...rest: never[]) => {
          if (body.method === "eth_call") calls++;
          return (target.request as (...all: unknown[]) => unknown)(body, ...rest);
        };
      },
    });
    const database = Database.open(join(folder, "e.sqlite"), ExecutorStore.schema);
    const responder = new DrawResponder({
      context: { ...executor.context, client: counted },
      executor: executor.address,
      database,
      log: LOG,
      prover: { prove: () => Promise.reject(new Error("nothing is to be proven")), close() {} },
      models: async () => undefined,
      fromBlock: 0n,
      pollMs: 20,
    });
    await responder.start({ bundle: () => undefined, leaves: () => undefined, batchRoot: () => undefined });
    const open = () => database.all("SELECT 1 AS n FROM draws").length;
    await until(async () => open() === 3, "the batches are known");
    await systemClock.sleep(500);
    const before = calls;
    await systemClock.sleep(1000);
    expect(calls - before).toBe(0);
    await responder.stop();
    await scene.close();
    rmSync(folder, { recursive: true });
  }, 300_000);
});
