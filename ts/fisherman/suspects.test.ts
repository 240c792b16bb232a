import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEventLogs } from "viem";
import { getLogs, getTransactionReceipt } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { downgradeEngine } from "../adversary/downgrade.ts";
import { generate } from "../adversary/random-fault.ts";
import { ABIS } from "../chain/abis.ts";
import { compileLlama } from "../compiler/llama.ts";
import { randomTensors } from "../compiler/random.ts";
import { referenceEngine } from "../engine/reference.ts";
import type { Engine } from "../engine/types.ts";
import { type SuspectModel, suspectsOf } from "./suspects.ts";
import { Crew, until } from "./testing/crew.ts";
import { Scene } from "./testing/scene.ts";
import { SCENE_CONFIG, wordOf } from "./testing/scene-model.ts";

const TOKENIZER = wordOf(2);

/** A model of the scene's family, of other weights or another size. */
function sibling(seed: number, changes: Partial<typeof SCENE_CONFIG> = {}, tokenizerHash = TOKENIZER): SuspectModel {
  const config = { ...SCENE_CONFIG, ...changes };
  const { program, weights } = compileLlama(config, randomTensors(config, seed));
  return { modelId: wordOf(seed), manifest: { tokenizerHash }, program, engine: referenceEngine(program, weights) };
}

describe("suspects", () => {
  const claimed = sibling(100);
  const quantised = sibling(101);
  const smaller = sibling(102, { num_hidden_layers: 1 });
  const foreign = sibling(103, {}, wordOf(3));
  const loaded = [claimed, quantised, smaller, foreign];

  it("are, unless the operator says otherwise, all other loaded models with the tokenizer", () => {
    // One of the same shapes may answer in two ways.
    const engines = suspectsOf(loaded)(claimed.modelId);
    expect(engines.map(({ backend }) => backend)).toEqual(["downgrade", "reference", "downgrade"]);
    expect(suspectsOf(loaded)(foreign.modelId)).toEqual([]);
    expect(suspectsOf(loaded)(wordOf(999))).toEqual([]);
  });

  it("are what the operator names, and none if that is empty", () => {
    const backends = (...named: SuspectModel[]) =>
      suspectsOf(loaded, new Map([[claimed.modelId, named]]))(claimed.modelId).map(({ backend }) => backend);
    expect(backends(foreign)).toEqual(["downgrade", "reference"]);
    expect(backends(smaller, claimed)).toEqual(["downgrade"]);
    expect(backends()).toEqual([]);
  });

  it("are the same engines each time", () => {
    const source = suspectsOf(loaded);
    expect(source(claimed.modelId)).toBe(source(claimed.modelId));
  });
});

describe("a model downgrade", () => {
  let scene: Scene;
  let folder: string;
  let crew: Crew;
  beforeAll(async () => {
    scene = await Scene.open(41_061);
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-suspects-"));
    crew = new Crew(scene, folder);
  });
  afterEach(async () => {
    await crew.close();
    rmSync(folder, { recursive: true });
  });

  const claimed = () => ({ ...scene.model, engine: scene.engine });

  /** Serves the scene's model by another engine, and lets a fisherman with these suspects convict it. @returns The game's events and gas. */
  const convict = async (cheat: Engine, suspects: readonly SuspectModel[]) => {
    const { model, client, deployment } = scene;
    const executor = await scene.executor();
    const asked = scene.ask(model, [1, 2, 3], 2);
    const { outputs, records } = await generate(cheat, asked.input, 2);
    const item = scene.item(executor.address, asked, outputs, records);
    const { batchId } = await scene.commit(executor, [item]);
    await crew.respond(executor, [item], cheat);
    const { fisherman } = await crew.fish({
      file: `${batchId}.sqlite`,
      settings: { executors: [executor.address] },
      suspects: suspectsOf([{ ...claimed(), manifest: { tokenizerHash: TOKENIZER } }, ...suspects]),
    });
    await until(() => fisherman.store.verdict(item.receiptHash)?.dispute === "done");
    expect((await executor.actions.getExecutor(executor.address)).convictedAt).not.toBe(0n);
    const logs = await getLogs(client, { address: deployment.addresses.game, fromBlock: 0n });
    const opened = parseEventLogs({ abi: ABIS.game, logs, eventName: "GameOpened" });
    const { gameId } = opened.find(({ args }) => args.batchId === batchId)!.args;
    const game = logs.filter(({ topics }) => BigInt(topics[1]!) === gameId);
    const hashes = new Set(game.map(({ transactionHash }) => transactionHash));
    const receipts = await Promise.all([...hashes].map((hash) => getTransactionReceipt(client, { hash })));
    const gas = receipts.reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0);
    return { events: parseEventLogs({ abi: ABIS.game, logs: game }).map(({ eventName }) => eventName), gas };
  };

  it.each([
    ["of the same shapes", {}],
    ["of another size", { num_hidden_layers: 1, intermediate_size: 24 }],
  ])("to a suspect %s is settled by a jump, at far less gas than the walk", async (_name, changes) => {
    const cheaper = sibling(77, changes);
    const cheat = downgradeEngine(claimed(), cheaper);
    const walked = await convict(cheat, []);
    const jumped = await convict(cheat, [cheaper]);
    expect(walked.events.length).toBeGreaterThan(5);
    expect(jumped.events).toEqual(JUMP);
    expect(jumped.gas).toBeLessThan(0.7 * walked.gas);
  });

  it("to a suspect that answers with its own rows throughout is settled by a jump, too", async () => {
    const cheaper = sibling(78);
    const { events } = await convict(cheaper.engine, [cheaper]);
    expect(events).toEqual(JUMP);
  });

  it("is convicted by the walk if the suspects are others, or cannot even run the prompt", async () => {
    const unfit = sibling(79, { vocab_size: 2 });
    const { events } = await convict(downgradeEngine(claimed(), sibling(77)), [unfit, sibling(80)]);
    expect(events.length).toBeGreaterThan(5);
  });
});

/** The whole game: its opening, the executor's rows, the verdict. */
const JUMP = ["GameOpened", "FinePosted", "GameEnded"];
