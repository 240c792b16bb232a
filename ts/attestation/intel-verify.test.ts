import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../commit/bytes.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { fingerprint } from "./chain.ts";
import { Checks } from "./checks.ts";
import { parseCrl } from "./crl.ts";
import { DevIntel } from "./dev-root/index.ts";
import { DevKey } from "./dev-root/key.ts";
import { certificate, constraints, crl, type Name, pem, USAGE, usage } from "./dev-root/x509.ts";
import { type Collateral, parseCollateral, TCB_STATUSES, verifyCollateral } from "./intel/collateral.ts";
import { leastEvaluation } from "./intel/evaluation.ts";
import { parseQuote } from "./intel/quote.ts";
import { type QuoteOptions, verifyQuote, verifySignatures } from "./intel/verify.ts";
import { ROOTS } from "./roots.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { flipped, refusal, SLOW_MS, sampled } from "./testing/refusal.ts";
import { parseCertificate } from "./x509.ts";

const SEED = new TextEncoder().encode("intel-verify.test");
const NOW = 1_790_000_000;
const intel = new DevIntel(SEED);
const root = fingerprint(intel.certificates.root);
const reportData = Uint8Array.from({ length: 64 }, (_, k) => k);
const collateral = intel.tdxCollateral({ issuedAt: NOW });
const quote = intel.tdxQuote(reportData);

const verify = (data: Uint8Array, held: Collateral = collateral, more: Partial<QuoteOptions> = {}) =>
  verifyQuote(data, held, { time: NOW + 60, root, reportData, ...more });
const tdx = (options: Omit<Parameters<DevIntel["tdxCollateral"]>[0], "issuedAt">) =>
  refusal(() => verify(quote, intel.tdxCollateral({ issuedAt: NOW, ...options })));

