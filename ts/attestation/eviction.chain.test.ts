import { type Hex, keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { encodeAbiParameters } from "viem/utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { anvilKey } from "../chain/anvil.ts";
import { type ChainClient, connect } from "../chain/client.ts";
import { iEvidenceVerifierAbi } from "../chain/generated.ts";
import { challengeHash } from "./challenge.ts";
import { evictionCall, findProof } from "./eviction.ts";
import { firmwareOf } from "./gpu-firmware.ts";
import { registerInSession } from "./session.ts";
import { devGpu } from "./testing/dev-gpus.ts";
import {
  FIRMWARE_SET,
  MEASUREMENT,
  MODEL,
  type SessionsChain,
  startSessionsChain,
  TDX,
} from "./testing/sessions-chain.ts";

const CHOSEN = 0x1fffn;
const ZERO: Hex = `0x${"00".repeat(32)}`;
const CLAIMS = iEvidenceVerifierAbi.find(({ type, name }) => type === "function" && name === "verify")!.outputs;

/** Keys that were proved in a session and without one, and whoever finds what proved them. */
describe("keys that end by what is found on the chain", () => {
  const gpus = [devGpu(1)];
  const inSession = privateKeyToAccount(anvilKey(5));
  const plain = privateKeyToAccount(anvilKey(6));
  let chain: SessionsChain;
  let client: ChainClient;

  beforeAll(async () => {
    chain = await startSessionsChain(keccak256(gpus[0]!.chain.at(-1)!.der));
    client = await connect({ url: chain.url, timeoutMs: 30_000, pollMs: 100 });
    const { registry } = chain.contracts;
    const { timestamp } = await chain.client.getBlock();
    const cpu = (rd0: Hex) => ({
      ...{
        kind: TDX,
        deviceId: keccak256("0x01"),
        measurement: MEASUREMENT,
        rd0,
        rd1: ZERO,
        tcbStatus: 0,
        tcbEval: 20,
      },
      ...{ notAfter: timestamp + 500_000n, evidenceHash: keccak256("0x02"), certificate: ZERO },
    });
    const evidenceOf = (rd0: Hex) => ({
      kind: TDX,
      evidence: encodeAbiParameters(CLAIMS, [cpu(rd0)]),
      aux: "0x" as Hex,
    });
    const registration = (enclaveKey: Hex) => ({
      ...{ executor: chain.account.address, modelId: MODEL, enclaveKey, encryptionKeyHash: keccak256("0x") },
    });
    const firmware = firmwareOf(gpus[0]!.report(new Uint8Array(32)), CHOSEN);
    await chain.send(chain.contracts.sessions, "setFirmware", [FIRMWARE_SET, [firmware], timestamp + 1_000_000n]);
    // Keys with and without GPUs.
    const terms = { image: ZERO, sources: ZERO, firmwareSet: FIRMWARE_SET, gpus: 0, minAssurance: 2, lifetime: 0 };
    await chain.send(registry, "setTerms", [MODEL, MEASUREMENT, terms]);
    await registerInSession(chain.port(), {
      ...{ registration: registration(inSession.address), measurement: MEASUREMENT, chosen: CHOSEN, imageConfig: ZERO },
      cpu: { kind: TDX, tcbEval: 20 },
      gpus: {
        chains: gpus.map(({ chain }) => chain),
        firmware: [firmware],
        reports: async (nonces) => nonces.map((nonce, k) => gpus[k]!.report(nonce)),
      },
      quote: async (rd0) => evidenceOf(rd0),
      consent: (challenge) => inSession.sign({ hash: challengeHash(challenge) }),
    });
    const own = registration(plain.address);
    const [challenge, rd0] = await chain.read<[Hex, Hex]>(registry, "challengeOf", [own]);
    await chain.send(registry, "register", [own, evidenceOf(rd0), await plain.sign({ hash: challenge })]);
  }, 300_000);
  afterAll(() => chain.stop());

  const found = (enclaveKey: Hex, fromBlock = 0n) =>
    findProof(client, { registry: chain.contracts.registry.address, enclaveKey, fromBlock });
  const isActive = (key: Hex) =>
    chain.read<boolean>(chain.contracts.registry, "isActive", [key, chain.account.address, MODEL]);

  it("finds the claims of both, and of nobody else", async () => {
    const [first, second] = [await found(inSession.address), await found(plain.address)];
    expect(first.gpus).toHaveLength(1);
    expect(first.cpu.kind).toBe(TDX);
    expect(second).toMatchObject({ gpus: [], cpu: { kind: TDX, measurement: MEASUREMENT } });
    const code = { code: "attestation.proof" };
    await expect(found(chain.account.address)).rejects.toMatchObject(code);
    await expect(found(plain.address, 1_000_000n)).rejects.toMatchObject(code);
  });

  it("ends a key whose GPU is revoked, and no other", async () => {
    const { sessions, certificates } = chain.contracts;
    const send = async (key: Hex, part: number) => {
      const { to, data } = evictionCall(sessions.address, key, await found(key), part);
      return chain.client.sendTransaction({ to, data, chain: null });
    };
    await expect(send(inSession.address, 1)).rejects.toThrow();
    const { certificate } = (await found(inSession.address)).gpus[0]!;
    const { issuer, serial } = await chain.read<{ issuer: Hex; serial: bigint }>(certificates, "entryOf", [
      certificate,
    ]);
    await chain.send(certificates, "revoke", [issuer, serial]);
    await expect(send(inSession.address, 0)).rejects.toThrow();
    await expect(send(plain.address, 0)).rejects.toThrow();
    expect(await isActive(inSession.address)).toBe(true);
    await chain.client.waitForTransactionReceipt({ hash: await send(inSession.address, 1) });
    expect([await isActive(inSession.address), await isActive(plain.address)]).toEqual([false, true]);
  });
});
