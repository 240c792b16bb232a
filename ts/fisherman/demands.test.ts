import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePrivateKey } from "viem/accounts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Bundle } from "../sdk/bundle.ts";
import { Fleet, until } from "./testing/fleet.ts";
import { type Actor, Scene, TURN } from "./testing/scene.ts";
import { wordOf } from "./testing/scene-model.ts";

describe("demands for data", () => {
  let scene: Scene;
  let folder: string;
  let fleet: Fleet;
  beforeAll(async () => {
    scene = await Scene.open(41_012);
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-demands-"));
    fleet = new Fleet(scene, folder);
  });
  afterEach(async () => {
    await fleet.close();
    rmSync(folder, { recursive: true });
  });

  const convicted = async ({ address, actions }: Actor) => (await actions.getExecutor(address)).convictedAt !== 0n;
  const verdictOf = ({ receiptHash }: Bundle, { store }: { store: { verdict(hash: string): unknown } }) =>
    store.verdict(receiptHash as never) as { verdict: string; dispute: string } | undefined;

  it("are answered from the executor's store, judged like a download, and paid for", async () => {
    const executor = await scene.executor();
    const items = [await scene.answer(executor.address), await scene.answer(executor.address, [4, 5])];
    const { batchId, root } = await scene.commit(executor, items, false);
    const { dues } = await fleet.answerer(executor, items, root);
    const { fisherman } = await fleet.fish("f.sqlite", { executors: [executor.address] });
    for (const item of items)
      expect(await until(() => verdictOf(item, fisherman))).toMatchObject({ verdict: "valid", dispute: "none" });
    expect(await convicted(executor)).toBe(false);
    const { airGap, challengeWindow } = await executor.actions.getRules();
    await scene.chain.increaseTime({ seconds: Number(airGap) + 1 });
    for (const index of [0, 1])
      expect(await until(() => dues.result("demand", `${batchId}:${index}`))).toBe("paid: answered");
    // Windows are longer for demanded leaves; in the end the locks are free again.
    await scene.chain.increaseTime({ seconds: 2 * Number(challengeWindow) });
    expect(await until(() => dues.result("batch", batchId.toString()))).toBe("released");
    expect((await executor.actions.getExecutor(executor.address)).locked).toBe(0n);
  });

  it("show a lie even if nothing was ever served: what is posted convicts", async () => {
    const executor = await scene.executor();
    const honest = await scene.answer(executor.address);
    const lie = await scene.answer(executor.address, [4, 5], 2, { outputRoot: wordOf(9) });
    const items = [honest, lie];
    const { root } = await scene.commit(executor, items, false);
    await fleet.answerer(executor, items, root);
    const { fisherman } = await fleet.fish("f.sqlite", { executors: [executor.address] });
    await until(() => convicted(executor));
    expect(await until(() => verdictOf(lie, fisherman))).toMatchObject({ verdict: "invalid" });
  });

  it("are made for single leaves whose content is withheld, and by nobody who may not", async () => {
    const executor = await scene.executor();
    const [shown, hidden] = [await scene.answer(executor.address), await scene.answer(executor.address, [6])];
    const { batchId, root } = await scene.commit(executor, [shown, hidden], false);
    scene.serve(root, [shown, { ...hidden, inputTokens: [7] }]);
    const settings = { executors: [executor.address] };
    const silent = await fleet.fish("silent.sqlite", { ...settings, demands: false });
    expect(await until(() => verdictOf(hidden, silent.fisherman))).toMatchObject({ verdict: "unavailable" });
    const dear = await fleet.fish("dear.sqlite", { ...settings, maxDemandBondEther: 1e-9 });
    expect(await until(() => verdictOf(hidden, dear.fisherman))).toMatchObject({ verdict: "unavailable" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { availability } = await executor.actions.getRules();
    const demand = (index: number) => executor.actions.getDemand({ availability, batchId, index });
    expect([(await demand(0)).state, (await demand(1)).state]).toEqual(["none", "none"]);
    const { actor } = await fleet.fish("f.sqlite", settings);
    await until(async () => (await demand(1)).state === "open");
    expect((await demand(0)).state).toBe("none");
    expect((await demand(1)).demander).toBe(actor.address);
    await scene.chain.increaseTime({ seconds: TURN + 1 });
    await until(() => convicted(executor));
  });

  it("are no spam: what confidential answers hide is not demanded", async () => {
    const executor = await scene.executor();
    const item = await scene.answer(executor.address);
    const { batchId, root } = await scene.commit(executor, [item], false);
    scene.serveHeads(root, [item]);
    const { fisherman } = await fleet.fish("f.sqlite", { executors: [executor.address] });
    expect(await until(() => verdictOf(item, fisherman))).toMatchObject({ verdict: "unavailable" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { availability } = await executor.actions.getRules();
    const state = async () => (await executor.actions.getDemand({ availability, batchId, index: 0 })).state;
    expect(await state()).toBe("none");
    // Whoever wants to can have its fields judged all the same.
    await fleet.fish("g.sqlite", { executors: [executor.address], demandConfidential: true });
    await until(async () => (await state()) === "open");
  });

  it("and proofs survive a crash between any two steps: one demand, one announcement, one conviction each", async () => {
    const executor = await scene.executor();
    const lie = await scene.answer(executor.address, [1, 2], 2, { stopReason: 0 });
    await scene.commit(executor, [lie]);
    const key = generatePrivateKey();
    const settings = { executors: [executor.address] };
    const address = (await scene.actor(undefined, key)).address;
    const before = await scene.sent(address);
    for (let life = 0; !(await convicted(executor)); life++) {
      const { stop } = await fleet.fish("c.sqlite", settings, key);
      await new Promise((resolve) => setTimeout(resolve, 30 * life));
      await stop();
    }
    const { fisherman } = await fleet.fish("c.sqlite", settings, key);
    await until(() => fisherman.store.verdict(lie.receiptHash)?.dispute === "done");
    // The announcement and the proof.
    expect((await scene.sent(address)) - before).toBe(2);
  });
});