describe("quotes under a development root", () => {
  it("verify: TDX 1.0, TDX 1.5 and SGX", () => {
    const verified = verify(quote);
    expect(verified).toMatchObject({ version: 4, status: "UpToDate", advisories: [], evaluation: 17 });
    expect(verified.pck).toMatchObject({ fmspc: toHex(intel.platform.fmspc), ppid: toHex(intel.platform.ppid) });
    expect(verified.notAfter).toBe(NOW + 30 * 86_400);
    expect(verify(intel.tdxQuote(reportData, {}, { version: 5 })).version).toBe(5);
    const sgx = verify(intel.sgxQuote(reportData), intel.sgxCollateral({ issuedAt: NOW }));
    expect(sgx.report).toMatchObject({ kind: "sgx", product: 0 });
  });

  it("show each check that was made, and the one that failed", () => {
    const checks = new Checks();
    verify(quote, collateral, { checks });
    expect(checks.rows.map(({ name }) => name)).toEqual([
      "format",
      "revocation lists",
      "TCB info",
      "QE identity",
      "PCK certificate",
      "quoting enclave's report",
      "quote's signature",
      "attributes",
      "report data",
      "TCB status",
    ]);
    const failed = new Checks();
    expect(refusal(() => verify(flipped(quote, 600), collateral, { checks: failed }))).toBe("attestation.signature");
    expect(failed.rows.at(-1)).toMatchObject({ name: "quote's signature", ok: false, code: "attestation.signature" });
  });

  it("refuse another root, other report data, other collateral", () => {
    expect(refusal(() => verify(quote, collateral, { root: ROOTS.intel }))).toBe("attestation.collateral");
    const other = new DevIntel(new Uint8Array(32));
    expect(refusal(() => verify(other.tdxQuote(reportData)))).toBe("attestation.root");
    expect(refusal(() => verify(quote, collateral, { reportData: new Uint8Array(64) }))).toBe("attestation.binding");
    expect(refusal(() => verify(quote, intel.sgxCollateral({ issuedAt: NOW })))).toBe("attestation.collateral");
    const edited = (key: string) =>
      tdx({
        edit: (info) => {
          info[key] = "0".repeat(String(info[key]).length - 1).concat("1");
        },
      });
    expect(edited("fmspc")).toBe("attestation.collateral");
    expect(edited("pceId")).toBe("attestation.collateral");
  });

  it("refuse guests, enclaves and quoting enclaves that can be debugged", () => {
    const debug = { tdAttributes: fromHex("0x0100001000000000") };
    expect(refusal(() => verify(intel.tdxQuote(reportData, debug)))).toBe("attestation.debug");
    const tuned = { tdAttributes: fromHex("0x8000001000000000") };
    expect(refusal(() => verify(intel.tdxQuote(reportData, tuned)))).toBe("attestation.debug");
    const attributes = fromHex("0x0700000000000000e700000000000000");
    const sgx = intel.sgxCollateral({ issuedAt: NOW });
    expect(refusal(() => verify(intel.sgxQuote(reportData, { attributes }), sgx))).toBe("attestation.debug");
    const qeAttributes = fromHex("0x1700000000000000e700000000000000");
    expect(refusal(() => verify(intel.tdxQuote(reportData, {}, { qeAttributes })))).toBe("attestation.debug");
  });

  it("refuse guests that the host may disturb or move", () => {
    const faulting = { tdAttributes: fromHex("0x0000000000000000") };
    expect(refusal(() => verify(intel.tdxQuote(reportData, faulting)))).toBe("attestation.attributes");
    const migratable = intel.tdxQuote(reportData, { tdAttributes: fromHex("0x0000003000000000") });
    const served = intel.tdxQuote(reportData, { mrServiceTd: new Uint8Array(48).fill(1) }, { version: 5 });
    for (const data of [migratable, served]) {
      expect(refusal(() => verify(data))).toBe("attestation.attributes");
      expect(refusal(() => verify(data, collateral, { allowServiceTd: true }))).toBe("accepted");
    }
  });

  // A machine that is out of date showed documents of an old number, by which it was not: Intel signs those to this day.
  it("refuse collateral of an evaluation that is older than asked for, or of two", () => {
    const old = intel.tdxCollateral({ issuedAt: NOW, evaluation: 17 });
    const now = intel.tdxCollateral({ issuedAt: NOW, evaluation: 18, status: { platform: "OutOfDate" } });
    const least = { minEvaluation: 18 };
    expect(refusal(() => verify(quote, old))).toBe("accepted");
    expect(refusal(() => verify(quote, old, least))).toBe("attestation.collateral");
    expect(refusal(() => verify(quote, now, least))).toBe("attestation.tcb");
    expect(refusal(() => verify(quote, intel.tdxCollateral({ issuedAt: NOW, evaluation: 19 }), least))).toBe(
      "accepted",
    );
    for (const [at, key] of [
      [0, "tcbInfo"],
      [1, "qeIdentity"],
    ] as const)
      expect(tdx({ edit: (...both) => Object.assign(both[at]!, { tcbEvaluationDataNumber: 16 }) }), key).toBe(
        "attestation.collateral",
      );
    // As a deployment's verifier would with Intel's list: 395 days after the announcement.
    const promoted = Date.parse("2025-08-12") / 1000 + 395 * 86_400;
    expect([promoted - 1, promoted, NOW, 0].map(leastEvaluation)).toEqual([19, 20, 20, 0]);
  });

  it("refuse lists of another authority of the same name, and documents of another signer below the root", () => {
    const named = (name: string): Name => [
      ["CN", name],
      ["O", "OTR Development"],
      ["C", "US"],
    ];
    const issuer = { name: named("Intel SGX Root CA"), key: DevKey.derive(SEED, "P-256", "intel/root") };
    const key = DevKey.derive(SEED, "P-256", "intel/next");
    const { notBefore, notAfter } = parseCertificate(intel.certificates.root);
    const chainOf = (name: string, extensions: Uint8Array[]) =>
      pem(certificate({ ...{ notBefore, notAfter, issuer, key, serial: 7n }, subject: named(name), extensions })) +
      pem(intel.certificates.root);
    const ca = "Intel SGX PCK Platform CA";
    const list = crl({ issuer: { name: named(ca), key }, thisUpdate: NOW, nextUpdate: NOW + 86_400, revoked: [] });
    const next = {
      pck_crl_issuer_chain: chainOf(ca, [usage(USAGE.certify | USAGE.revoke), constraints(true, 0)]),
      pck_crl: toHex(list).slice(2),
    };
    expect(refusal(() => verify(quote, { ...collateral, ...next }))).toBe("attestation.chain");
    const tcb_info_signature = toHex(key.sign(new TextEncoder().encode(collateral.tcb_info))).slice(2);
    const by = (name: string) => {
      const tcb_info_issuer_chain = chainOf(name, [usage(USAGE.sign), constraints(false)]);
      return refusal(() => verify(quote, { ...collateral, tcb_info_issuer_chain, tcb_info_signature }));
    };
    expect(by("Intel SGX TCB Signing")).toBe("accepted");
    expect(by("Intel SGX Something Else")).toBe("attestation.chain");
  });

  it("hold no longer than the first of their certificates", () => {
    const long = intel.tdxCollateral({ issuedAt: NOW, validSeconds: 40 * 365 * 86_400 });
    const all = Object.values(intel.certificates).map((der) => parseCertificate(der).notAfter);
    const held = verifyCollateral(long, { root, time: NOW + 60, checks: new Checks() });
    expect(held.notAfter).toBe(Math.min(...all));
    expect(verify(quote, long).notAfter).toBe(held.notAfter);
  });

  it("refuse what is not valid yet or any more", () => {
    const at = (time: number, held = collateral) => refusal(() => verify(quote, held, { time }));
    expect(at(NOW - 1)).toBe("attestation.not-yet-valid");
    expect(at(NOW)).toBe("accepted");
    expect(at(NOW + 30 * 86_400)).toBe("accepted");
    expect(at(NOW + 30 * 86_400 + 1)).toBe("attestation.expired");
    const long = intel.tdxCollateral({ issuedAt: NOW, validSeconds: 40 * 365 * 86_400 });
    expect(at(NOW + 30 * 365 * 86_400, long)).toBe("attestation.expired");
    expect(at(1_500_000_000, intel.tdxCollateral({ issuedAt: 1_400_000_000, validSeconds: 1e9 }))).toBe(
      "attestation.not-yet-valid",
    );
  });

  it("refuse revoked certificates: the platform's, its authority's, the signer's", () => {
    const { pck, platformCa, signer } = intel.serials;
    expect(tdx({ revoked: { pck: [pck] } })).toBe("attestation.revoked");
    expect(tdx({ revoked: { authorities: [platformCa] } })).toBe("attestation.revoked");
    expect(tdx({ revoked: { authorities: [signer] } })).toBe("attestation.revoked");
    expect(tdx({ revoked: { pck: [platformCa, signer], authorities: [pck] } })).toBe("accepted");
    // As many as Intel's list had in 2026, and more.
    const many = Array.from({ length: 700 }, (_, k) => pck + BigInt(k + 1));
    expect(tdx({ revoked: { pck: many } })).toBe("accepted");
    expect(tdx({ revoked: { pck: [...many, pck] } })).toBe("attestation.revoked");
  });

  it("give the status of platform, TDX module and quoting enclave together", () => {
    const statusOf = (status: Record<string, string>, advisories: string[] = []) => {
      const held = intel.tdxCollateral({ issuedAt: NOW, status, advisories });
      return verify(quote, held, { accept: TCB_STATUSES }).status;
    };
    for (const status of TCB_STATUSES.slice(0, 6)) expect(statusOf({ platform: status })).toBe(status);
    for (const part of ["module", "enclave"]) {
      expect(statusOf({ [part]: "OutOfDate" })).toBe("OutOfDate");
      expect(statusOf({ [part]: "OutOfDate", platform: "SWHardeningNeeded" })).toBe("OutOfDate");
      expect(statusOf({ [part]: "OutOfDate", platform: "ConfigurationNeeded" })).toBe("OutOfDateConfigurationNeeded");
      expect(statusOf({ [part]: "OutOfDate", platform: "ConfigurationAndSWHardeningNeeded" })).toBe(
        "OutOfDateConfigurationNeeded",
      );
    }
    // Revoked is refused whoever accepts it.
    for (const part of ["platform", "module", "enclave"])
      expect(() => statusOf({ [part]: "Revoked" }, ["INTEL-SA-1"])).toThrow(/TCB status is Revoked/);
    expect(tdx({ status: { platform: "OutOfDate" } })).toBe("attestation.tcb");
    expect(tdx({ status: { platform: "ConfigurationNeeded" } })).toBe("attestation.tcb");
    expect(tdx({ status: { platform: "SWHardeningNeeded" } })).toBe("accepted");
    const levels = (raise: (level: { tcb: { pcesvn: number } }) => void) =>
      tdx({ edit: (info) => (info.tcbLevels as { tcb: { pcesvn: number } }[]).forEach(raise) });
    expect(levels(({ tcb }) => Object.assign(tcb, { pcesvn: 12 }))).toBe("attestation.tcb");
  });

  it("refuse other TDX modules and other quoting enclaves", () => {
    const of = (fields: object) => refusal(() => verify(intel.tdxQuote(reportData, fields)));
    expect(of({ mrSignerSeam: new Uint8Array(48).fill(1) })).toBe("attestation.identity");
    expect(of({ seamAttributes: new Uint8Array(8).fill(1) })).toBe("attestation.identity");
    expect(of({ teeTcbSvn: fromHex("0x06020300000000000000000000000000") })).toBe("attestation.collateral");
    expect(of({ teeTcbSvn: fromHex("0x05010300000000000000000000000000") })).toBe("attestation.tcb");
    expect(of({ teeTcbSvn: fromHex("0x06010200000000000000000000000000") })).toBe("attestation.tcb");
    for (const [key, value] of [
      ["mrsigner", "00".repeat(32)],
      ["isvprodid", 3],
      ["miscselect", "00000001"],
      ["attributes", "13000000000000000000000000000000"],
    ] as const)
      expect(tdx({ edit: (_, qe) => Object.assign(qe, { [key]: value }) })).toBe("attestation.identity");
  });

  it("refuse collateral that another key signed, or that says something else", () => {
    const edited = (change: Partial<Collateral>) => refusal(() => verify(quote, { ...collateral, ...change }));
    expect(edited({ tcb_info: collateral.tcb_info.replace("UpToDate", "UpToDat3") })).toBe("attestation.signature");
    expect(edited({ tcb_info: `${collateral.tcb_info} ` })).toBe("attestation.signature");
    expect(edited({ qe_identity_signature: collateral.tcb_info_signature })).toBe("attestation.signature");
    // The platform's own authority and PCK certificate sign no collateral.
    expect(edited({ tcb_info_issuer_chain: collateral.pck_crl_issuer_chain })).toBe("attestation.chain");
    expect(edited({ tcb_info_issuer_chain: intel.chain })).toBe("attestation.chain");
    expect(edited({ pck_crl: collateral.root_ca_crl })).toBe("attestation.chain");
    expect(edited({ root_ca_crl: collateral.pck_crl })).toBe("attestation.chain");
    expect(edited({ pck_crl: `${collateral.pck_crl.slice(0, -2)}00` })).toMatch(/attestation\.(signature|encoding)/);
    const other = new DevIntel(new Uint8Array(32)).tdxCollateral({ issuedAt: NOW });
    expect(refusal(() => verify(quote, other))).toBe("attestation.collateral");
    expect(edited({ pck_crl_issuer_chain: other.pck_crl_issuer_chain })).toBe("attestation.collateral");
    expect(tdx({ edit: (info) => Object.assign(info, { version: 2 }) })).toBe("attestation.encoding");
    expect(tdx({ edit: (info) => Object.assign(info, { tcbLevels: "none" }) })).toBe("attestation.encoding");
    for (const value of [null, {}, { ...collateral, pck_crl: "0x00" }, { ...collateral, tcb_info: 1 }])
      expect(refusal(() => parseCollateral(value))).toBe("attestation.encoding");
  });

  it(
    "refuse every flipped byte, cut and tail",
    () => {
      const chain = quote.length - new TextEncoder().encode(intel.chain).length;
      for (const at of sampled(0, chain))
        expect(
          refusal(() => verify(flipped(quote, at))),
          `byte ${at}`,
        ).not.toBe("accepted");
      // The chain's text is not signed: whatever is taken leads to the same certificate.
      for (const at of sampled(chain, quote.length)) {
        const data = flipped(quote, at);
        if (refusal(() => verify(data)) === "accepted") expect(verify(data).pckSerial).toBe(intel.serials.pck);
      }
      for (const end of sampled(0, quote.length))
        expect(
          refusal(() => verify(quote.subarray(0, end))),
          `cut at ${end}`,
        ).toMatch(/attestation\.(encoding|unsupported|chain)/);
      const padded = new Uint8Array(quote.length + 70);
      padded.set(quote);
      expect(refusal(() => verify(padded))).toBe("accepted");
      padded[padded.length - 1] = 1;
      expect(refusal(() => verify(padded))).toBe("attestation.encoding");
      expect(refusal(() => verify(new Uint8Array(1 << 20)))).toBe("attestation.encoding");
    },
    SLOW_MS,
  );

  it("refuse in no time what is made to take long", () => {
    const started = performance.now();
    const chains = [`${"\0".repeat(60_000)}x`, " ".repeat(60_000), "-----BEGIN CERTIFICATE-----".repeat(2000)];
    for (const chain of chains)
      expect(refusal(() => verify(intel.tdxQuote(reportData, {}, { chain })))).toBe("attestation.encoding");
    const text = `${"\0".repeat(1 << 20)}x`;
    expect(refusal(() => verify(quote, { ...collateral, tcb_info_issuer_chain: text }))).toBe("attestation.encoding");
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("refuse mixed chains", () => {
    const [pck, platformCa, top] = intel.chain.split(/(?<=-----END CERTIFICATE-----\n)/);
    const of = (chain: string) => refusal(() => verify(intel.tdxQuote(reportData, {}, { chain })));
    expect(of(`${pck}${top}`)).toBe("attestation.chain");
    expect(of(`${pck}${top}${platformCa}`)).toBe("attestation.root");
    expect(of(`${platformCa}${platformCa}${top}`)).toBe("attestation.chain");
    expect(of(`${pck}${platformCa}${top}${top}`)).toBe("attestation.chain");
    expect(of(pck!.repeat(9))).toBe("attestation.encoding");
    expect(of("")).toBe("attestation.encoding");
  });
});

describe("parsers of Intel's formats", () => {
  const held = (name: string, parse: (bytes: Uint8Array) => unknown, sample: Uint8Array) =>
    it(`${name}: any bytes end in a value or a typed error`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
          refusal(() => parse(bytes));
        }),
        { numRuns: 500 * FUZZ },
      );
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
          (changes) => {
            const bytes = new Uint8Array(sample);
            for (const [at, value] of changes) bytes[at] = value;
            refusal(() => parse(bytes));
          },
        ),
        { numRuns: 500 * FUZZ },
      );
    });
  held("quotes", parseQuote, quote);
  held("certificates", parseCertificate, intel.certificates.pck);
  held("revocation lists", parseCrl, fromHex(`0x${collateral.pck_crl}`));
});

