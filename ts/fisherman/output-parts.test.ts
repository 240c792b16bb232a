import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getBlockNumber } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { outputPartSize } from "../chain/actions/parts.ts";
import type { Hex } from "../commit/bytes.ts";
import { SENTINEL_TOKEN, saltOf } from "../commit/record.ts";
import type { ModelSource } from "../dispute/answer.ts";
import { Crew, type FishOptions, until } from "./testing/crew.ts";
import { type Actor, Scene } from "./testing/scene.ts";
import { sceneModel, wordOf } from "./testing/scene-model.ts";

/** Longer than any part. */
const LONG = 9000;
const PROMPT = [1, 2, 3];

describe("a wrong output root over more tokens than a transaction holds", () => {
  let scene: Scene;
  let folder: string;
  let crew: Crew;
  let modelId: Hex;
  beforeAll(async () => {
    scene = await Scene.open(41_063);
    // The scene's model with room for long answers; nothing here runs it.
    const { instructions, manifest } = sceneModel();
    const { actions } = await scene.actor();
    ({ modelId } = await actions.registerModel({ ...manifest, contextLength: 2 * LONG, tokenizerHash: wordOf(77) }));
    await actions.validateProgram({ modelId, instructions });
    // A proof is taken at a later timestamp than its announcement: blocks must come.
    await scene.chain.setIntervalMining({ interval: 1 });
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-output-"));
    crew = new Crew(scene, folder);
  });
  afterEach(async () => {
    await crew.close();
    rmSync(folder, { recursive: true });
  });

  const models: ModelSource = async (id) =>
    id === modelId ? { engine: scene.engine, disputed: scene.model, contextLength: 2 * LONG } : undefined;

  /** Commits an answer of so many tokens, properly salted, whose output root is over others. */
  const lie = async (executor: Actor, tokens: number) => {
    const asked = scene.ask({ ...scene.model, modelId } as typeof scene.model, PROMPT, tokens);
    const outputs = Array.from({ length: tokens }, (_, i) => i % 7);
    const records = Array.from({ length: PROMPT.length + tokens - 1 }, (_, t) => ({
      salt: saltOf(asked.input.saltKey, "record", t),
      token: t < PROMPT.length - 1 ? SENTINEL_TOKEN : outputs[t - PROMPT.length + 1]!,
      cacheRoot: new Uint8Array(32).fill(t % 251),
    }));
    const shown = outputs.toSpliced(tokens - 1, 1, 6);
    const item = scene.item(executor.address, asked, shown, records);
    await scene.commit(executor, [item]);
    const { frauds } = await executor.actions.getRules();
    const { receipt, request } = item;
    const size = await outputPartSize(executor.context, { frauds, receipt, request, secret: request.seed });
    const parts = Math.ceil(tokens / size);
    return { item, parts, settings: { executors: [executor.address] } };
  };
  const convicted = async ({ actions, address }: Actor) => (await actions.getExecutor(address)).convictedAt !== 0n;

  it("is noted in parts, of the length that the court names, and convicts", async () => {
    const executor = await scene.executor();
    const { item, parts, settings } = await lie(executor, LONG);
    expect(parts).toBeGreaterThan(1);
    const after = await getBlockNumber(scene.client, { cacheTime: 0 });
    const { fisherman, account } = await crew.fish({ models, settings });
    await until(() => fisherman.store.verdict(item.receiptHash)?.dispute === "done");
    expect(await convicted(executor)).toBe(true);
    expect(fisherman.store.verdict(item.receiptHash)?.fault).toMatchObject({ kind: "output" });
    const proofs = await crew.sentBy(account.address, after);
    // The announcement before anything is shown, the parts, the proof; then what the collector takes.
    expect(proofs.slice(0, parts + 2).map(({ status }) => status)).not.toContain("reverted");
    const notes = new Set(proofs.slice(1, parts + 1).map(({ input }) => input.slice(0, 10)));
    expect([notes.size, notes.has(proofs[0]!.input.slice(0, 10))]).toEqual([1, false]);
  });

  it("survives a crash between any two steps: every part is noted once", async () => {
    const executor = await scene.executor();
    const { parts, settings } = await lie(executor, LONG);
    const after = await getBlockNumber(scene.client, { cacheTime: 0 });
    const fish: FishOptions = { models, settings, account: await crew.account(), file: "crash.sqlite" };
    let lives = 0;
    for (; !(await convicted(executor)); lives++) {
      const { stop } = await crew.fish(fish);
      await new Promise((resolve) => setTimeout(resolve, 150 * lives));
      await stop();
    }
    expect(lives).toBeGreaterThan(2);
    expect(await crew.sentBy(fish.account!.address, after)).toHaveLength(parts + 2);
  });
});
