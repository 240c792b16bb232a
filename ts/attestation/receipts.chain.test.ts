import { EAS, SchemaEncoder } from "@ethereum-attestation-service/eas-sdk";
import { JsonRpcProvider } from "ethers";
import { encodeAbiParameters, type Hex, keccak256, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { anvilKey } from "../chain/anvil.ts";
import { challengeHash } from "./challenge.ts";
import { EvidenceEncodingError, SignatureInvalidError } from "./errors.ts";
import { gpuEvidenceHash, gpuNonce, gpuRoot, NVIDIA_KIND, reportData } from "./gpu-evidence.ts";
import { firmwareOf } from "./gpu-firmware.ts";
import { type Claims, type GpuAttesters, registerInSession } from "./session.ts";
import type { Contract } from "./testing/contracts-chain.ts";
import { devGpu } from "./testing/dev-gpus.ts";
import {
  CLAIMS,
  FIRMWARE_SET,
  installEas,
  MEASUREMENT,
  MODEL,
  type SessionsChain,
  startSessionsChain,
  TDX,
} from "./testing/sessions-chain.ts";

const CHOSEN = 0x1fffn;
const IMAGE_CONFIG = keccak256(stringToHex("image configuration"));
const ZERO: Hex = `0x${"00".repeat(32)}`;
/** A session with evidence of a development root, from the certificates to the receipt that EAS's own SDK reads. */
describe("an enclave with two GPUs", () => {
  const gpus = [devGpu(1), devGpu(2)];
  const attesters: GpuAttesters = {
    chains: gpus.map(({ chain }) => chain),
    firmware: gpus.map((gpu) => firmwareOf(gpu.report(new Uint8Array(32)), CHOSEN)),
    reports: async (nonces) => nonces.map((nonce, k) => gpus[k]!.report(nonce)),
  };
  const enclave = privateKeyToAccount(anvilKey(5));
  let chain: SessionsChain;
  let eas: Contract;
  let schema: Hex;
  let schemaText: string;
  let reader: EAS;
  let provider: JsonRpcProvider;

  beforeAll(async () => {
    chain = await startSessionsChain(keccak256(gpus[0]!.chain.at(-1)!.der));
    const { send, contracts } = chain;
    ({ eas, schema, schemaText } = await installEas(chain));
    const terms = { image: ZERO, sources: ZERO, firmwareSet: FIRMWARE_SET, gpus: 2, minAssurance: 3, lifetime: 0 };
    await send(contracts.registry, "setTerms", [MODEL, MEASUREMENT, terms]);
    const { timestamp } = await chain.client.getBlock();
    const firmware = firmwareOf(gpus[0]!.report(new Uint8Array(32)), CHOSEN);
    await send(contracts.sessions, "setFirmware", [FIRMWARE_SET, [firmware], timestamp + 1_000_000n]);
    provider = new JsonRpcProvider(chain.url, undefined, { staticNetwork: true });
    reader = new EAS(eas.address);
    reader.connect(provider);
  });
  afterAll(async () => {
    provider?.destroy();
    await chain?.stop();
  });

  const registration = () => ({
    executor: chain.account.address,
    modelId: MODEL,
    enclaveKey: enclave.address,
    encryptionKeyHash: keccak256("0x"),
  });

  /** A whole session; the gas of each transaction, and what identifies the proof. */
  async function register(): Promise<{ gas: { name: string; used: bigint }[]; evidenceHash: Hex; proved: Claims[] }> {
    const port = chain.port();
    const proved: Claims[] = [];
    const { timestamp } = await chain.client.getBlock();
    await registerInSession(
      {
        ...port,
        prove: async (evidence, deed) => {
          const claims = await port.prove(evidence, deed);
          proved.push(claims);
          return claims;
        },
      },
      {
        registration: registration(),
        measurement: MEASUREMENT,
        gpus: attesters,
        cpu: { kind: TDX, tcbEval: 20 },
        chosen: CHOSEN,
        imageConfig: IMAGE_CONFIG,
        quote: async (rd0) => {
          const cpu = {
            kind: TDX,
            deviceId: keccak256("0x01"),
            measurement: MEASUREMENT,
            rd0,
            rd1: ZERO,
            tcbStatus: 0,
            tcbEval: 20,
            notAfter: timestamp + 500_000n,
            evidenceHash: keccak256("0x02"),
            certificate: ZERO,
          };
          return { kind: TDX, evidence: encodeAbiParameters([CLAIMS], [cpu]), aux: "0x" };
        },
        consent: (challenge) => enclave.sign({ hash: challengeHash(challenge) }),
      },
    );
    const all = [proved.at(-1)!, proved.slice(0, -1)];
    const evidenceHash = keccak256(
      encodeAbiParameters([CLAIMS, { type: "tuple[]", components: CLAIMS.components }], all as never),
    );
    return { gas: port.gas, evidenceHash, proved };
  }

  const standing = () =>
    chain.read<{ attestation: Hex; evidenceHash: Hex }>(chain.contracts.registry, "standingOf", [enclave.address]);

  it("answers nonces and binds GPUs as the contract does", async () => {
    const { sessions, nvidia } = chain.contracts;
    const session = keccak256(stringToHex("session"));
    for (const index of [0, 1, 7, 254])
      expect(gpuNonce(session, index)).toBe(await chain.read(sessions, "nonceOf", [session, index]));
    const reports = gpus.map((gpu) => gpu.report(new Uint8Array(32)));
    const hashes = reports.map(gpuEvidenceHash);
    for (const list of [[], hashes.slice(0, 1), hashes, hashes.toReversed(), [...hashes, ZERO]])
      expect(reportData(session, list, IMAGE_CONFIG)).toBe(
        await chain.read(sessions, "reportDataOf", [session, list, IMAGE_CONFIG]),
      );
    expect(await chain.read(nvidia, "kind")).toBe(NVIDIA_KIND);
  });

  it("is registered, and EAS's SDK reads its receipt", async () => {
    const { gas, evidenceHash, proved } = await register();
    console.log(`gas with calldata: ${gas.map(({ name, used }) => `${name} ${used}`).join(", ")}`);
    for (const { used } of gas) expect(used).toBeLessThan(3_500_000n);
    // Five certificates of the first GPU, the second's leaf, and no more.
    expect(gas.filter(({ name }) => name.startsWith("cache"))).toHaveLength(6);
    const { attestation } = await standing();
    expect(await reader.isAttestationValid(attestation)).toBe(true);
    const receipt = await reader.getAttestation(attestation);
    const { registry } = chain.contracts;
    const { expiresAt } = await chain.read<{ expiresAt: number }>(registry, "enclaveOf", [enclave.address]);
    expect(receipt.schema).toBe(schema);
    expect(receipt.recipient).toBe(enclave.address);
    expect(receipt.attester.toLowerCase()).toBe(registry.address.toLowerCase());
    expect(receipt.expirationTime).toBe(BigInt(expiresAt));
    expect(receipt.revocable).toBe(true);
    const fields = Object.fromEntries(
      new SchemaEncoder(schemaText).decodeData(receipt.data).map(({ name, value }) => [name, value.value]),
    );
    expect(fields).toMatchObject({ executor: chain.account.address, cpuMeasurement: MEASUREMENT, evidenceHash });
    expect(fields.policyId).toBe(await chain.read(registry, "policyIdOf", [MODEL, MEASUREMENT]));
    expect(fields.gpuRoot).toBe(gpuRoot(proved.slice(0, -1).map((claims) => claims.evidenceHash)));
    // Assurance 3, two GPUs, TCB evaluation 20.
    expect(fields.facts).toBe(3n | (2n << 8n) | (20n << 32n));
  });

  it("costs less than 450,000 gas for the receipt", async () => {
    const { registry } = chain.contracts;
    const withReceipt = (await register()).gas.at(-1)!.used;
    const first = (await standing()).attestation;
    await chain.send(registry, "setAttestations", ["0x0000000000000000000000000000000000000000", ZERO]);
    const without = (await register()).gas.at(-1)!.used;
    console.log(`finalize: ${withReceipt} gas with EAS (renewal, an older receipt revoked), ${without} without`);
    expect(withReceipt - without).toBeLessThan(450_000n);
    expect((await standing()).attestation).toBe(ZERO);
    await chain.send(registry, "setAttestations", [eas.address, schema]);
    expect(await reader.isAttestationRevoked(first)).toBe(false);
  });

  it("loses its receipt with a renewal, and with its key", async () => {
    await register();
    const first = (await standing()).attestation;
    await register();
    const second = (await standing()).attestation;
    expect([await reader.isAttestationRevoked(first), await reader.isAttestationRevoked(second)]).toEqual([
      true,
      false,
    ]);
    await chain.send(chain.contracts.registry, "revoke", [enclave.address]);
    expect(await reader.isAttestationRevoked(second)).toBe(true);
  });

  it("is not registered with another GPU's report, or without certificates", async () => {
    const chains = attesters.chains.slice(0, 1);
    const { firmware } = attesters;
    const other = {
      chains,
      firmware,
      reports: async (nonces: readonly Uint8Array[]) => nonces.map((n) => gpus[1]!.report(n)),
    };
    const silent = { chains, firmware, reports: async () => [] };
    const none = { ...silent, chains: [[]] };
    const policy = { measurement: MEASUREMENT, chosen: CHOSEN, imageConfig: IMAGE_CONFIG };
    const rest = { ...policy, registration: registration(), cpu: { kind: TDX, tcbEval: 20 } };
    const never = (): never => {
      throw new Error("nothing to ask for");
    };
    for (const [asked, error] of [
      [other, SignatureInvalidError],
      [silent, EvidenceEncodingError],
      [none, EvidenceEncodingError],
    ] as const)
      await expect(
        registerInSession(chain.port(), { ...rest, gpus: asked, quote: never, consent: never }),
      ).rejects.toThrow(error);
  });

  it("nobody else attests under the schema", async () => {
    const data = {
      recipient: enclave.address,
      expirationTime: 0n,
      revocable: true,
      refUID: ZERO,
      data: "0x",
      value: 0n,
    };
    await expect(chain.send(eas, "attest", [{ schema, data }])).rejects.toThrow(/InvalidAttestation/);
  });
});
