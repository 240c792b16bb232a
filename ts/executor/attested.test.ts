import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keccak256, parseEventLogs, recoverMessageAddress, zeroHash } from "viem";
import { getBlockNumber, getLogs } from "viem/actions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fingerprint } from "../attestation/chain.ts";
import { DevIntel, DevNvidia } from "../attestation/dev-root/index.ts";
import { firmwareOf } from "../attestation/gpu-firmware.ts";
import { verifyAttestationReport } from "../attestation/report.ts";
import { ABIS } from "../chain/abis.ts";
import { look } from "../chain/actions/prove-enclave.ts";
import { isEnclaveActive } from "../chain/actions/register-enclave.ts";
import { acceptFirmware, setPolicy, setTerms } from "../chain/actions/set-policy.ts";
import { anvilKey } from "../chain/anvil.ts";
import { openReceipt } from "../chain/committed.ts";
import { read, write } from "../chain/context.ts";
import { type Hex, toHex } from "../commit/bytes.ts";
import { configSchema } from "../config/schema.ts";
import { devRoots } from "../enclave/dev-source.ts";
import { openSource } from "../enclave/open-source.ts";
import { until } from "../fisherman/testing/crew.ts";
import { type Actor, Scene, TURN } from "../fisherman/testing/scene.ts";
import { fetchReceipt } from "../sdk/fetch-bundles.ts";
import { guestConfiguration } from "./open-executor.ts";
import { townExecutor } from "./testing/town-executor.ts";

const SEED = "attested.test";
const ATTESTATION = { source: "dev", gpus: 2, devSeed: SEED };
const SET = keccak256("0x01");
/** All measurements: the default of `executor.attestation.gpuMeasurements`. */
const ALL = 2n ** 64n - 1n;
/** Seconds that a key lives. */
const LIFE = 4000;
const ASK = { model: "scene", messages: [{ role: "user", content: "t1" }], max_tokens: 1 };
const config = (attestation: object) =>
  configSchema.parse({
    rpc: { pollMs: 10, lagSeconds: 0 },
    executor: { batchSeconds: 1, batchReceipts: 1, attestation },
  });

