import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { getBlock } from "viem/actions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate } from "../adversary/random-fault.ts";
import { deploymentPath } from "../chain/deployment.ts";
import { chainFacts } from "../chain/executor-port.ts";
import { toHex } from "../commit/bytes.ts";
import { saltKey, tokenTree } from "../commit/record.ts";
import { TAGS } from "../commit/tags.ts";
import { hashRequest } from "../commit/typed-data.ts";
import { type Actor, Scene, TURN } from "../fisherman/testing/scene.ts";
import { type Bundle, bundleJson } from "../sdk/bundle.ts";
import { main } from "./program.ts";

describe("otr, for executors and fishermen", () => {
  let scene: Scene;
  let folder: string;
  let executor: Actor;
  let fisher: Actor;
  beforeAll(async () => {
    scene = await Scene.open(41_013);
    folder = mkdtempSync(join(tmpdir(), "otr-court-"));
    executor = await scene.executor();
    fisher = await scene.actor();
    for (const [name, { key }] of Object.entries({ executor, fisher })) writeFileSync(join(folder, name), key);
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await scene.close();
  });

  /** Runs a command with somebody's key. */
  const otr = async (who: "executor" | "fisher", ...argv: string[]) => {
    let [out, err] = ["", ""];
    const streams = {
      stdout: { write: (text: string) => (out += text) },
      stderr: { write: (text: string) => (err += text) },
    };
    const settings = ["rpc.pollMs=20", `rpc.url=${scene.anvil.url}`, `account.privateKeyFile=${join(folder, who)}`];
    const code = await main([...settings.flatMap((value) => ["--set", value]), "--json", ...argv], {}, streams);
    return { code, err, json: () => JSON.parse(out.trim().split("\n").at(-1)!), lines: () => out.trim().split("\n") };
  };

  it("explains every command", async () => {
    const commands = [
      "executor exit",
      "executor cancel-exit",
      "executor withdraw",
      "executor claim",
      "executor release",
    ];
    commands.push("executor delegate add", "executor delegate remove", "fisherman games", "fisherman claims");
    commands.push(
      "receipt commit",
      "receipt compensate",
      "fisherman claim",
      "demand",
      "payouts",
      "batch status",
      "status",
    );
    for (const command of commands) {
      const { code, lines } = await otr("fisher", ...command.split(" "), "--help");
      expect([command, code]).toEqual([command, 0]);
      expect(lines().join(" ")).toContain(`otr ${command}`);
    }
  });

  it("names delegates, and only simulates with --dry-run", async () => {
    const may = () => executor.actions.mayActFor({ executor: executor.address, account: fisher.address });
    const dry = await otr("executor", "executor", "delegate", "add", fisher.address, "--dry-run");
    expect(dry.json()).toMatchObject({ dryRun: true, call: "vault.setDelegate" });
    expect(Number(dry.json().gas)).toBeGreaterThan(21_000);
    expect(await may()).toBe(false);
    expect((await otr("executor", "executor", "delegate", "add", fisher.address)).json()).toMatchObject({
      allowed: true,
    });
    expect(await may()).toBe(true);
    await otr("executor", "executor", "delegate", "remove", fisher.address);
    expect(await may()).toBe(false);
    expect((await otr("executor", "executor", "claim", "--dry-run")).json()).toEqual({ dryRun: true, call: null });
    const wrong = await otr("executor", "executor", "delegate", "add", "0x12");
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain("The argument '0x12' is invalid: expected 0x and 40 hexadecimal digits.");
  });

  it("say so if the chain has no contracts where the address file says, as after a new start of a development chain", async () => {
    const file = join(folder, "old.json");
    const addresses = JSON.parse(readFileSync(deploymentPath(scene.client.chain.id), "utf8"));
    writeFileSync(file, JSON.stringify({ ...addresses, OtrRollup: fisher.address }));
    const { code, err } = await otr("fisher", "--set", `deployment=${file}`, "status");
    expect(code).toBe(1);
    expect(JSON.parse(err).error).toMatchObject({
      code: "chain.deployment",
      message: expect.stringContaining("no contract"),
    });
  });

  it("starts and ends an exit, and withdraws when it is due", async () => {
    const leaver = await scene.executor();
    writeFileSync(join(folder, "fisher"), leaver.key);
    expect((await otr("fisher", "executor", "exit")).json().exitRequestedAt).not.toBe("0");
    const early = await otr("fisher", "executor", "withdraw", "--dry-run");
    expect(early).toMatchObject({ code: 1, err: expect.stringContaining("ExitNotDue") });
    expect((await otr("fisher", "executor", "cancel-exit")).json().exitRequestedAt).toBe("0");
    const { exitDueAt } = (await otr("fisher", "executor", "exit")).json();
    await scene.chain.setNextBlockTimestamp({ timestamp: BigInt(exitDueAt) });
    await scene.chain.mine({ blocks: 1 });
    expect((await otr("fisher", "executor", "withdraw", "--to", fisher.address)).json().stake).toBe("0");
    writeFileSync(join(folder, "fisher"), fisher.key);
  });

  it("demands data, shows what is to come, and collects it when it is due", async () => {
    const item = await scene.answer(executor.address);
    const { batchId } = await scene.commit(executor, [item], false);
    const id = batchId.toString();
    expect((await otr("fisher", "batch", "status", id)).json()).toMatchObject({
      count: 1,
      openGames: 0,
      released: false,
    });
    expect(await otr("fisher", "batch", "status", "99")).toMatchObject({ code: 2 });
    expect(await otr("fisher", "demand", id, "1")).toMatchObject({ code: 2, err: expect.stringContaining("1 leaves") });
    expect((await otr("fisher", "demand", id, "0", "--dry-run")).json()).toMatchObject({ call: "availability.demand" });
    expect((await otr("fisher", "demand", id, "0")).json()).toMatchObject({ state: "open", demander: fisher.address });
    expect(await otr("fisher", "demand", id, "0")).toMatchObject({
      code: 1,
      err: expect.stringContaining("NotDemandable"),
    });
    expect((await otr("fisher", "payouts")).json()).toMatchObject([{ kind: "demand", state: "open", own: false }]);
    await scene.chain.increaseTime({ seconds: TURN + 1 });
    await scene.chain.mine({ blocks: 1 });
    const { availability, airGap } = await fisher.actions.getRules();
    await fisher.actions.timeoutDemand({ availability, batchId, index: 0 });
    const coming = (await otr("fisher", "fisherman", "claims")).json();
    expect(coming).toMatchObject({ claimable: "0" });
    expect(coming.coming.map(({ kind }: { kind: string }) => kind)).toEqual(["demand", "reward"]);
    expect((await otr("executor", "status")).json()).toMatchObject({ conviction: { challenger: fisher.address } });
    expect((await otr("fisher", "payouts", "--collect")).json()).toEqual([]);
    await scene.chain.increaseTime({ seconds: Number(airGap) + 200 * TURN });
    await scene.chain.mine({ blocks: 1 });
    expect((await otr("fisher", "payouts", "--collect")).json()).toHaveLength(2);
    expect((await otr("fisher", "payouts")).json()).toEqual([]);
    expect((await otr("fisher", "fisherman", "games")).json()).toEqual([]);
    const before = BigInt((await otr("fisher", "fisherman", "claims")).json().claimable);
    expect(before).toBeGreaterThan((await fisher.actions.getRules()).demandBond);
    expect((await otr("fisher", "fisherman", "claim")).json().claimed).toBe(before.toString());
    expect((await otr("executor", "executor", "claim")).json().claimed).toBe("0");
  });

  /** Writes a bundle with both signatures to a file: enclave and operator are one key here. */
  const bundleFile = async (name: string, signer: Actor, bundle: Bundle) => {
    const signature = await privateKeyToAccount(signer.key).sign({ hash: bundle.receiptHash });
    const path = join(folder, name);
    const signed = { ...bundle, enclaveSignature: signature, operatorSignature: signature };
    writeFileSync(path, JSON.stringify(bundleJson(signed)));
    return path;
  };

  it("commits a receipt that its executor left out, once its time has come", async () => {
    const owner = await scene.executor();
    const { timestamp } = await getBlock(scene.client);
    const commitBy = timestamp + 1000n;
    const left = await scene.answer(owner.address, [7], 2, { commitBy, expiry: commitBy + 1000n });
    const path = await bundleFile("left.json", owner, left);
    expect(await otr("fisher", "receipt", "commit", path)).toMatchObject({
      code: 1,
      err: expect.stringContaining(new Date(Number(commitBy) * 1000).toISOString()),
    });
    await scene.chain.increaseTime({ seconds: 1001 });
    await scene.chain.mine({ blocks: 1 });
    const dry = await otr("fisher", "receipt", "commit", path, "--dry-run");
    expect(dry.json()).toMatchObject({ dryRun: true, call: "rollup.commitReceipt" });
    expect((await otr("fisher", "receipt", "status", path)).json()).toMatchObject({ status: "none", batchId: null });
    const sent = (await otr("fisher", "receipt", "commit", path)).json();
    expect(sent).toMatchObject({ receiptHash: left.receiptHash, index: 0, sent: true, scarce: false });
    expect((await otr("fisher", "receipt", "commit", path)).json()).toMatchObject({
      sent: false,
      batchId: sent.batchId,
    });
    expect((await fisher.actions.getBatch(BigInt(sent.batchId)))?.executor).toBe(owner.address);
    // In a batch that the endpoint serves it is found as well.
    const batched = await scene.answer(owner.address, [8]);
    const { batchId } = await scene.commit(owner, [batched]);
    const known = await otr("fisher", "receipt", "commit", await bundleFile("batched.json", owner, batched));
    expect(known.json()).toMatchObject({ sent: false, batchId: batchId.toString(), index: 0 });
    const late = await scene.answer(owner.address, [9], 2, { commitBy: 1n, expiry: 2n });
    expect(await otr("fisher", "receipt", "commit", await bundleFile("late.json", owner, late))).toMatchObject({
      code: 3,
    });
    expect(await otr("fisher", "receipt", "commit", join(folder, "nothing"))).toMatchObject({ code: 2 });
  });

  it("tells of receipts for which no stake was left to lock", async () => {
    const poor = await scene.executor();
    await poor.actions.requestExit();
    const { exitDueAt } = await poor.actions.getExecutor(poor.address);
    await scene.chain.setNextBlockTimestamp({ timestamp: exitDueAt });
    await scene.chain.mine({ blocks: 1 });
    await poor.actions.withdraw({ to: poor.address });
    const item = await scene.answer(poor.address, [7], 2, { commitBy: 1n });
    const path = await bundleFile("scarce.json", poor, item);
    const stakeLocked = async () => {
      const { checks } = (await otr("fisher", "receipt", "verify", path)).json() as { checks: { name: string }[] };
      return checks.find(({ name }) => name === "stake locked");
    };
    const { executor: owner, enclaveKey, modelId } = item.receipt;
    const facts = async () =>
      chainFacts(fisher.context, { executor: owner, enclaveKey, modelId, receiptHash: item.receiptHash });
    expect([await stakeLocked(), (await facts()).single]).toMatchObject([{ ok: true }, undefined]);
    const { batchId, scarce } = (await otr("fisher", "receipt", "commit", path)).json();
    expect(scarce).toBe(true);
    expect(await stakeLocked()).toMatchObject({ ok: false, detail: expect.stringContaining(`batch ${batchId}`) });
    expect((await facts()).single).toEqual({ batchId: BigInt(batchId), scarce: true });
  });

  it("compensates the requester of a reverted receipt, once", async () => {
    const owner = await scene.executor();
    const asked = scene.ask(scene.model, [1, 2], 2);
    const request = { ...asked.request, requester: fisher.address.toLowerCase() as Hex };
    const key = saltKey({ ...request, secret: request.seed });
    const inputRoot = toHex(tokenTree(key, "input", [1, 2]).root(TAGS.input));
    const whole = { ...request, inputRoot };
    const input = { ...asked.input, saltKey: key, requestHash: hashRequest(scene.domain, whole) };
    const { outputs, records } = await generate(scene.engine, input, 2);
    const item = scene.item(owner.address, { request: whole, input }, outputs, records);
    const { batchId } = await scene.commit(owner, [await scene.answer(owner.address), item]);
    const path = await bundleFile("compensate.json", owner, item);
    const standing = await otr("fisher", "receipt", "compensate", path);
    expect(standing).toMatchObject({ code: 3 });
    const nobodys = await bundleFile("nobody.json", owner, await scene.answer(owner.address));
    expect(await otr("fisher", "receipt", "compensate", nobodys)).toMatchObject({ code: 3 });
    expect(await otr("executor", "receipt", "compensate", path)).toMatchObject({
      code: 2,
      err: expect.stringContaining(whole.requester),
    });

    const rules = await fisher.actions.getRules();
    const { availability, airGap, lockPerReceipt, requesterBps } = rules;
    await fisher.actions.demandData({ rules, batchId, index: 0 });
    await scene.chain.increaseTime({ seconds: TURN + 1 });
    await scene.chain.mine({ blocks: 1 });
    await fisher.actions.timeoutDemand({ availability, batchId, index: 0 });
    const early = await otr("fisher", "receipt", "compensate", path);
    expect(early).toMatchObject({ code: 1, err: expect.stringContaining("Possible from") });
    await scene.chain.increaseTime({ seconds: Number(airGap) + 1 });
    await scene.chain.mine({ blocks: 1 });
    const before = await fisher.actions.claimableOf(fisher.address);
    const dry = await otr("fisher", "receipt", "compensate", path, "--dry-run");
    expect(dry.json()).toMatchObject({ call: "rollup.claimCompensation" });
    const amount = (lockPerReceipt * BigInt(requesterBps)) / 10_000n;
    expect((await otr("fisher", "receipt", "compensate", path)).json()).toMatchObject({
      batchId: batchId.toString(),
      requester: fisher.address,
      amount: amount.toString(),
      sent: true,
    });
    expect(await fisher.actions.claimableOf(fisher.address)).toBe(before + amount);
    expect((await otr("fisher", "receipt", "compensate", path)).json()).toMatchObject({ sent: false });
  });

  it("releases the batches that are settled", async () => {
    const owner = await scene.executor();
    writeFileSync(join(folder, "executor"), owner.key);
    const { batchId } = await scene.commit(owner, [await scene.answer(owner.address)], false);
    expect((await otr("executor", "status")).json()).toMatchObject({ stake: parseEther("1").toString() });
    const early = await otr("executor", "executor", "release", batchId.toString());
    expect(early).toMatchObject({ code: 1, err: expect.stringContaining("BatchUnsettled") });
    const { challengeWindow } = await owner.actions.getRules();
    await scene.chain.increaseTime({ seconds: Number(challengeWindow) + 1 });
    await scene.chain.mine({ blocks: 1 });
    expect((await otr("executor", "executor", "release", batchId.toString(), "--dry-run")).json().call).toBe(
      "rollup.releaseBatch",
    );
    expect((await otr("executor", "executor", "release")).json()).toEqual({ released: [batchId.toString()] });
    expect((await owner.actions.getExecutor(owner.address)).locked).toBe(0n);
  });
});
