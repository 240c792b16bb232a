import { keccak256 } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../commit/bytes.ts";
import { type Deployed, deployed } from "../machine/testing/deployed.ts";
import { EvidenceEncodingError, SignatureInvalidError } from "./errors.ts";
import { chainHints, reportHints } from "./h100.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { parseCertificate, parsePem, type X509 } from "./x509.ts";

/** Seconds since 1970 at which the chains are verified. */
const NOW = 1_780_000_000n;

let harness: Deployed;
let parser: Deployed;
beforeAll(async () => {
  [harness, parser] = await Promise.all([deployed("H100Harness"), deployed("ParserHarness")]);
});
afterAll(() => Promise.all([harness.stop(), parser.stop()]));

const hexFile = (name: string): Uint8Array => fromHex(`0x${evidence(name).toString().trim()}`);
const read = (functionName: string, args: readonly unknown[]): Promise<unknown> =>
  harness.client.readContract({ abi: harness.abi, address: harness.address, functionName, args });
const parse = (functionName: string, args: readonly unknown[]): Promise<unknown> =>
  parser.client.readContract({ abi: parser.abi, address: parser.address, functionName, args });
const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "accepted",
    (error) => /Error: (\w+\()|(0x[0-9a-f]{8})/.exec(String(error))?.[0] ?? String(error),
  );

interface Case {
  readonly report: Uint8Array;
  readonly chain: readonly X509[];
}

/** Report and chain from two files, or from NVIDIA's JSON of both. */
const files = (name: string): Case => ({
  report: hexFile(`nvidia-h100/${name}_report.hex`),
  chain: parsePem(evidence(`nvidia-h100/${name}_chain.pem`).toString()),
});
function bundle(name: string): Case {
  const [one] = JSON.parse(evidence(`nvidia-h100/${name}`).toString()) as { evidence: string; certificate: string }[];
  return {
    report: new Uint8Array(Buffer.from(one!.evidence, "base64")),
    chain: parsePem(Buffer.from(one!.certificate, "base64").toString()),
  };
}

/** Verifies chain and report; resolves to the leaf. */
async function verify({ report, chain }: Case): Promise<{ deviceId: string; serial: bigint }> {
  const root = parsePem(evidence("nvidia-h100/root_nvidia_device_identity.pem").toString())[0]!;
  const hints = chainHints(chain).map(toHex);
  const leaf = await read("verifyChain", [chain.map(({ der }) => toHex(der)), hints, keccak256(root.der), NOW]);
  const nonce = toHex(report.subarray(4, 36));
  await read("verifyReport", [toHex(report), leaf, nonce, toHex(reportHints(report, chain[0]!))]);
  return leaf as { deviceId: string; serial: bigint };
}

describe.skipIf(!HAS_EVIDENCE)("real evidence of NVIDIA GPUs", () => {
  const expected = HAS_EVIDENCE ? JSON.parse(evidence("nvidia-h100/expected.json").toString()) : {};

  it.each(["A_h100_550.90.07", "B_h100_545.00", "C_h100_580.159.03"])("%s verifies", async (name) => {
    const one = files(name);
    const leaf = await verify(one);
    expect(leaf.serial).toBe(BigInt(expected[name].leafSerial));
    const driver = (await parse("field", [toHex(one.report), 3])) as `0x${string}`;
    expect(Buffer.from(fromHex(driver)).toString().replace(/\0+$/, "")).toBe(expected[name].driver);
    for (const [index, value] of Object.entries((expected[name].measurements ?? {}) as Record<string, string>))
      expect(await parse("measurement", [toHex(one.report), BigInt(index)])).toBe(`0x${value}`);
  });

  it("evidence in NVIDIA's JSON verifies", async () => {
    await verify(bundle("D_h100_590.12_ppcie_evidence.json"));
    // Held back by OCSP, which no signature shows.
    await verify(bundle("NEG_h100_cert_hold_evidence.json"));
  });

  it("another signer's report finds no hints", () => {
    const { chain } = files("A_h100_550.90.07");
    const report = hexFile("nvidia-h100/NEG_h100_bad_signature_report.hex");
    expect(() => reportHints(report, chain[0]!)).toThrow(SignatureInvalidError);
  });

  it("Blackwell's leaf and an NVSwitch's are refused, their reports parse", async () => {
    for (const name of ["X_blackwell_575.32", "X_nvswitch_ls10"]) {
      const { report, chain } = files(name);
      const first = await parse("measurement", [toHex(report), 1n]);
      expect(first).toBe(toHex(report.subarray(52, 100)));
      expect(await refusal(read("leaf", [toHex(chain[0]!.der)]))).toMatch(/^(Error: (H100|X509|Der)|0x(?!4e487b71))/);
    }
  });

  it("costs little gas", async () => {
    const { report, chain } = files("A_h100_550.90.07");
    const leaf = await read("leaf", [toHex(chain[0]!.der)]);
    const nonce = toHex(report.subarray(4, 36));
    const gas = await harness.client.estimateContractGas({
      abi: harness.abi,
      address: harness.address,
      functionName: "verifyReport",
      args: [toHex(report), leaf, nonce, toHex(reportHints(report, chain[0]!))],
    });
    console.log(`H100 report, leaf known: ${gas} gas with calldata`);
    expect(gas).toBeLessThan(3_500_000n);
  });
});

describe("bytes that are no evidence", () => {
  it("are refused with a typed error", () => {
    for (const hex of ["0x", "0x30", "0x3080", "0x3003020101", "0x308400000001", "0x30053003020101"])
      expect(() => parseCertificate(fromHex(hex))).toThrow(EvidenceEncodingError);
    expect(() => reportHints(new Uint8Array(96), {} as X509)).toThrow(EvidenceEncodingError);
  });
});
