import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  decodeFunctionData,
  type Hex,
  keccak256,
  stringToHex,
  type TransactionReceipt,
  toFunctionSelector,
} from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { DevIntel } from "../attestation/dev-root/index.ts";
import { pem } from "../attestation/dev-root/x509.ts";
import type { Collateral } from "../attestation/intel/collateral.ts";
import {
  certificateName,
  dcapAux,
  revokedTcbProof,
  subjectHash,
  withoutCertificates,
} from "../attestation/intel-submissions.ts";
import { built, type Contract } from "../attestation/testing/contracts-chain.ts";
import { type PcsServer, servePcs } from "../attestation/testing/pcs-server.ts";
import { type SessionsChain, startSessionsChain } from "../attestation/testing/sessions-chain.ts";
import { NEWEST, submitIntel } from "../chain/actions/submit-intel.ts";
import { anvilKey } from "../chain/anvil.ts";
import { intelContracts } from "../chain/attestation-contracts.ts";
import { connect } from "../chain/client.ts";
import { intelCertificatesAbi, intelCollateralAbi } from "../chain/generated.ts";
import type { Call } from "../chain/sender.ts";
import { toHex } from "../commit/bytes.ts";
import { main } from "./program.ts";

const intel = new DevIntel(new TextEncoder().encode("collateral-command.test"));
const quote = intel.tdxQuote(new Uint8Array(64));
const issuedAt = Math.floor(Date.now() / 1000) - 3600;
const collateral = intel.tdxCollateral({ issuedAt });
const folder = mkdtempSync(join(tmpdir(), "otr-collateral-"));
const at = (name: string) => join(folder, name);
writeFileSync(at("quote.bin"), quote);
writeFileSync(at("root.pem"), pem(intel.certificates.root));
afterAll(() => rmSync(folder, { recursive: true }));

/** The list's part of collateral. */
const listOf = ({ tcb_evaluation_issuer_chain, tcb_evaluation, tcb_evaluation_signature }: Collateral) => ({
  ...{ tcb_evaluation_issuer_chain, tcb_evaluation, tcb_evaluation_signature },
});

const ZERO: Hex = `0x${"00".repeat(32)}`;
let server: PcsServer;
afterEach(() => server?.close());

/** A run of the command line: exit code, result, errors. */
async function otr(args: readonly string[], environment: Record<string, string> = {}) {
  const [out, err]: [string[], string[]] = [[], []];
  const streams = {
    stdout: { write: (text: string) => void out.push(text) },
    stderr: { write: (text: string) => void err.push(text) },
  };
  const settings = { OTR_CACHE_DIR: at("cache"), ...environment };
  const code = await main(["--json", ...args], settings, streams);
  return { code, result: JSON.parse(out.join("") || "null"), err: err.join("") };
}

const fetched = (...more: string[]) => [
  "attest",
  "collateral",
  at("quote.bin"),
  "--url",
  server.url,
  "--root",
  at("root.pem"),
  ...more,
];

describe("otr attest collateral", () => {
  it("writes what otr attest verify reads", async () => {
    server = await servePcs(collateral);
    const file = at("collateral.json");
    const { code, result } = await otr(fetched("--out", file));
    expect([code, result]).toMatchObject([0, { tee: "tdx", ca: "platform", evaluation: 17, source: "service", file }]);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(collateral);
    const verified = await otr(["attest", "verify", at("quote.bin"), "--collateral", file, "--root", at("root.pem")]);
    expect([verified.code, verified.result.ok]).toEqual([0, true]);
    // From the cache, and without a file, as it is.
    expect((await otr(fetched())).result).toMatchObject({ source: "cache", collateral });
  });

  it("fails with the reason, and writes nothing", async () => {
    server = await servePcs(collateral);
    server.other.set("/tdx/certification/v4/tcb", { status: 404 });
    const file = at("none.json");
    const missing = await otr(fetched("--out", file, "--max-age", "0"), { OTR_CACHE_DIR: at("empty") });
    expect(missing.code).toBe(1);
    expect(JSON.parse(missing.err).error).toMatchObject({ code: "attestation.fetch.status" });
    expect(() => readFileSync(file)).toThrow(/ENOENT/);
    const intels = ["attest", "collateral", at("quote.bin"), "--url", server.url];
    server.other.clear();
    expect((await otr(intels)).err).toMatch(/attestation\.(root|collateral)/);
    expect((await otr(["attest", "collateral", at("root.pem"), "--url", server.url])).code).not.toBe(0);
    expect((await otr(["attest", "collateral", at("quote.bin"), "--url", "nowhere"])).err).toMatch(
      /attestation\.fetch\.url/,
    );
  });
});

