import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DevIntel, DevNvidia, DevRims } from "../attestation/dev-root/index.ts";
import { pem } from "../attestation/dev-root/x509.ts";
import { readEvidence } from "../attestation/evidence-file.ts";
import { parseReport } from "../attestation/nvidia/report.ts";
import { evidence, HAS_EVIDENCE } from "../attestation/testing/real-evidence.ts";
import { refusal } from "../attestation/testing/refusal.ts";
import { toHex } from "../commit/bytes.ts";
import { AttestationService } from "../enclave/attestation-report.ts";
import { devSource } from "../enclave/dev-source.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { main } from "./program.ts";

const SEED = new TextEncoder().encode("attest-commands.test");
const NOW = 1_790_000_000;
const intel = new DevIntel(SEED);
const nvidia = new DevNvidia(SEED);
const nonce = Uint8Array.from({ length: 32 }, (_, k) => k);
const NONCE = toHex(nonce).slice(2);
const reportData = new Uint8Array(64).fill(3);
const rims = new DevRims(SEED);
const digestAt = (index: number) => toHex(parseReport(nvidia.gpu(0).report(nonce)).measurements[index]!).slice(2);
const address = `0x${"5a".repeat(20)}` as const;
const folder = mkdtempSync(join(tmpdir(), "otr-attest-"));
const path = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(async () => {
  const gpu = nvidia.gpu(0);
  const clock = { now: () => NOW * 1000, sleep: async () => undefined };
  const source = devSource({ seed: SEED, gpus: 1, clock });
  const domain = { chainId: 31337, rollup: address };
  const service = new AttestationService({ source, domain, executor: address });
  const key = { model: "tiny", modelId: `0x${"00".repeat(32)}`, address, publicKey: `0x${"00".repeat(64)}` } as const;
  const report = await service.report({ nonce, keys: [key], includeTls: false });
  const base64 = (value: string | Uint8Array) => Buffer.from(value as string).toString("base64");
  const files = {
    "quote.bin": intel.tdxQuote(reportData),
    "quote.hex": toHex(intel.tdxQuote(reportData)),
    "collateral.json": JSON.stringify(intel.tdxCollateral({ issuedAt: NOW })),
    "intel.pem": pem(intel.certificates.root),
    "nvidia.der": nvidia.root,
    "gpu.bin": gpu.report(nonce),
    "gpu.pem": gpu.pem,
    "gpus.json": JSON.stringify([{ evidence: base64(gpu.report(nonce)), certificate: base64(gpu.pem) }]),
    "report.json": JSON.stringify(report),
    "token.json": JSON.stringify([["JWT", "a.b.c"], {}]),
    "driver.xml": rims.manifest({ version: "590.12", values: { 7: [digestAt(7)] } }),
    "vbios.xml": rims.manifest({ version: "96.00.9F.00.01", values: { 8: [digestAt(8)] } }),
    "other.xml": rims.manifest({ version: "96.00.9F.00.01", values: { 8: ["ab".repeat(48)] } }),
    "rim.der": rims.root,
    "none.json": "[]",
    "rude.json": JSON.stringify([["JWT", "a"], { "\u001b[2J": 1 }]),
    "nothing.bin": "nothing",
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(path(name), content);
});

async function otr(...argv: string[]) {
  let [out, err] = ["", ""];
  const streams = {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
  };
  const code = await main(["attest", "verify", ...argv], {}, streams);
  return { code, out, err };
}
const json = async (...argv: string[]) => {
  let out = "";
  const streams = { stdout: { write: (text: string) => (out += text) }, stderr: { write: () => undefined } };
  const code = await main(["--json", "attest", "verify", ...argv], {}, streams);
  return {
    code,
    ...(JSON.parse(out) as { ok: boolean; files: { ok: boolean; checks: { code?: string }[]; claims?: object }[] }),
  };
};
const AT = ["--at", String(NOW + 60)];
const DEV = () => ["--root", path("intel.pem"), "--root", path("nvidia.der"), ...AT];

describe("otr attest verify", () => {
  it("verifies quotes, GPU evidence and reports, and shows each check", async () => {
    const collateral = ["--collateral", path("collateral.json")];
    for (const file of ["quote.bin", "quote.hex"]) {
      const { code, out } = await otr(path(file), ...collateral, ...DEV(), "--report-data", toHex(reportData));
      expect(code).toBe(0);
      expect(out).toMatch(/ok +TCB status +UpToDate/);
    }
    expect((await otr(path("gpu.bin"), "--chain", path("gpu.pem"), ...DEV(), "--nonce", NONCE)).code).toBe(0);
    const gpus = await json(path("gpus.json"), ...DEV(), "--nonce", NONCE);
    expect(gpus.files[0]!.claims).toMatchObject([{ device: nvidia.gpu(0).name, driver: "590.12" }]);
    const report = await json(path("report.json"), ...DEV(), "--nonce", `0x${NONCE}`, "--signing-address", address);
    expect(report).toMatchObject({ code: 0, ok: true, files: [{ claims: { signingAddress: address } }] });
  });

  it("says with its exit code and the failed check that evidence does not hold", async () => {
    const failed = async (...argv: string[]) => {
      const { code, files } = await json(...argv);
      expect(code).toBe(3);
      return files.at(-1)!.checks.at(-1)!.code;
    };
    const collateral = ["--collateral", path("collateral.json")];
    expect(await failed(path("quote.bin"), ...collateral, ...AT)).toBe("attestation.collateral");
    expect(await failed(path("quote.bin"), ...DEV())).toBe("attestation.collateral");
    expect(await failed(path("quote.bin"), ...collateral, ...DEV(), "--report-data", "00".repeat(64))).toBe(
      "attestation.binding",
    );
    expect(await failed(path("quote.bin"), ...collateral, ...DEV(), "--at", "2030-01-01")).toBe("attestation.expired");
    expect(await failed(path("gpus.json"), ...DEV(), "--nonce", "00".repeat(32))).toBe("attestation.binding");
    expect(await failed(path("gpu.bin"), ...DEV())).toBe("attestation.encoding");
    expect(await failed(path("report.json"), ...DEV(), "--nonce", NONCE, "--gpus", "2")).toBe("attestation.encoding");
    expect(await failed(path("token.json"), ...AT)).toBe("attestation.encoding");
    expect(await failed(path("nothing.bin"))).toBe("attestation.encoding");
    // One bad file among good ones.
    expect(await failed(path("quote.bin"), path("nothing.bin"), ...collateral, ...DEV())).toBe("attestation.encoding");
    const { out, err } = await otr(path("nothing.bin"));
    expect(out).toMatch(/FAIL +file/);
    expect(err).toMatch(/does not hold/);
  });

  it("compares GPUs with reference manifests", async () => {
    const manifests = (...names: string[]) => names.flatMap((name) => ["--rim", path(name)]);
    const asked = [...DEV(), "--nonce", NONCE, "--rim-root", path("rim.der")];
    const both = await otr(path("gpus.json"), ...asked, ...manifests("driver.xml", "vbios.xml"));
    expect(both.code).toBe(0);
    expect(both.out).toMatch(/ok +reference values +2 of NVIDIA:GH100:/);
    expect((await otr(path("report.json"), ...asked, ...manifests("driver.xml", "vbios.xml"))).code).toBe(0);
    expect((await otr(path("gpus.json"), ...asked, ...manifests("driver.xml"))).out).toMatch(/No manifest is of VBIOS/);
    expect((await otr(path("gpus.json"), ...asked, ...manifests("driver.xml", "other.xml"))).out).toMatch(
      /Indices 8 have/,
    );
    expect((await otr(path("gpus.json"), ...DEV(), ...manifests("driver.xml", "vbios.xml"))).out).toMatch(
      /another root/,
    );
  });

  it("takes nothing for evidence of something, and says what it did not compare", async () => {
    expect((await otr(path("none.json"), ...DEV())).code).toBe(3);
    // A name that a terminal would obey.
    const { out } = await otr(path("rude.json"), ...DEV());
    expect(out).toMatch(/FAIL/);
    expect(out.replaceAll("\n", "")).not.toMatch(/[^\x20-\x7e]/);
    expect((await otr(path("gpus.json"), ...DEV())).out).toMatch(/ok +nonce +not compared: none was given/);
    const quote = await otr(path("quote.bin"), "--collateral", path("collateral.json"), ...DEV());
    expect(quote.out).toMatch(/ok +report data +not compared: none was given/);
  });

  it("prints the roots of a development seed, as verify takes them", async () => {
    let out = "";
    const streams = { stdout: { write: (text: string) => (out += text) }, stderr: { write: () => undefined } };
    expect(await main(["attest", "dev-roots", "--seed", "attest-commands.test"], {}, streams)).toBe(0);
    writeFileSync(path("roots.pem"), out);
    const { code } = await otr(path("report.json"), "--root", path("roots.pem"), ...AT, "--nonce", NONCE);
    expect(code).toBe(0);
  });

  it("refuses wrong usage", async () => {
    expect((await otr(path("none"))).code).toBe(2);
    expect((await otr(path("report.json"), ...DEV())).code).toBe(2);
    for (const wrong of [
      ["--nonce", "12"],
      ["--at", "noon"],
      ["--accept", "Fine"],
      ["--collateral", path("gpu.bin")],
      ["--root", path("none")],
      ["--signing-address", "0x12"],
      ["--gpus", "some"],
    ])
      expect((await otr(path("quote.bin"), ...wrong)).code, wrong.join(" ")).toBe(2);
    expect((await otr()).code).toBe(2);
  });

  it("tells any bytes apart or refuses them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        refusal(() => readEvidence(bytes));
      }),
      { numRuns: 300 * FUZZ },
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        refusal(() => readEvidence(new TextEncoder().encode(text)));
      }),
      { numRuns: 300 * FUZZ },
    );
  });
});

