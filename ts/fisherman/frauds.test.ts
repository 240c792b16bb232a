import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEther, parseEventLogs } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getLogs } from "viem/actions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate, randomFault } from "../adversary/random-fault.ts";
import { ABIS } from "../chain/abis.ts";
import { openReceipt } from "../chain/committed.ts";
import { openRecord } from "../commit/batch.ts";
import { type Hex, toHex } from "../commit/bytes.ts";
import { saltKey, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { hashReceipt, hashRequest, type Receipt, type Request, STOP_REASON } from "../commit/typed-data.ts";
import { prng } from "../compiler/prng.ts";
import type { Bundle } from "../sdk/bundle.ts";
import type { Fisherman } from "./fisherman.ts";
import { Fleet, until } from "./testing/fleet.ts";
import { type Actor, Scene, TURN } from "./testing/scene.ts";
import { wordOf } from "./testing/scene-model.ts";

const FRAUDS = ["field", "length", "stop", "output", "secondAnswer", "seqReuse"] as const;
const PROMPT = [1, 2, 3];

/** How a lie is convicted: by a one-shot proof of this kind, by a game, or because demanded data stays away. */
type Way = (typeof FRAUDS)[number] | "game" | "demand";

describe("whatever an executor alters", () => {
  let scene: Scene;
  let folder: string;
  let fleet: Fleet;
  let fisher: Actor;
  let fisherman: Fisherman;
  let otherModel: Hex;
  beforeAll(async () => {
    scene = await Scene.open(41_011);
    otherModel = await scene.addModel(99);
    folder = mkdtempSync(join(tmpdir(), "otr-frauds-"));
    fleet = new Fleet(scene, folder);
    ({ fisherman, actor: fisher } = await fleet.fish("f.sqlite"));
  });
  afterAll(async () => {
    await fleet.close();
    rmSync(folder, { recursive: true });
    await scene.close();
  });

  const convicted = async ({ address }: Actor) => (await fisher.actions.getExecutor(address)).convictedAt !== 0n;

  /** By what a batch's executor was convicted. */
  const wayOf = (batchId: bigint): Promise<Way> =>
    until(async () => {
      const { frauds, availability, game } = scene.deployment.addresses;
      const logs = await getLogs(scene.client, { address: [frauds, availability, game], fromBlock: 0n });
      const [proven] = parseEventLogs({ abi: ABIS.frauds, logs, eventName: "FraudProven", args: { batchId } });
      if (proven !== undefined) return FRAUDS[proven.args.fraud];
      const unanswered = parseEventLogs({ abi: ABIS.availability, logs, eventName: "Unanswered", args: { batchId } });
      if (unanswered.length > 0) return "demand";
      const opened = parseEventLogs({ abi: ABIS.game, logs, eventName: "GameOpened" });
      const ended = parseEventLogs({ abi: ABIS.game, logs, eventName: "GameEnded" });
      const own = opened.filter(({ args }) => args.batchId === batchId).map(({ args }) => args.gameId);
      return ended.some(({ args }) => own.includes(args.gameId) && args.outcome === 0) && "game";
    });

  /** Waits until a silent executor is convicted, and lets its deadlines pass. */
  const caught = async (executor: Actor, batchId: bigint): Promise<Way> => {
    let passed = false;
    await until(async () => {
      if (await convicted(executor)) return true;
      const game = fisherman.games.open().some((open) => open.batchId === batchId);
      const demand = fisherman.cases.demands("open").some((open) => open.batchId === batchId);
      if ((game || demand) && !passed) {
        passed = true;
        await scene.chain.increaseTime({ seconds: TURN + 1 });
      }
      return false;
    });
    const { challenger } = (await fisher.actions.getConviction(executor.address))!;
    expect(challenger).toBe(fisher.address);
    return wayOf(batchId);
  };

  /** An answer whose request has changed fields; `served` is what the executor computes with instead. */
  const answer = async (executor: Actor, changes: Partial<Request> = {}, served: Partial<Request> = {}, nOut = 2) => {
    const asked = scene.ask(scene.model, PROMPT, nOut);
    const request = { ...asked.request, ...changes };
    const requestHash = hashRequest(scene.domain, request);
    const computed = { ...request, ...served };
    const key = saltKey({ ...computed, secret: computed.seed });
    const input = { ...asked.input, requestHash, saltKey: key, temperature: computed.temperature };
    const prompt = served.inputRoot === undefined ? PROMPT : [3, 2, 1];
    const made = await generate(scene.engine, { ...input, prompt }, nOut);
    const bundle = scene.item(executor.address, { request, input }, made.outputs, made.records);
    const inputRoot = toHex(tokenTree(saltKey({ ...request, secret: request.seed }), "input", PROMPT).root(TAGS.input));
    return { bundle: { ...bundle, inputTokens: PROMPT }, outputs: made.outputs, inputRoot };
  };

  const altered = (bundle: Bundle, change: Partial<Receipt>): Bundle => {
    const receipt = { ...bundle.receipt, ...change };
    return { ...bundle, receipt, receiptHash: hashReceipt(scene.domain, receipt) };
  };

  /** The bundle with both signatures, which the scene leaves out: enclave and operator are one key here. */
  const signed = async (executor: Actor, bundle: Bundle): Promise<Bundle> => {
    const signature = await privateKeyToAccount(executor.key).sign({ hash: bundle.receiptHash });
    return { ...bundle, enclaveSignature: signature, operatorSignature: signature };
  };

  describe("of its receipt", () => {
    it.each<[keyof Receipt, Way, (honest: Receipt) => Partial<Receipt>]>([
      ["modelId", "field", () => ({ modelId: otherModel })],
      ["requestHash", "demand", () => ({ requestHash: wordOf(1) })],
      ["inputRoot", "field", () => ({ inputRoot: wordOf(1) })],
      ["nIn", "field", ({ nIn }) => ({ nIn: nIn - 1 })],
      ["outputRoot", "output", () => ({ outputRoot: wordOf(1) })],
      ["nOut", "length", ({ nOut }) => ({ nOut: nOut + 1 })],
      ["nOut", "game", ({ nOut }) => ({ nOut: nOut - 1, stopReason: STOP_REASON.cancelled })],
      ["stopReason", "stop", () => ({ stopReason: STOP_REASON.stop })],
      ["stopReason", "stop", () => ({ stopReason: STOP_REASON.cancelled })],
      ["stopReason", "stop", () => ({ stopReason: 7 })],
      ["traceRoot", "game", () => ({ traceRoot: wordOf(1) })],
    ])("%s: convicted (%s)", async (_field, way, change) => {
      const executor = await scene.executor();
      const { bundle } = await answer(executor);
      const { batchId } = await scene.commit(executor, [altered(bundle, change(bundle.receipt))]);
      expect(await caught(executor, batchId)).toBe(way);
    });

    it.each<[keyof Receipt, () => Partial<Receipt>]>([
      ["machineVersion", () => ({ machineVersion: 2 })],
      ["modelId", () => ({ modelId: wordOf(1) })],
      ["executor", () => ({ executor: `0x${"05".repeat(20)}` })],
      ["expiry", () => ({ expiry: 1n })],
      ["nIn", () => ({ nIn: 0 })],
      ["nOut", () => ({ nOut: 0 })],
    ])("%s: refused, it stands for nothing (None)", async (_field, change) => {
      const executor = await scene.executor();
      const { bundle } = await answer(executor);
      const item = altered(bundle, change());
      const { batchId } = await scene.commit(executor, [item]);
      const committed = openReceipt(batchId, item.receipt, [item.receiptHash], 0);
      expect(await fisher.actions.statusOf(committed)).toBe("none");
      const record = openRecord(item.records, 0);
      const rules = await fisher.actions.getRules();
      await expect(
        fisher.actions.openGame({ rules, committed, request: item.request, step: 0, record }),
      ).rejects.toMatchObject({ errorName: "NotChallengeable", errorArgs: [item.receiptHash, 0] });
      const verdict = await until(() => {
        const found = fisherman.store.verdict(item.receiptHash);
        return found?.dispute === "wanted" || found?.dispute === "open" ? undefined : found;
      });
      expect(verdict.dispute).not.toBe("done");
      expect(await convicted(executor)).toBe(false);
    });

    it("enclaveKey: refused, the receipt of a key that is not active is never Final (None)", async () => {
      const executor = await scene.executor();
      const { bundle } = await answer(executor);
      const item = altered(bundle, { enclaveKey: fisher.address });
      const { batchId } = await scene.commit(executor, [item]);
      expect(await fisher.actions.statusOf(openReceipt(batchId, item.receipt, [item.receiptHash], 0))).toBe("none");
    });

    it("seq: convicted (seqReuse)", async () => {
      const executor = await scene.executor();
      const [first, second] = await Promise.all([answer(executor), answer(executor)]);
      const honest = await signed(executor, first.bundle);
      const reused = await signed(executor, altered(second.bundle, { seq: honest.receipt.seq }));
      await scene.commit(executor, [honest]);
      await until(() => fisherman.store.verdict(honest.receiptHash));
      const { batchId } = await scene.commit(executor, [reused]);
      expect(await caught(executor, batchId)).toBe("seqReuse");
    });

    it("commitBy: binds nobody but its executor, and clients check it", async () => {
      const executor = await scene.executor();
      const item = altered((await answer(executor)).bundle, { commitBy: 1n });
      await scene.commit(executor, [item]);
      const verdict = await until(() => fisherman.store.verdict(item.receiptHash));
      expect(verdict).toMatchObject({ verdict: "valid" });
    });
  });

  describe("of the request that it answers", () => {
    it.each<[keyof Request, Way, Partial<Request>, Partial<Request>]>([
      ["requester", "game", {}, { requester: `0x${"05".repeat(20)}` }],
      ["inputRoot", "game", {}, { inputRoot: wordOf(5) }],
      ["seed", "game", {}, { seed: wordOf(5) }],
      ["nonce", "game", {}, { nonce: 99_999n }],
      ["maxOut", "length", { maxOut: 1 }, {}],
      ["sampler", "field", { sampler: 2 }, {}],
      ["temperature", "game", { sampler: 1, temperature: 50 * 65_536 }, { temperature: 0 }],
    ])("%s: convicted (%s)", async (_field, way, asked, served) => {
      const executor = await scene.executor();
      const { bundle } = await answer(executor, asked, served, 3);
      const { batchId } = await scene.commit(executor, [bundle]);
      expect(await caught(executor, batchId)).toBe(way);
    });

    it.each<[keyof Request, Partial<Request>]>([
      ["deadline", { deadline: 5n }],
      ["confidential", { confidential: true }],
      ["watchers", { watchers: [`0x${"05".repeat(20)}`] }],
    ])("%s: convicted (demand), for the receipt is bound to the request by its hash", async (_field, change) => {
      const executor = await scene.executor();
      const { bundle } = await answer(executor);
      const { batchId } = await scene.commit(executor, [{ ...bundle, request: { ...bundle.request, ...change } }]);
      expect(await caught(executor, batchId)).toBe("demand");
    });

    it("stopTokens: a stop token inside is convicted (stop)", async () => {
      const executor = await scene.executor();
      const { outputs } = await answer(executor);
      const { bundle } = await answer(executor, { stopTokens: [outputs[0]] });
      const { batchId } = await scene.commit(executor, [bundle]);
      expect(await caught(executor, batchId)).toBe("stop");
    });

    it("stopTokens: a stop token at the end that the stop reason hides is convicted (stop)", async () => {
      const executor = await scene.executor();
      const { outputs } = await answer(executor);
      if (outputs[0] === outputs[1]) return;
      const { bundle } = await answer(executor, { stopTokens: [outputs[1]] });
      const { batchId } = await scene.commit(executor, [bundle]);
      expect(await caught(executor, batchId)).toBe("stop");
    });
  });

  it("two answers to one request: convicted (secondAnswer), though each is true", async () => {
    const executor = await scene.executor();
    const { bundle } = await answer(executor);
    const items = [
      await signed(executor, bundle),
      await signed(executor, altered(bundle, { seq: bundle.receipt.seq + 100n })),
    ];
    const { batchId } = await scene.commit(executor, items);
    expect(await caught(executor, batchId)).toBe("secondAnswer");
  });

  it("two answers in two batches, signatures of neither served: convicted (secondAnswer)", async () => {
    const executor = await scene.executor();
    const { bundle } = await answer(executor);
    await scene.commit(executor, [bundle]);
    await until(() => fisherman.store.verdict(bundle.receiptHash));
    const { batchId } = await scene.commit(executor, [altered(bundle, { seq: bundle.receipt.seq + 100n })]);
    expect(await caught(executor, batchId)).toBe("secondAnswer");
  });

  it("one seq twice in one batch, signatures of neither served: convicted (seqReuse)", async () => {
    const executor = await scene.executor();
    const [first, second] = await Promise.all([answer(executor), answer(executor)]);
    const items = [first.bundle, altered(second.bundle, { seq: first.bundle.receipt.seq })];
    const { batchId } = await scene.commit(executor, items);
    expect(await caught(executor, batchId)).toBe("seqReuse");
  });

  it("a second answer that came too late to stand for anything: the first one is convicted (secondAnswer)", async () => {
    const executor = await scene.executor();
    const { bundle } = await answer(executor);
    const { batchId } = await scene.commit(executor, [bundle]);
    await until(() => fisherman.store.verdict(bundle.receiptHash));
    await scene.commit(executor, [altered(bundle, { seq: bundle.receipt.seq + 100n, expiry: 1n })]);
    expect(await caught(executor, batchId)).toBe("secondAnswer");
  });

  it("one answer twice, or in somebody else's batch beside another in its name: nobody is accused of it", async () => {
    const [executor, liar] = await Promise.all([scene.executor(), scene.executor()]);
    const { bundle } = await answer(executor);
    const forged = altered(bundle, { seq: bundle.receipt.seq + 100n });
    await scene.commit(liar, [forged]);
    await until(() => fisherman.store.verdict(forged.receiptHash));
    const first = await scene.commit(executor, [bundle]);
    const second = await scene.commit(executor, [bundle]);
    for (const { batchId } of [first, second])
      expect(await until(() => fisherman.store.verdict(bundle.receiptHash, batchId))).toMatchObject({
        verdict: "valid",
      });
    expect([await convicted(executor), await convicted(liar)]).toEqual([false, false]);
  });

  it("an answer under a garbage output root whose records are hidden, too: convicted (output)", async () => {
    const executor = await scene.executor();
    const { bundle } = await answer(executor);
    const item = altered(bundle, { outputRoot: wordOf(8) });
    const { batchId } = await scene.commit(executor, [{ ...item, records: item.records.slice(0, 1) }]);
    expect(await caught(executor, batchId)).toBe("output");
  });

  it("a lie whose records stay hidden: convicted (game) by a walk down the trace, though the executor plays", async () => {
    const executor = await scene.executor();
    const fault = await randomFault([scene.model], "rescale", prng(5), scene.ask);
    const asked = { request: fault.request, input: fault.input };
    const item = scene.item(executor.address, asked, fault.outputs, fault.records);
    const { batchId, root } = await scene.commit(executor, [item], false);
    scene.serve(root, [{ ...item, records: item.records.slice(0, 1) }]);
    await fleet.respond(executor, [item], fault.liar);
    await until(() => convicted(executor));
    expect(await wayOf(batchId)).toBe("game");
    const games = fisherman.games.all().filter((game) => game.batchId === batchId);
    // The walk, and the game that it went on as.
    expect(games.map(({ outcome }) => outcome)).toContain(undefined);
    expect(games).toHaveLength(2);
  });

  it("data that is withheld: convicted (demand), and bond, gas and share come home", async () => {
    const executor = await scene.executor();
    const { bundle } = await answer(executor);
    const { batchId } = await scene.commit(executor, [bundle], false);
    expect(await caught(executor, batchId)).toBe("demand");
    const { airGap } = await fisher.actions.getRules();
    const rewards = () => fisherman.dues.result("reward", executor.address);
    await scene.chain.increaseTime({ seconds: Number(airGap) + 1 });
    await until(() => fisherman.dues.result("demand", `${batchId}:0`));
    expect(fisherman.dues.result("demand", `${batchId}:0`)).toBe("paid: unanswered");
    // The share waits until every case that was opened earlier must have ended.
    await scene.chain.increaseTime({ seconds: 100 * TURN });
    expect(await until(rewards)).toBe("paid");
    const { demandBond } = await fisher.actions.getRules();
    const logs = await getLogs(scene.client, { address: scene.deployment.addresses.vault, fromBlock: 0n });
    const claims = parseEventLogs({ abi: ABIS.vault, logs, eventName: "Claimed", args: { account: fisher.address } });
    const claimed = claims.reduce((sum, { args }) => sum + args.amount, 0n);
    expect(claimed).toBeGreaterThan(demandBond);
    expect(claimed).toBeLessThan(parseEther("10"));
  });
});
