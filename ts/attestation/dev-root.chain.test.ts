import { createHash, createPublicKey, verify, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { keccak256 } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../commit/bytes.ts";
import { type Deployed, deployed } from "../machine/testing/deployed.ts";
import { DevIntel, DevKey, DevNvidia } from "./dev-root/index.ts";
import { chainHints, reportHints } from "./h100.ts";
import { parsePem } from "./x509.ts";

const SEED = new TextEncoder().encode("dev-root.test");
const NOW = 1_790_000_000;
const intel = new DevIntel(SEED);
const nvidia = new DevNvidia(SEED);
const reportData = Uint8Array.from({ length: 64 }, (_, k) => k);
const nonce = new Uint8Array(32).fill(9);

describe("signatures of development keys", () => {
  it("are those of RFC 6979 (A.2.5, A.2.6)", () => {
    const p256 = new DevKey("P-256", 0xc9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721n);
    const p384 = new DevKey(
      "P-384",
      0x6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5n,
    );
    const signed = (key: DevKey, text: string) => toHex(key.sign(new TextEncoder().encode(text)));
    expect(signed(p256, "sample")).toBe(
      "0xefd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    );
    expect(signed(p256, "test")).toBe(
      "0xf1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367" +
        "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
    );
    expect(signed(p384, "sample")).toBe(
      "0x94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46" +
        "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
    );
    expect(signed(p384, "test")).toBe(
      "0x8203b63d3c853e8d77227fb377bcf7b7b772e97892a80f36ab775d509d7a5feb0542a7f0812998da8f1dd3ca3cf023db" +
        "ddd0760448d42d8a43af45af836fce4de8be06b485e9b61b827c2f13173923e06a739f040649a667bf3b828246baa5a5",
    );
  });

  it("verify, for any message, and differ between keys", () => {
    const keys = (["P-256", "P-384"] as const).map((curve) => DevKey.derive(SEED, curve, "any"));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...keys), (message, key) => {
        const half = key.publicKey.length / 2;
        const [x, y] = [key.publicKey.subarray(0, half), key.publicKey.subarray(half)].map((part) =>
          Buffer.from(part).toString("base64url"),
        );
        const jwk = createPublicKey({ key: { kty: "EC", crv: key.curve, x: x!, y: y! }, format: "jwk" });
        const hash = key.curve === "P-256" ? "sha256" : "sha384";
        return verify(hash, message, { key: jwk, dsaEncoding: "ieee-p1363" }, key.sign(message));
      }),
      { numRuns: 20 },
    );
    expect(DevKey.derive(SEED, "P-256", "a").publicKey).not.toEqual(DevKey.derive(SEED, "P-256", "b").publicKey);
  });
});

describe("what development roots issue", () => {
  it("is the same bytes on every machine", () => {
    const issued = [
      intel.tdxQuote(reportData),
      intel.tdxQuote(reportData, {}, { version: 5 }),
      intel.sgxQuote(reportData),
      new TextEncoder().encode(JSON.stringify(intel.tdxCollateral({ issuedAt: NOW }))),
      ...nvidia.gpu(0).chain,
      nvidia.gpu(0).report(nonce),
    ];
    const digest = createHash("sha256");
    for (const bytes of issued) digest.update(bytes);
    expect(digest.digest("hex")).toBe("40f86433ad9dfdb3bd7b2976f74450d11c4b7d31ca4825fa75dfb9142c586403");
    expect(new DevIntel(SEED).tdxQuote(reportData)).toEqual(issued[0]);
    expect(new DevIntel(nonce).certificates.root).not.toEqual(intel.certificates.root);
    expect(nvidia.gpu(1).name).not.toBe(nvidia.gpu(0).name);
  });

  it("are chains as OpenSSL reads them", () => {
    const { pck, platformCa, root } = intel.certificates;
    for (const chain of [[pck, platformCa, root], nvidia.gpu(3).chain]) {
      const certificates = chain.map((der) => new X509Certificate(der));
      for (const [k, certificate] of certificates.entries()) {
        const issuer = certificates[Math.min(k + 1, chain.length - 1)]!;
        expect(certificate.checkIssued(issuer)).toBe(true);
        expect(certificate.verify(issuer.publicKey)).toBe(true);
        expect(certificate.ca).toBe(k > 0);
      }
    }
  });

  it("refuses fields that have not their size", () => {
    expect(() => intel.tdxQuote(new Uint8Array(63))).toThrow(RangeError);
    expect(() => nvidia.gpu(0).report(new Uint8Array(31))).toThrow(RangeError);
  });
});

describe("the contracts' verifiers on development evidence", () => {
  let [tdx, h100]: Deployed[] = [];
  beforeAll(async () => {
    [tdx, h100] = await Promise.all([deployed("TdxHarness"), deployed("H100Harness")]);
  });
  afterAll(() => Promise.all([tdx?.stop(), h100?.stop()]));
  const read = ({ client, abi, address }: Deployed, functionName: string, args: readonly unknown[]) =>
    client.readContract({ abi, address, functionName, args });

  it("take quotes and PCK chains", async () => {
    const { pck, platformCa, root } = intel.certificates;
    const chain = [pck, platformCa, root].map(toHex);
    const leaf = (await read(tdx!, "verifyChain", [chain, keccak256(root), BigInt(NOW)])) as {
      key: `0x${string}`;
      fmspc: string;
    };
    expect(leaf.fmspc).toBe(toHex(intel.platform.fmspc));
    for (const quote of [
      intel.tdxQuote(reportData),
      intel.tdxQuote(reportData, {}, { version: 5 }),
      intel.sgxQuote(reportData),
    ]) {
      const [first, second] = (await read(tdx!, "verify", [toHex(quote), leaf.key])) as string[];
      expect(first! + second!.slice(2)).toBe(toHex(reportData));
    }
    const debug = intel.tdxQuote(reportData, { tdAttributes: fromHex("0x0100001000000000") });
    await expect(read(tdx!, "verify", [toHex(debug), leaf.key])).rejects.toThrow(/QuoteDebug/);
  });

  it("take H100 chains and reports", async () => {
    const gpu = nvidia.gpu(0);
    const chain = parsePem(gpu.pem);
    const hints = chainHints(chain).map(toHex);
    const leaf = await read(h100!, "verifyChain", [gpu.chain.map(toHex), hints, keccak256(nvidia.root), BigInt(NOW)]);
    const report = gpu.report(nonce);
    await read(h100!, "verifyReport", [toHex(report), leaf, toHex(nonce), toHex(reportHints(report, chain[0]!))]);
  });
});