describe.skipIf(!HAS_EVIDENCE)("otr attest verify with real evidence", () => {
  const file = (name: string) => `${process.env.OTR_VECTORS ?? "../shared/vectors"}/${name}`;

  it("verifies a TDX quote, a GPU in NVIDIA's JSON, and an SEV-SNP report", async () => {
    expect(evidence("README.md").length).toBeGreaterThan(0);
    const tdx = [file("intel-tdx/A_tdx_v4_quote.bin"), "--collateral", file("intel-tdx/A_collateral.json")];
    expect((await otr(...tdx, "--at", "2025-06-20")).code).toBe(0);
    expect((await otr(...tdx, "--at", "2025-08-01")).code).toBe(3);
    expect((await otr(file("nvidia-h100/D_h100_590.12_ppcie_evidence.json"))).code).toBe(0);
    const sample = [
      file("nvidia-h100/A_h100_550.90.07_report.hex"),
      "--chain",
      file("nvidia-h100/A_h100_550.90.07_chain.pem"),
    ];
    expect((await otr(...sample)).out).toMatch(/published sample/);
    const chain = ["A_milan_vcek.der", "A_milan_ask_ark.pem"].map((name) => evidence(`amd-sev-snp/${name}`));
    writeFileSync(path("amd.pem"), pem(new Uint8Array(chain[0]!)) + chain[1]!.toString());
    expect((await otr(file("amd-sev-snp/A_milan_report_v2.hex"), "--chain", path("amd.pem"))).code).toBe(0);
    expect((await otr(file("intel-tdx/H_dstack_quote_with_eventlog.json"))).out).toMatch(/needs Intel's collateral/);
    expect((await otr(file("nvidia-h100/A_nras_detached_eat.json"), "--at", "2025-06-11")).code).toBe(3);
  });
});
