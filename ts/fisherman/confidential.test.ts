import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEventLogs } from "viem";
import { getLogs } from "viem/actions";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { randomFault } from "../adversary/random-fault.ts";
import { ABIS } from "../chain/abis.ts";
import { openReceipt } from "../chain/committed.ts";
import { openRecord } from "../commit/batch.ts";
import { type Hex, toHex } from "../commit/bytes.ts";
import { saltKey, seedOf, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { hashRequest } from "../commit/typed-data.ts";
import { prng } from "../compiler/prng.ts";
import { random } from "../executor/testing/setup.ts";
import { bundleJson } from "../sdk/bundle.ts";
import { Crew, until } from "./testing/crew.ts";
import { type Actor, Scene } from "./testing/scene.ts";

describe("a wrong confidential answer", () => {
  let scene: Scene;
  let folder: string;
  let crew: Crew;
  beforeAll(async () => {
    scene = await Scene.open(41_064);
  });
  afterAll(() => scene.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "otr-confidential-"));
    crew = new Crew(scene, folder);
  });
  afterEach(async () => {
    await crew.close();
    rmSync(folder, { recursive: true });
  });

  /** Commits a confidential answer with one wrong record, of which only the head is served; its executor answers games. */
  const lie = async (executor: Actor, watchers: readonly Hex[]) => {
    const secret = toHex(random(32));
    const made = await randomFault([scene.model], "rescale", prng(5), (model, prompt, nOut) => {
      const { request, input } = scene.ask(model, prompt, nOut);
      const key = saltKey({ ...request, secret });
      const inputRoot = toHex(tokenTree(key, "input", prompt).root(TAGS.input));
      const hidden = { ...request, inputRoot, seed: seedOf(true, secret), confidential: true, watchers };
      return { request: hidden, input: { ...input, saltKey: key, requestHash: hashRequest(scene.domain, hidden) } };
    });
    const { request, input, outputs, records, liar } = made;
    const item = { ...scene.item(executor.address, { request, input }, outputs, records), secret };
    const { batchId, root } = await scene.commit(executor, [item], false);
    scene.serveHeads(root, [item]);
    await crew.respond(executor, [item], liar);
    return { item, batchId, settings: { executors: [executor.address] } };
  };

  const convicted = async ({ actions, address }: Actor) => (await actions.getExecutor(address)).convictedAt !== 0n;

  /** A fisherman's folder of handed bundles. */
  const handed = (name: string) => {
    const dir = join(folder, name);
    mkdirSync(dir);
    return { bundlesDir: dir, hand: (bundle: object) => writeFileSync(join(dir, "b.json"), JSON.stringify(bundle)) };
  };

  it("is convicted by the watcher that was handed its bundle, in a game that nobody else can open", async () => {
    const executor = await scene.executor();
    const watcher = await crew.account();
    const { item, batchId, settings } = await lie(executor, [watcher.address.toLowerCase() as Hex]);
    const verdictOf = ({ fisherman }: { fisherman: { store: { verdict(hash: Hex): unknown } } }) =>
      fisherman.store.verdict(item.receiptHash) as { verdict: string; dispute: string; disputeReason?: string };

    // Whoever sees the head only has no verdict, and whoever was handed the bundle by mistake may not open.
    const blind = await crew.fish({ file: "blind.sqlite", settings });
    await until(() => verdictOf(blind)?.verdict === "unavailable");
    const leak = handed("leaked");
    leak.hand(bundleJson(item));
    const stranger = await crew.fish({
      file: "stranger.sqlite",
      settings: { ...settings, bundlesDir: leak.bundlesDir },
    });
    await until(() => verdictOf(stranger)?.dispute === "given-up");
    expect(verdictOf(stranger)).toMatchObject({
      verdict: "invalid",
      disputeReason: expect.stringContaining("watchers"),
    });
    const { actions } = await scene.actor();
    const rules = await actions.getRules();
    const committed = openReceipt(batchId, item.receipt, [item.receiptHash], 0);
    const accusation = { rules, committed, request: item.request };
    const step = { step: 1, record: openRecord(item.records, 1) };
    const refused = { errorName: "NotWatcher" };
    await expect(actions.openTraceGame(accusation)).rejects.toMatchObject(refused);
    await expect(actions.openGame({ ...accusation, ...step })).rejects.toMatchObject(refused);
    expect(await convicted(executor)).toBe(false);

    // The watcher's bundle comes while its fisherman runs.
    const own = handed("own");
    const settled = { ...settings, bundlesDir: own.bundlesDir };
    const watching = await crew.fish({ file: "watcher.sqlite", account: watcher, settings: settled });
    await until(() => verdictOf(watching)?.verdict === "unavailable");
    own.hand(bundleJson(item));
    await until(() => verdictOf(watching)?.dispute === "done");
    expect(verdictOf(watching)).toMatchObject({ verdict: "invalid", disputeReason: "executorLost" });
    expect(await convicted(executor)).toBe(true);
    const logs = await getLogs(scene.client, { address: scene.deployment.addresses.game, fromBlock: 0n });
    const opened = parseEventLogs({ abi: ABIS.game, logs, eventName: "GameOpened" });
    expect(opened.map(({ args }) => [args.batchId, args.challenger])).toEqual([[batchId, watcher.address]]);
    // Rows were shown, as far as the walk went; the secret behind all salts was not.
    for (const { input } of await crew.sentBy(watcher.address)) expect(input).not.toContain(item.secret.slice(2));
  });

  it("takes no bundle of another receipt, and goes on where a file is none", async () => {
    const executor = await scene.executor();
    const watcher = await crew.account();
    const { item, settings } = await lie(executor, [watcher.address.toLowerCase() as Hex]);
    const own = handed("own");
    own.hand({ no: "bundle" });
    const other = await scene.answer(executor.address);
    writeFileSync(join(own.bundlesDir, "other.json"), JSON.stringify(bundleJson(other)));
    const watching = await crew.fish({ account: watcher, settings: { ...settings, bundlesDir: own.bundlesDir } });
    await until(() => watching.fisherman.store.verdict(item.receiptHash)?.verdict === "unavailable");
    expect(watching.fisherman.store.verdict(other.receiptHash)).toBeUndefined();
    own.hand(bundleJson(item));
    await until(() => watching.fisherman.store.verdict(item.receiptHash)?.dispute === "done");
    expect(await convicted(executor)).toBe(true);
  });
});