const ORACLE = process.env.OTR_DCAP_QVL ?? "node_modules/@phala/dcap-qvl";

/** `@phala/dcap-qvl` 0.3.9: right but for the TDX module's identity and the vendor of the quoting enclave, which it does not look at. */
describe.skipIf(!existsSync(ORACLE))("beside @phala/dcap-qvl", () => {
  const { QuoteVerifier } = existsSync(ORACLE)
    ? createRequire(import.meta.url)(createPath(ORACLE))
    : { QuoteVerifier: undefined };
  const oracle = (data: Uint8Array, held: Collateral, time: number): string => {
    try {
      const verifier = QuoteVerifier.newWithRootCa(Buffer.from(intel.certificates.root));
      return verifier.verify(Buffer.from(data), held, time).status;
    } catch {
      return "refused";
    }
  };
  const ours = (data: Uint8Array, held: Collateral, time: number): string => {
    const accept = TCB_STATUSES;
    const answer = refusal(() => verifyQuote(data, held, { time, root, accept }));
    return answer === "accepted" ? verifyQuote(data, held, { time, root, accept }).status : "refused";
  };

  it(
    "says the same of statuses, dates, lists and flipped bytes",
    () => {
      const end = 1218;
      fc.assert(
        fc.property(
          fc.constantFrom(...TCB_STATUSES),
          fc.constantFrom("UpToDate", "Revoked"),
          fc.boolean(),
          fc.integer({ min: -2, max: 40 }),
          fc.option(fc.nat(end), { nil: undefined }),
          (platform, module, revoked, day, at) => {
            const pck = revoked ? [intel.serials.pck] : [];
            const held = intel.tdxCollateral({ issuedAt: NOW, status: { platform }, revoked: { pck } });
            const data = at === undefined ? quote : flipped(quote, at);
            // Of the header it reads, but does not check, the vendor; the key's type and reserved bytes are signed.
            expect(ours(data, held, NOW + day * 86_400)).toBe(oracle(data, held, NOW + day * 86_400));
            // INVARIANT: ours is the stricter one where it differs.
            const other = intel.tdxCollateral({ issuedAt: NOW, status: { platform, module } });
            const [mine, its] = [ours(data, other, NOW), oracle(data, other, NOW)];
            if (mine !== "refused") expect(mine).toBe(its);
          },
        ),
        { numRuns: 100 * FUZZ },
      );
    },
    SLOW_MS,
  );
});

