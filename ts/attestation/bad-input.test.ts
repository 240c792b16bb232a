import { describe, expect, it } from "vitest";
import { concat, fromHex, toHex } from "../commit/bytes.ts";
import { fingerprint } from "./chain.ts";
import { DevIntel, DevRims } from "./dev-root/index.ts";
import type { Collateral } from "./intel/collateral.ts";
import { parseQuote } from "./intel/quote.ts";
import { type QuoteOptions, verifyQuote } from "./intel/verify.ts";
import { verifyRim } from "./nvidia/rim.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { flipped, negated, refusal, SLOW_MS, sampled } from "./testing/refusal.ts";

/**
 * Every byte of what vendors sign, with one bit flipped: a sample, and all with `OTR_FUZZ` above 1. Each must end in a typed error
 * (`refusal` hands on any other). Reports of GPUs and of SEV-SNP: nvidia-verify.test.ts, amd-verify.test.ts; contracts: BadInput.t.sol.
 */

const NOW = 1_790_000_000;
const SEED = new TextEncoder().encode("bad-input.test");

interface Case {
  readonly quote: Uint8Array;
  readonly collateral: Collateral;
  readonly options: QuoteOptions;
}

const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
const bytes = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, "latin1"));
const verify = ({ quote, collateral, options }: Case) => verifyQuote(quote, collateral, options);

/** Quotes: all that is signed or measured, and lengths. The chain's text is read, but not signed: it may say the same in other letters. */
function refusesBadQuotes(one: Case): void {
  const end = one.quote.length - parseQuote(one.quote).chain.length;
  const genuine = verify(one);
  for (const at of sampled(0, end))
    expect(
      refusal(() => verify({ ...one, quote: flipped(one.quote, at) })),
      `byte ${at}`,
    ).not.toBe("accepted");
  for (const at of sampled(end, one.quote.length, 61)) {
    const changed = { ...one, quote: flipped(one.quote, at) };
    if (refusal(() => verify(changed)) === "accepted") expect(verify(changed)).toEqual(genuine);
  }
  // Intel signs with either s, so both twins of both signatures are the same quote.
  const { version, signed } = parseQuote(one.quote);
  const enclave = signed.length + 4 + 128 + (version === 3 ? 0 : 6) + 384;
  const twin = negated(negated(one.quote, signed.length + 4 + 32, "P-256"), enclave + 32, "P-256");
  expect(verify({ ...one, quote: twin })).toEqual(genuine);
  for (const cut of sampled(0, end + 1))
    expect(
      refusal(() => verify({ ...one, quote: one.quote.subarray(0, cut) })),
      `cut at ${cut}`,
    ).not.toBe("accepted");
  expect(refusal(() => verify({ ...one, quote: concat([one.quote, Uint8Array.of(1)]) }))).not.toBe("accepted");
}

/** Documents, lists and signatures: whatever changes is refused. */
function refusesBadCollateral(one: Case, every?: number): void {
  const attempt = (field: keyof Collateral, value: string) =>
    refusal(() => verify({ ...one, collateral: { ...one.collateral, [field]: value } }));
  for (const field of ["tcb_info", "qe_identity"] as const) {
    const document = bytes(one.collateral[field]);
    for (const at of sampled(0, document.length, every)) {
      expect(attempt(field, text(flipped(document, at))), `${field}, character ${at}`).not.toBe("accepted");
      expect(attempt(field, text(document.subarray(0, at))), `${field}, cut at ${at}`).not.toBe("accepted");
    }
    expect(attempt(field, `${one.collateral[field]} `)).not.toBe("accepted");
  }
  const plain = (value: Uint8Array) => toHex(value).slice(2);
  for (const field of ["tcb_info_signature", "qe_identity_signature", "root_ca_crl", "pck_crl"] as const) {
    const data = fromHex(`0x${one.collateral[field]}`);
    for (const at of sampled(0, data.length, every)) {
      expect(attempt(field, plain(flipped(data, at))), `${field}, byte ${at}`).not.toBe("accepted");
      expect(attempt(field, plain(data.subarray(0, at))), `${field}, cut at ${at}`).not.toBe("accepted");
    }
    expect(attempt(field, `${one.collateral[field]}00`)).not.toBe("accepted");
  }
  const genuine = verify(one);
  for (const field of ["tcb_info_issuer_chain", "qe_identity_issuer_chain", "pck_crl_issuer_chain"] as const) {
    const chain = bytes(one.collateral[field]);
    // White space in PEM may be any other.
    for (const at of sampled(0, chain.length, 61)) {
      const collateral = { ...one.collateral, [field]: text(flipped(chain, at)) };
      if (refusal(() => verify({ ...one, collateral })) === "accepted")
        expect(verify({ ...one, collateral })).toEqual(genuine);
    }
  }
}