describe("otr attest collateral --submit", () => {
  let node: SessionsChain;
  let verifier: Contract;
  let store: Contract;
  beforeAll(async () => {
    node = await startSessionsChain(keccak256("0x"));
    const { root, signer } = intel.certificates;
    const certificates = await node.deploy(built("IntelCertificates"), [keccak256(root), subjectHash(signer)]);
    store = await node.deploy(built("IntelCollateral"), [certificates.address]);
    const policy = {
      minTcbEval: 17,
      promotionDelay: 31_536_000,
      grace: 2_592_000,
      maxAge: 0,
      acceptConfiguration: false,
    };
    verifier = await node.deploy(built("DcapVerifier"), [store.address, policy, stringToHex("TDX", { size: 32 })]);
  }, 300_000);
  afterAll(() => node.stop());

  const submit = (...more: string[]) =>
    otr(fetched("--max-age", "0", "--submit", "--verifier", verifier.address, ...more), {
      OTR_RPC_URL: node.url,
      OTR_PRIVATE_KEY: anvilKey(0),
    });
  const verify = () =>
    node.read<{ tcbStatus: number; certificate: Hex }>(verifier, "verify", [
      toHex(withoutCertificates(quote)),
      dcapAux(intel.certificates.pck, 17),
    ]);

  it("sends what the chain lacks, once, and newer ones later", async () => {
    server = await servePcs(collateral);
    const simulated = await submit("--dry-run");
    expect([simulated.code, simulated.err, simulated.result]).toMatchObject([
      0,
      "",
      { dryRun: true, call: "intelCertificates.addRoot" },
    ]);
    const { code, result, err } = await submit();
    expect([code, err]).toEqual([0, ""]);
    const names = (result.submitted as { name: string }[]).map(({ name }) => name.split(".")[1]);
    expect(names).toEqual([
      ...["addRoot", "addAuthority", "addSigner", "addCrl", "addCrl", "addPck", "submitTcbInfo", "submitQeIdentity"],
    ]);
    expect((await verify()).tcbStatus).toBe(0);
    expect((await submit()).result.submitted).toEqual([]);
    await server.close();
    const later = intel.tdxCollateral({ issuedAt: issuedAt + 60, revoked: { pck: [intel.serials.pck] } });
    server = await servePcs(later);
    // The quote's own platform is revoked: its collateral holds all the same, and the chain has to know.
    const again = (await submit()).result.submitted as { name: string }[];
    expect(again.map(({ name }) => name.split(".")[1])).toEqual([
      "addCrl",
      "addCrl",
      "submitTcbInfo",
      "submitQeIdentity",
    ]);
    await expect(verify()).rejects.toThrow(toFunctionSelector("CertificateRevoked(bytes32,uint256)"));
  }, 300_000);

  it("takes collateral and the list of numbers from a file, and asks nobody", async () => {
    const announced = { 17: issuedAt - 40_000_000, 18: issuedAt - 1_000_000 };
    const fresh = intel.tdxCollateral({ issuedAt: issuedAt + 70, announced });
    server = await servePcs(fresh);
    const file = at("carried.json");
    // Where there is a network: everything in one file.
    expect((await otr(fetched("--max-age", "0", "--out", file))).code).toBe(0);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(fresh);
    const { asked } = server;
    await server.close();
    const before = asked.length;
    // Where there is none.
    const carried = (path: string, ...more: string[]) =>
      otr(
        [
          ...["attest", "collateral", at("quote.bin"), "--from", path, "--root", at("root.pem"), "--submit"],
          ...["--verifier", verifier.address, ...more],
        ],
        { OTR_RPC_URL: node.url, OTR_PRIVATE_KEY: anvilKey(0) },
      );
    const done = await carried(file);
    expect([done.code, done.err, done.result.source]).toEqual([0, "", "file"]);
    expect((done.result.submitted as { name: string }[]).map(({ name }) => name.split(".")[1])).toEqual([
      ...["addCrl", "addCrl", "submitTcbInfo", "submitQeIdentity", "submitTcbEvaluation"],
    ]);
    expect((await carried(file)).result.submitted).toEqual([]);
    expect(asked).toHaveLength(before);
    const [, issued] = await node.read<[Hex, number, number]>(store, "evaluationOf", [
      stringToHex("TDX", { size: 32 }),
    ]);
    expect(issued).toBe(issuedAt + 70);
    // The list alone is old: nobody is stopped for it.
    const old = intel.tdxCollateral({ issuedAt: issuedAt - 90 * 86_400, announced });
    const mixed = { ...intel.tdxCollateral({ issuedAt: issuedAt + 75 }), ...listOf(old) };
    writeFileSync(at("mixed.json"), JSON.stringify(mixed));
    expect((await carried(at("mixed.json"))).result.submitted).toHaveLength(4);
    // What is changed on the way, or is no collateral, or of another root.
    writeFileSync(at("bad.json"), JSON.stringify({ ...fresh, tcb_info: `${fresh.tcb_info} ` }));
    expect((await carried(at("bad.json"))).err).toContain("attestation.signature");
    writeFileSync(at("bad.json"), JSON.stringify({ ...fresh, ...listOf(old), tcb_evaluation_signature: "0" }));
    expect((await carried(at("bad.json"))).err).toContain("attestation.encoding");
    expect((await carried(at("quote.bin"))).code).toBe(2);
    expect((await carried(at("nothing.json"))).code).toBe(2);
    expect((await carried(file, "--url", "http://127.0.0.1:1")).err).toContain("--from asks nobody");
    expect((await carried(file, "--at", "2020-01-01T00:00:00Z")).err).toMatch(/attestation\.(not-yet-valid|expired)/);
  }, 300_000);

  it("does without the list of numbers where the service fails to answer", async () => {
    server = await servePcs(collateral);
    server.other.set("/tdx/certification/v4/tcbevaluationdatanumbers", { status: 503 });
    const file = at("without.json");
    expect((await otr(fetched("--max-age", "0", "--out", file))).code).toBe(0);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(collateral);
  });

  it("what Intel revokes is shown to the verifier by list or document", async () => {
    const { certificates } = intel;
    const claims = {
      ...{ kind: stringToHex("TDX_DCAP", { size: 32 }), deviceId: ZERO, measurement: ZERO, rd0: ZERO, rd1: ZERO },
      ...{ tcbStatus: 0, tcbEval: 17, notAfter: 0n, evidenceHash: keccak256(quote.slice(0, 632)) },
      certificate: certificateName(certificates.pck),
    };
    const isRevoked = (proof: Hex) => node.read<boolean>(verifier, "isRevoked", [claims, proof]);
    expect(await isRevoked("0x")).toBe(true);
    for (const [document, evaluation, status] of [
      ["TDX", 18, { module: "Revoked" }],
      ["TD_QE", 19, { enclave: "Revoked" }],
    ] as const) {
      expect(await isRevoked(revokedTcbProof(document, 17, quote))).toBe(false);
      server = await servePcs(intel.tdxCollateral({ issuedAt: issuedAt + 90, evaluation, status }));
      expect((await submit()).code).toBe(0);
      expect(await isRevoked(revokedTcbProof(document, evaluation, quote))).toBe(true);
      await server.close();
    }
  }, 300_000);

  it("brings long lists in parts, and refuses contracts of another root", async () => {
    const client = await connect({ url: node.url, timeoutMs: 10_000, pollMs: 100 });
    const contracts = await intelContracts({ client }, verifier.address);
    const pck = Array.from({ length: 950 }, (_, k) => BigInt(k + 1));
    const long = intel.tdxCollateral({ issuedAt: issuedAt + 120, revoked: { pck } });
    const calls: unknown[] = [];
    const send = async ({ data }: Call) => {
      const { functionName, args } = decodeFunctionData({
        abi: [...intelCertificatesAbi, ...intelCollateralAbi],
        data,
      });
      calls.push([functionName, ...args.slice(2)]);
      return {} as TransactionReceipt;
    };
    await submitIntel({ client }, { contracts, quote, collateral: long, until: NEWEST, send });
    expect(calls).toEqual([
      ["addCrl"],
      ["revoke", 0n, 400n],
      ["revoke", 400n, 400n],
      ["revoke", 800n, 150n],
      ["addCrl"],
      ["submitTcbInfo", expect.anything()],
      ["submitQeIdentity", expect.anything()],
    ]);
    const other = new DevIntel(new TextEncoder().encode("other"));
    const theirs = { quote: other.tdxQuote(new Uint8Array(64)), collateral: other.tdxCollateral({ issuedAt }) };
    await expect(submitIntel({ client }, { contracts, ...theirs, until: NEWEST, send })).rejects.toMatchObject({
      code: "enclave.root",
    });
  }, 300_000);
});