describe("an executor that attests its machine", () => {
  let scene: Scene;
  let folder: string;
  let actor: Actor;
  let root: Actor;
  beforeAll(async () => {
    const roots = devRoots(new TextEncoder().encode(SEED));
    scene = await Scene.open(41_065, TURN, { ...roots, keyLifetime: LIFE });
    folder = mkdtempSync(join(tmpdir(), "otr-attested-"));
    root = await scene.actor(undefined, anvilKey(0));
    actor = await scene.executor();
    const { modelId } = scene.model;
    const configuration = guestConfiguration(scene.domain, [modelId]);
    const source = await openSource(config(ATTESTATION).executor.attestation, { configuration });
    const { measurement, evidence } = await look(source!);
    const { context } = root;
    const firmware = evidence.gpus.map(({ report }) => firmwareOf(report, ALL));
    await acceptFirmware(context, { set: SET, firmware: firmware.slice(0, 1), validUntil: 2 ** 33 });
    const terms = { image: zeroHash, sources: zeroHash, firmwareSet: SET, gpus: 2, minAssurance: 3, lifetime: 0 };
    await setTerms(context, { modelId, measurement, terms });
    await setPolicy(context, { modelId, measurement, validUntil: 2 ** 33 });
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await scene.close();
  });

  const committed = async (executor: Hex) => {
    const logs = await getLogs(scene.client, { address: scene.deployment.addresses.rollup, fromBlock: 0n });
    return parseEventLogs({ abi: ABIS.rollup, logs, eventName: "BatchCommitted", args: { executor } });
  };

  it("shows evidence of the very key that the chain knows, and that signs what it serves", async () => {
    const path = join(folder, "executor.db");
    const { executor, url } = await townExecutor(scene, {
      actor,
      root,
      path,
      registrationMs: 60_000,
      config: config(ATTESTATION),
    });
    try {
      const nonce = new Uint8Array(32).fill(7);
      const report = await (await fetch(`${url}/v1/attestation/report?nonce=${toHex(nonce).slice(2)}`)).json();
      const seed = new TextEncoder().encode(SEED);
      const verified = verifyAttestationReport(report, {
        nonce,
        time: Math.floor(Date.now() / 1000),
        gpus: 2,
        roots: {
          intel: fingerprint(new DevIntel(seed).certificates.root),
          nvidia: fingerprint(new DevNvidia(seed).root),
        },
      });
      const { modelId } = scene.model;
      expect(JSON.parse(verified.configuration!)).toMatchObject({ kind: "otr", models: [modelId], chainId: 41_065 });
      const { addresses } = scene.deployment;
      const registered = { enclaveKey: verified.signingAddress, executor: actor.address, modelId };
      const context = { client: scene.client, addresses };
      expect(await isEnclaveActive(context, registered)).toBe(true);
      const standing = await read(context, "enclaves", "standingOf", [verified.signingAddress]);
      expect(standing).toMatchObject({ gpus: 2, assurance: 3 });
      const asked = JSON.stringify(ASK);
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: asked,
      });
      const { id } = (await answer.json()) as { id: string };
      const { text, signature } = (await (await fetch(`${url}/v1/signature/${id}`)).json()) as {
        text: string;
        signature: Hex;
      };
      const signer = await recoverMessageAddress({ message: text, signature });
      expect(signer.toLowerCase()).toBe(verified.signingAddress);
      // The contract takes the receipt: its key is what the evidence was about.
      const { bundle, batchId } = await until(async () => {
        const [receipt, logs] = await Promise.all([fetchReceipt(id, { url }), committed(actor.address)]);
        return logs.length > 0 && { ...receipt, batchId: logs[0]!.args.batchId };
      });
      expect(bundle.receipt.enclaveKey.toLowerCase()).toBe(verified.signingAddress);
      const opened = openReceipt(batchId, bundle.receipt, [bundle.receiptHash], 0);
      expect(await root.actions.statusOf(opened)).toBe("provisional");
    } finally {
      await executor.stop(1000);
    }
  }, 60_000);

  it("renews its key with fresh evidence, and loses it with its revocation", async () => {
    const path = join(folder, "executor.db");
    const after = await getBlockNumber(scene.client, { cacheTime: 0 });
    const registered = async () => {
      const logs = await getLogs(scene.client, { address: scene.deployment.addresses.enclaves, fromBlock: after + 1n });
      return parseEventLogs({ abi: ABIS.enclaves, logs, eventName: "EnclaveRegistered" });
    };
    const more = { keyPollMs: 50, registrationMs: 60_000, config: config(ATTESTATION) };
    const { executor, url } = await townExecutor(scene, { actor, root, path, ...more });
    try {
      const [first] = await registered();
      const { enclaveKey, enclave } = first!.args;
      await scene.chain.increaseTime({ seconds: (LIFE * 3) / 4 });
      await scene.chain.mine({ blocks: 1 });
      await until(async () => (await registered()).length === 2);
      await new Promise((resolve) => setTimeout(resolve, 200));
      const all = await registered();
      expect(all.map(({ args }) => args.enclaveKey)).toEqual([enclaveKey, enclaveKey]);
      expect(all[1]!.args.enclave.expiresAt).toBeGreaterThan(enclave.expiresAt);
      expect((await fetch(`${url}/readyz`)).ok).toBe(true);
      await write(root.context, "enclaves", "revokeByGovernance", [enclaveKey]);
      await until(async () => (await (await fetch(`${url}/readyz`)).text()).includes("enclave_key_inactive"));
    } finally {
      await executor.stop(1000);
    }
  }, 60_000);

  it("does not open, and makes no key, on a machine that fails the gate", async () => {
    let keys = 0;
    const random = (bytes: number) => {
      keys++;
      return new Uint8Array(bytes).fill(1);
    };
    // This machine has no GPU that could be in confidential mode.
    const opened = townExecutor(scene, {
      ...{ actor, root, path: join(folder, "gate.db"), random },
      config: config({ source: "tdx", gpus: 1 }),
    });
    await expect(opened).rejects.toMatchObject({ code: expect.stringMatching(/^enclave\./) });
    expect(keys).toBe(0);
  });
});
