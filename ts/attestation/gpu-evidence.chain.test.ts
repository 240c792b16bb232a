import { keccak256 } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../commit/bytes.ts";
import { gpuAux, gpuEvidenceHash, NVIDIA_KIND } from "./gpu-evidence.ts";
import { firmwareOf } from "./gpu-firmware.ts";
import { parseReport } from "./nvidia/report.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { type SessionsChain, startSessionsChain } from "./testing/sessions-chain.ts";
import { parsePem, type X509 } from "./x509.ts";

const CHOSEN = 0x1fffn;

interface Claims {
  readonly deviceId: string;
  readonly measurement: string;
  readonly rd0: string;
  readonly certificate: string;
  readonly evidenceHash: string;
}

describe.skipIf(!HAS_EVIDENCE)("real H100s on a chain", () => {
  let chain: SessionsChain;
  const file = (name: string): string => evidence(`nvidia-h100/${name}`).toString();
  const files = (name: string) => ({
    report: fromHex(`0x${file(`${name}_report.hex`).trim()}`),
    certificates: parsePem(file(`${name}_chain.pem`)),
  });
  const bundle = (name: string) => {
    const [one] = JSON.parse(file(name)) as { evidence: string; certificate: string }[];
    return {
      report: new Uint8Array(Buffer.from(one!.evidence, "base64")),
      certificates: parsePem(Buffer.from(one!.certificate, "base64").toString()),
    };
  };
  const verify = async ({ report, certificates }: { report: Uint8Array; certificates: readonly X509[] }) => {
    const { id, gas } = await chain.cache(certificates);
    const aux = gpuAux(report, { id, der: certificates[0]!.der }, CHOSEN);
    const { nvidia } = chain.contracts;
    return { id, gas, aux, claims: await chain.read<Claims>(nvidia, "verify", [toHex(report), aux]) };
  };

  beforeAll(async () => {
    const [root] = parsePem(file("root_nvidia_device_identity.pem"));
    chain = await startSessionsChain(keccak256(root!.der));
  });
  afterAll(() => chain?.stop());

  it.each([
    ["580.159.03", () => files("C_h100_580.159.03")],
    ["590.12", () => bundle("D_h100_590.12_ppcie_evidence.json")],
  ])("driver %s: chain and report verify, each in a transaction far below the limit", async (_, load) => {
    const one = load();
    const { id, gas, aux, claims } = await verify(one);
    for (const used of gas) expect(used).toBeLessThan(3_000_000n);
    expect(claims.rd0).toBe(toHex(parseReport(one.report).nonce));
    expect(claims.certificate).toBe(id);
    expect(claims.measurement).toBe(firmwareOf(one.report, CHOSEN));
    expect(claims.evidenceHash).toBe(gpuEvidenceHash(one.report));
    const evidence_ = {
      kind: NVIDIA_KIND,
      evidence: toHex(one.report),
      aux,
    };
    const proved = await chain.send(chain.contracts.sessions, "prove", [evidence_]);
    console.log(`caching: ${gas.join(", ")} gas; report: ${proved.gasUsed} gas, all with calldata`);
    expect(proved.gasUsed).toBeLessThan(3_500_000n);
  });

  it("samples that everybody has are refused, though they verify", async () => {
    for (const load of [
      () => files("A_h100_550.90.07"),
      () => files("B_h100_545.00"),
      () => bundle("NEG_h100_cert_hold_evidence.json"),
    ])
      await expect(verify(load())).rejects.toThrow(/CannedNonce/);
  });

  it("devices of other families cannot be cached", async () => {
    for (const name of ["X_blackwell_575.32", "X_nvswitch_ls10"])
      await expect(chain.cache(parsePem(file(`${name}_chain.pem`))), name).rejects.toThrow(/X509|H100|Der/);
  });
});