describe("bad input of Intel's formats, under a development root", () => {
  const intel = new DevIntel(SEED);
  const options = { time: NOW + 60, root: fingerprint(intel.certificates.root) };
  const data = new Uint8Array(64).fill(7);
  const tdx = intel.tdxCollateral({ issuedAt: NOW, revoked: { pck: [5n, 6n, 7n], authorities: [8n] } });
  const sgx = intel.sgxCollateral({ issuedAt: NOW });
  const cases = {
    "TDX, version 4": { quote: intel.tdxQuote(data), collateral: tdx, options },
    "TDX, version 5": { quote: intel.tdxQuote(data, {}, { version: 5 }), collateral: tdx, options },
    "SGX, version 3": { quote: intel.sgxQuote(data), collateral: sgx, options },
  };

  it.each(Object.entries(cases))("quotes are refused: %s", (_, one) => refusesBadQuotes(one), SLOW_MS);

  it("collateral is refused: TDX", () => refusesBadCollateral(cases["TDX, version 4"], 29), SLOW_MS);
  it("collateral is refused: SGX", () => refusesBadCollateral(cases["SGX, version 3"], 29), SLOW_MS);
  it(
    "a list of 129 entries is refused",
    () => {
      const pck = Array.from({ length: 129 }, (_, k) => (1n << 158n) + BigInt(k));
      const one = { ...cases["TDX, version 4"], collateral: intel.tdxCollateral({ issuedAt: NOW, revoked: { pck } }) };
      const list = fromHex(`0x${one.collateral.pck_crl}`);
      expect(refusal(() => verify(one))).toBe("accepted");
      for (const at of sampled(0, list.length, 61)) {
        const collateral = { ...one.collateral, pck_crl: toHex(flipped(list, at)).slice(2) };
        expect(
          refusal(() => verify({ ...one, collateral })),
          `byte ${at}`,
        ).not.toBe("accepted");
      }
    },
    SLOW_MS,
  );
});

/** A manifest with a bit of a character flipped is refused, or says the same: white space and quotes between attributes are not signed. */
function refusesBadManifests(source: string, options: Parameters<typeof verifyRim>[1], every: number): void {
  const genuine = verifyRim(source, options);
  const data = bytes(source);
  for (const at of sampled(0, data.length, every)) {
    const changed = text(flipped(data, at));
    if (refusal(() => verifyRim(changed, options)) === "accepted")
      expect(verifyRim(changed, options), `character ${at}`).toEqual(genuine);
    const cut = text(data.subarray(0, at));
    // Without the white space behind its last tag it is whole.
    if (at >= source.trimEnd().length) expect(verifyRim(cut, options), `cut at ${at}`).toEqual(genuine);
    else
      expect(
        refusal(() => verifyRim(cut, options)),
        `cut at ${at}`,
      ).not.toBe("accepted");
  }
  expect(refusal(() => verifyRim(`${source}<a/>`, options))).not.toBe("accepted");
}

describe("bad input of reference manifests", () => {
  it(
    "is refused: development",
    () => {
      const rims = new DevRims(SEED);
      const source = rims.manifest({ version: "590.12", values: { 7: ["ab".repeat(48)], 36: ["cd".repeat(48)] } });
      refusesBadManifests(source, { time: NOW, root: fingerprint(rims.root) }, 131);
    },
    SLOW_MS,
  );

  it.skipIf(!HAS_EVIDENCE).each([
    ["B_rim_driver_545.00.swidtag", "2024-06-01"],
    ["B_rim_vbios_96.00.5E.00.01.swidtag", "2024-06-01"],
    ["rim_driver_550.144.03.xml", "2026-06-01"],
  ])(
    "is refused: %s",
    (name, date) => {
      refusesBadManifests(evidence(`nvidia-h100/${name}`).toString("latin1"), { time: Date.parse(date) / 1000 }, 499);
    },
    SLOW_MS,
  );
});

describe.skipIf(!HAS_EVIDENCE)("bad input of Intel's own", () => {
  const file = (name: string) => evidence(`intel-tdx/${name}`);
  const collateral = (name: string): Collateral => JSON.parse(file(`${name}_collateral.json`).toString());
  const options: QuoteOptions = HAS_EVIDENCE
    ? {
        time: Date.parse("2025-06-20T12:00:00Z") / 1000,
        accept: ["UpToDate", "ConfigurationAndSWHardeningNeeded"],
        allowServiceTd: true,
      }
    : { time: 0 };
  const part = (name: string, key: string) =>
    new RegExp(`^\\{"${key}":(.*),"signature":"(.*)"\\}\\s*$`).exec(file(name).toString())!.slice(1) as [
      string,
      string,
    ];
  const real = (name: string): Case => {
    if (name === "A") return of("A_tdx_v4_quote.bin", collateral("A"));
    if (name === "C") return of("C_sgx_v3_quote.bin", collateral("C"));
    const [tcb_info, tcb_info_signature] = part("D_tcbinfo_90C06F000000.json", "tcbInfo");
    const [qe_identity, qe_identity_signature] = part("D_qe_identity_td.json", "enclaveIdentity");
    const mixed = { ...collateral("A"), tcb_info, tcb_info_signature, qe_identity, qe_identity_signature };
    return of("D_tdx_v5_td15_quote.bin", mixed);
  };
  const of = (name: string, held: Collateral): Case => ({
    quote: new Uint8Array(file(name)),
    collateral: held,
    options,
  });

  it.each(["A", "C", "D"])("quotes are refused: %s", (name) => refusesBadQuotes(real(name)), SLOW_MS);
  it.each(["A", "C", "D"])("collateral is refused: %s", (name) => refusesBadCollateral(real(name), 29), SLOW_MS);
});
