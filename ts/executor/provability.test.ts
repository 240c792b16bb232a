import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { getDrawTerms } from "../chain/actions/draws.ts";
import { read } from "../chain/context.ts";
import { VERIFIER_KEYS } from "../circuits/verifier-keys.ts";
import type { Hex } from "../commit/bytes.ts";
import { type Actor, Scene } from "../fisherman/testing/scene.ts";
import { sceneModel } from "../fisherman/testing/scene-model.ts";
import type { Program } from "../machine/program.ts";
import { UnprovableModelError, VerifierMismatchError } from "./errors.ts";
import type { ProvabilityPort } from "./ports.ts";
import { Provability } from "./provability.ts";
import { FakeChain } from "./testing/fake-chain.ts";
import { testExecutor, until } from "./testing/setup.ts";

const MODEL: Hex = `0x${"ab".repeat(32)}`;
const COURT: Hex = `0x${"0c".repeat(20)}`;

/** The scene's program with more instructions than circuits count. */
function tooLong({ program }: { program: Program }): Program {
  const [first] = program.instructions;
  return { ...program, instructions: [...program.instructions, ...Array(5000).fill(first)] };
}

describe("what an executor serves can be proven", () => {
  let scene: Scene;
  let actor: Actor;
  let court: Hex;
  const { content } = sceneModel();
  beforeAll(async () => {
    scene = await Scene.open(41_042, 600, { circuitKeys: VERIFIER_KEYS });
    actor = await scene.actor();
    court = (await actor.actions.getRules()).spotChecks;
  }, 300_000);
  afterAll(() => scene.close());

  const provability = (program: Program) =>
    new Provability({ context: actor.context, programs: new Map([[MODEL, program]]) });

  it("under the deployment's keys, at every position", async () => {
    expect(await provability(content.program).positions(court, MODEL)).toBe(content.program.contextLength);
    const other: Hex = `0x${"cd".repeat(32)}`;
    await expect(provability(content.program).positions(court, other)).rejects.toThrow(UnprovableModelError);
  });

  it("unless it is beyond the circuits", async () => {
    await expect(provability(tooLong(content)).positions(court, MODEL)).rejects.toThrow(
      /instructions: \d+, at most 4096/,
    );
  });

  it("unless the chain's verifier has another key, or is none of ours", async () => {
    const { verifier } = await getDrawTerms(actor.context, court);
    const holder = await read(actor.context, "elementVerifier", "keyOf", [3], { address: verifier });
    const swap = async (address: Hex, bytecode: Hex) => {
      const snapshot = await scene.snapshot();
      await scene.chain.setCode({ address, bytecode });
      const made = provability(content.program).positions(court, MODEL);
      await expect(made).rejects.toThrow(VerifierMismatchError);
      await scene.revert(snapshot);
      return made.catch((error: Error) => error.message);
    };
    expect(await swap(holder, "0x00")).toContain("the key of fold is another one");
    expect(await swap(holder, `0x00${"11".repeat(960)}`)).toContain("the key of fold is another one");
    // Code that always reverts.
    expect(await swap(verifier, "0x60006000fd")).toContain("does not take the proofs");
  });
});

describe("an executor under rules that draw", () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  const unprovable: ProvabilityPort = {
    positions: async (_, modelId) => {
      throw new UnprovableModelError(modelId, "instruction 3: too long");
    },
  };
  const upTo = (most: number): ProvabilityPort => ({ positions: async () => most });

  function drawing() {
    const chain = new FakeChain();
    chain.standingNow = { ...chain.standingNow, drawCourt: COURT };
    return chain;
  }

  async function started(options: Parameters<typeof testExecutor>[0]) {
    const made = testExecutor(options);
    stops.push(() => made.executor.stop(100));
    const url = await made.executor.start({ host: "127.0.0.1", port: 0 });
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
    return { ...made, client };
  }
  const ask = { model: "tiny", messages: [{ role: "user" as const, content: "hi" }], temperature: 0 };

  it("does not start with a model that it could not answer for; without draws it does", async () => {
    await expect(started({ chain: drawing(), provability: unprovable })).rejects.toThrow(UnprovableModelError);
    const chain = new FakeChain();
    const { client, engine } = await started({ chain, provability: unprovable });
    await client.chat.completions.create(ask);
    // Rules that draw come later: nothing is taken from then on.
    chain.standingNow = { ...chain.standingNow, drawCourt: COURT };
    const refused = () =>
      client.chat.completions.create({ ...ask, seed: Math.floor(Math.random() * 1e6) }).then(
        () => undefined,
        (error: InstanceType<typeof OpenAI.APIError>) => error,
      );
    await until(async () => (await refused())?.status === 503);
    expect((await refused())?.code).toBe("unprovable");
    expect(engine).toMatchObject({ open: 0 });
  });

  it("starts and takes nothing where it has answers to defend", async () => {
    const folder = mkdtempSync(join(tmpdir(), "otr-provability-"));
    stops.push(async () => rmSync(folder, { recursive: true }));
    const path = join(folder, "executor.db");
    const chain = drawing();
    const first = await started({ chain, path });
    await first.client.chat.completions.create(ask);
    await first.executor.stop(100);
    const { executor, client } = await started({ chain, path, provability: unprovable });
    expect(executor.readiness().find(({ problem }) => problem?.startsWith("unprovable"))).toBeDefined();
    await expect(client.chat.completions.create({ ...ask, seed: 2 })).rejects.toMatchObject({ status: 503 });
  });

  it("refuses answers that may become longer than what can be proven, and no shorter ones", async () => {
    const { client, engine } = await started({ chain: drawing(), provability: upTo(20) });
    // "hi" in this model's template is 5 tokens: with 16 more, 20 positions are computed.
    await client.chat.completions.create({ ...ask, max_tokens: 16 });
    const made = (engine as { made?: number }).made;
    await expect(client.chat.completions.create({ ...ask, max_tokens: 17 })).rejects.toMatchObject({
      status: 400,
      code: "too_long_to_prove",
      param: "max_tokens",
    });
    expect((engine as { made?: number }).made).toBe(made);
    const free = await started({ chain: new FakeChain(), provability: upTo(20) });
    await free.client.chat.completions.create({ ...ask, max_tokens: 17 });
  });
});
