import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recoverMessageAddress } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fingerprint } from "../attestation/chain.ts";
import { DevIntel, DevNvidia } from "../attestation/dev-root/index.ts";
import { verifyAttestationReport } from "../attestation/report.ts";
import { isEnclaveActive } from "../chain/actions/register-enclave.ts";
import { anvilKey } from "../chain/anvil.ts";
import { type Hex, toHex } from "../commit/bytes.ts";
import { configSchema } from "../config/schema.ts";
import { type Actor, Scene } from "../fisherman/testing/scene.ts";
import { acceptSoftware, townExecutor } from "./testing/town-executor.ts";

const SEED = "attested.test";
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
    scene = await Scene.open(41_065);
    folder = mkdtempSync(join(tmpdir(), "otr-attested-"));
    root = await scene.actor(undefined, anvilKey(0));
    await acceptSoftware(scene, root);
    actor = await scene.executor();
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await scene.close();
  });

  it("shows evidence of the very key that the chain knows, and that signs what it serves", async () => {
    const attestation = { source: "dev", gpus: 2, devSeed: SEED };
    const path = join(folder, "executor.db");
    const { executor, url } = await townExecutor(scene, { actor, root, path, config: config(attestation) });
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
      expect(await isEnclaveActive({ client: scene.client, addresses }, registered)).toBe(true);
      const asked = JSON.stringify({ model: "scene", messages: [{ role: "user", content: "t1" }], max_tokens: 1 });
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
    } finally {
      await executor.stop(1000);
    }
  });

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