function createPath(folder: string): string {
  return folder.startsWith("/") ? folder : `${process.cwd()}/${folder}`;
}

describe.skipIf(!HAS_EVIDENCE)("real quotes of Intel's platforms", () => {
  const at = (date: string) => Date.parse(`${date}T00:00:00Z`) / 1000;
  const real = (name: string) => new Uint8Array(evidence(`intel-tdx/${name}`));
  const json = (name: string) => JSON.parse(evidence(`intel-tdx/${name}`).toString());
  const held = (name: string) => parseCollateral(json(`${name}_collateral.json`));

  it("verify at their dates, and not at others", () => {
    const a = real("A_tdx_v4_quote.bin");
    const verified = verifyQuote(a, held("A"), { time: at("2025-06-20") });
    expect(verified).toMatchObject({ status: "UpToDate", advisories: [], evaluation: 17 });
    expect(verified.pck.fmspc).toBe("0xb0c06f000000");
    const expected = json("expected.json")["A_tdx_v4_quote.bin"];
    expect(toHex(verified.report.reportData)).toBe(`0x${expected.td.reportdata}`);
    expect(refusal(() => verifyQuote(a, held("A"), { time: at("2025-08-01") }))).toBe("attestation.expired");
    expect(refusal(() => verifyQuote(a, held("A"), { time: at("2025-06-19") }))).toBe("attestation.not-yet-valid");
    expect(refusal(() => verifyQuote(a, held("B"), { time: at("2026-02-20") }))).toBe("attestation.collateral");
    // Documents of number 17 that are valid longer than they should count do not help a platform.
    const served = { time: at("2025-07-01"), minEvaluation: 18 };
    expect(refusal(() => verifyQuote(a, held("A"), served))).toBe("attestation.collateral");
    const b = real("B_tdx_v5_quote_unmatched_tcb.bin");
    expect(refusal(() => verifyQuote(b, held("B"), { time: at("2026-02-20") }))).toBe("attestation.tcb");
    const c = real("C_sgx_v3_quote.bin");
    expect(refusal(() => verifyQuote(c, held("C"), { time: at("2025-06-20") }))).toBe("attestation.tcb");
    const accept = ["ConfigurationAndSWHardeningNeeded"] as const;
    const sgx = verifyQuote(c, held("C"), { time: at("2025-06-20"), accept });
    expect(sgx.advisories).toEqual(["INTEL-SA-00289", "INTEL-SA-00615"]);
    expect(new TextDecoder().decode(sgx.report.reportData.subarray(0, 13))).toBe("Hello, world!");
  });

  it("verify with collateral as Intel serves it: TDX 1.5 with a service TD", () => {
    const part = (name: string, key: string) => {
      const [, content, signature] = new RegExp(`^\\{"${key}":(.*),"signature":"(.*)"\\}\\s*$`).exec(
        evidence(`intel-tdx/${name}`).toString(),
      )!;
      return [content!, signature!] as const;
    };
    const [tcb_info, tcb_info_signature] = part("D_tcbinfo_90C06F000000.json", "tcbInfo");
    const [qe_identity, qe_identity_signature] = part("D_qe_identity_td.json", "enclaveIdentity");
    const mixed = { ...held("A"), tcb_info, tcb_info_signature, qe_identity, qe_identity_signature };
    const options = { time: at("2025-06-20") };
    const d = real("D_tdx_v5_td15_quote.bin");
    expect(refusal(() => verifyQuote(d, mixed, options))).toBe("attestation.attributes");
    expect(verifyQuote(d, mixed, { ...options, allowServiceTd: true })).toMatchObject({
      status: "UpToDate",
      version: 5,
    });
  });

  it("hold without collateral as far as their signatures say", () => {
    const { quote: hex } = json("H_dstack_quote_with_eventlog.json") as { quote: string };
    const parsed = parseQuote(fromHex(`0x${hex}`));
    const where = { root: ROOTS.intel, time: at("2026-01-01"), checks: new Checks() };
    expect(verifySignatures(parsed, where).pck.fmspc).toBe("0x90c06f000000");
    expect(refusal(() => verifySignatures(parsed, { ...where, root }))).toBe("attestation.root");
  });

  it(
    "do not with a byte flipped",
    () => {
      const a = real("A_tdx_v4_quote.bin");
      const options = { time: at("2025-06-20") };
      for (const k of sampled(0, 1258))
        expect(
          refusal(() => verifyQuote(flipped(a, k), held("A"), options)),
          `byte ${k}`,
        ).not.toBe("accepted");
    },
    SLOW_MS,
  );
});
