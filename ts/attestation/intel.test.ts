import { keccak256 } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../commit/bytes.ts";
import { type Deployed, deployed } from "../machine/testing/deployed.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { parsePem } from "./x509.ts";

/** Seconds since 1970 at which all chains are valid. */
const NOW = 1_771_000_000n;
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*-----END CERTIFICATE-----/;

let harness: Deployed;
beforeAll(async () => {
  harness = await deployed("TdxHarness");
});
afterAll(() => harness.stop());

const read = (functionName: string, args: readonly unknown[]): Promise<unknown> =>
  harness.client.readContract({ abi: harness.abi, address: harness.address, functionName, args });
const chainOf = (quote: Buffer) => parsePem(PEM.exec(quote.toString("latin1"))![0]);

/** A quote from its file, or from dstack's JSON. */
function quoteOf(name: string): Buffer {
  if (!name.endsWith(".json")) return evidence(`intel-tdx/${name}`);
  return Buffer.from((JSON.parse(evidence(`intel-tdx/${name}`).toString()) as { quote: string }).quote, "hex");
}

interface Expected {
  td?: Record<
    | "reportdata"
    | "tdattributes"
    | "xfam"
    | "mrtd"
    | "mrconfigid"
    | "mrowner"
    | "mrownerconfig"
    | "rtmr0"
    | "rtmr1"
    | "rtmr2"
    | "rtmr3",
    string
  > & { mrservicetd?: string };
  sgx?: { reportdata: string; mrenclave: string };
  qe: { mrsigner: string; isvprodid: number; isvsvn: number };
  fmspc: string;
  pckSerial: string;
}

describe.skipIf(!HAS_EVIDENCE)("real quotes of Intel TDX and SGX", () => {
  const all = HAS_EVIDENCE ? JSON.parse(evidence("intel-tdx/expected.json").toString()) : {};

  it.each(["A_tdx_v4_quote.bin", "B_tdx_v5_quote_unmatched_tcb.bin", "C_sgx_v3_quote.bin", "D_tdx_v5_td15_quote.bin"])(
    "%s verifies to Intel's root",
    async (name) => {
      const expected = all[name] as Expected;
      const quote = quoteOf(name);
      const root = keccak256(toHex(evidence("intel-tdx/root_intel_sgx.der")));
      const chain = chainOf(quote);
      const pck = (await read("verifyChain", [chain.map(({ der }) => toHex(der)), root, NOW])) as {
        key: `0x${string}`;
        fmspc: string;
        serial: bigint;
      };
      expect(pck.fmspc).toBe(`0x${expected.fmspc}`);
      expect(pck.serial).toBe(BigInt(expected.pckSerial));
      const [first, second, measurement] = (await read("verify", [toHex(quote), pck.key])) as string[];
      const { td, sgx, qe } = expected;
      expect(first! + second!.slice(2)).toBe(`0x${(td ?? sgx)!.reportdata}`);
      // Of TDX the body's fields from TDATTRIBUTES to RTMR3, of SGX those from MISCSELECT to ISVFAMILYID.
      const configured = td && td.tdattributes + td.xfam + td.mrtd + td.mrconfigid + td.mrowner + td.mrownerconfig;
      const extended = td && td.rtmr0 + td.rtmr1 + td.rtmr2 + td.rtmr3 + (td.mrservicetd ?? "00".repeat(48));
      const report = quote.subarray(48 + 16, 48 + 320);
      expect(measurement).toBe(keccak256(td ? `0x${configured}${extended}` : toHex(report)));
      if (sgx) expect(report.subarray(48, 80).toString("hex")).toBe(sgx.mrenclave);
      expect(await read("quotingEnclave", [toHex(quote)])).toMatchObject({
        signer: `0x${qe.mrsigner}`,
        product: BigInt(qe.isvprodid),
        securityVersion: BigInt(qe.isvsvn),
      });
    },
  );

  it("refuses a chain that has not begun, has ended, or ends elsewhere", async () => {
    const chain = chainOf(quoteOf("A_tdx_v4_quote.bin")).map(({ der }) => toHex(der));
    const root = keccak256(chain[2]!);
    await expect(read("verifyChain", [chain, root, 1_700_000_000n])).rejects.toThrow();
    await expect(read("verifyChain", [chain, root, 3_000_000_000n])).rejects.toThrow();
    await expect(read("verifyChain", [chain, keccak256("0x"), NOW])).rejects.toThrow(/PckRoot/);
    await expect(read("verifyChain", [chain.slice(0, 1), root, NOW])).rejects.toThrow(/PckChain/);
    // The leaf of another platform under the same names.
    const other = chainOf(quoteOf("B_tdx_v5_quote_unmatched_tcb.bin"))[0]!;
    const forged = new Uint8Array(other.der);
    forged[100]! ^= 1;
    await expect(read("verifyChain", [[toHex(forged), chain[1], chain[2]], root, NOW])).rejects.toThrow();
  });

  it("costs little gas", async () => {
    const quote = quoteOf("A_tdx_v4_quote.bin");
    const gas = await harness.client.estimateContractGas({
      abi: harness.abi,
      address: harness.address,
      functionName: "verify",
      args: [toHex(quote), toHex(chainOf(quote)[0]!.key)],
    });
    console.log(`TDX quote, PCK key known: ${gas} gas with calldata`);
    expect(gas).toBeLessThan(400_000n);
  });
});
