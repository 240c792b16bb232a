import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, fromHex, toHex } from "../commit/bytes.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { readCertificateTable } from "./amd/certificate-table.ts";
import { parseSnpReport } from "./amd/report.ts";
import { type SnpOptions, verifySnp } from "./amd/verify.ts";
import { DevIntel } from "./dev-root/index.ts";
import { ROOTS } from "./roots.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { flipped, negated, refusal, SLOW_MS, sampled } from "./testing/refusal.ts";
import { parseCertificate, parsePem, type X509 } from "./x509.ts";

const NOW = 1_790_000_000;

describe("the parser of SEV-SNP reports", () => {
  it("ends in a value or a typed error, whatever the bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1184, maxLength: 1184 }),
        fc.integer({ min: 0, max: 6 }),
        (bytes, version) => {
          bytes.set([version, 0, 0, 0]);
          refusal(() => parseSnpReport(bytes));
        },
      ),
      { numRuns: 300 * FUZZ },
    );
    expect(refusal(() => parseSnpReport(new Uint8Array(1183)))).toBe("attestation.encoding");
    expect(refusal(() => parseSnpReport(new Uint8Array(1184)))).toBe("attestation.unsupported");
  });
});

/** A host's table of these entries: identifier, offset and length each, then the contents. */
function tableOf(entries: readonly (readonly [id: string, content: Uint8Array])[]): Uint8Array {
  let at = 24 * (entries.length + 1);
  const heads = entries.map(([id, { length }]) => {
    const head = new Uint8Array(24);
    head.set(fromHex(`0x${id}`));
    new DataView(head.buffer).setUint32(16, at, true);
    new DataView(head.buffer).setUint32(20, length, true);
    at += length;
    return head;
  });
  return concat([...heads, new Uint8Array(24), ...entries.map(([, content]) => content)]);
}
const VCEK = "63da758de6644564adc5f4b93be8accd";
const ASK = "4ab7b379bbac4fe4a02f05aef327c782";
const ARK = "c0b406a4a803495297433fb6014cd0ae";

describe("a host's certificate table", () => {
  it("gives the chain, leaf first, in whichever order it is and however its identifiers are written", () => {
    const ders = new DevIntel(new Uint8Array(32)).certificates;
    const little = "8d75da6364e66445adc5f4b93be8accd";
    for (const id of [VCEK, little]) {
      const table = tableOf([
        [ARK, ders.root],
        [ASK, ders.platformCa],
        [id, ders.pck],
        ["11".repeat(16), ders.signer],
      ]);
      expect(readCertificateTable(table).map(({ der }) => der)).toEqual([ders.pck, ders.platformCa, ders.root]);
      for (let end = 0; end < table.length; end += 7)
        expect(refusal(() => readCertificateTable(table.subarray(0, end)))).toMatch(/accepted|attestation.encoding/);
    }
    const take = (entries: Parameters<typeof tableOf>[0]) => refusal(() => readCertificateTable(tableOf(entries)));
    expect(take([])).toBe("attestation.encoding");
    expect(
      take([
        [VCEK, ders.pck],
        [VCEK, ders.pck],
      ]),
    ).toBe("attestation.encoding");
    expect(
      take([
        [VCEK, ders.pck],
        [ASK, ders.root],
      ]),
    ).toBe("attestation.encoding");
    expect(take(Array.from({ length: 20 }, (_, k) => [`${k + 10}`.repeat(16), ders.root] as const))).toBe(
      "attestation.encoding",
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (table) => {
        refusal(() => readCertificateTable(table));
      }),
    );
  });
});

describe.skipIf(!HAS_EVIDENCE)("real SEV-SNP reports", () => {
  const bytes = (name: string) => new Uint8Array(evidence(`amd-sev-snp/${name}`));
  const report = HAS_EVIDENCE
    ? new Uint8Array(Buffer.from(evidence("amd-sev-snp/A_milan_report_v2.hex").toString().trim(), "hex"))
    : new Uint8Array();
  const authorities = HAS_EVIDENCE ? parsePem(evidence("amd-sev-snp/A_milan_ask_ark.pem").toString()) : [];
  const chain = HAS_EVIDENCE ? [parseCertificate(bytes("A_milan_vcek.der")), ...authorities] : [];
  const expected = HAS_EVIDENCE ? JSON.parse(evidence("amd-sev-snp/expected.json").toString()) : {};
  const verify = (data: Uint8Array = report, certificates: readonly X509[] = chain, more: Partial<SnpOptions> = {}) =>
    verifySnp(data, certificates, { time: NOW, ...more });

  it("verify, and say what they are of", () => {
    const verified = verify();
    expect(verified).toMatchObject({
      product: "Milan-B0",
      chipId: `0x${expected.A.chip_id}`,
      tcb: { bootloader: 3, tee: 0, snp: 8, microcode: 0x73 },
      notAfter: Date.parse("2030-04-03T19:23:43Z") / 1000,
    });
    expect(toHex(verified.report.measurement)).toBe(`0x${expected.A.measurement}`);
    expect(toHex(verified.report.reportData)).toBe(`0x${expected.A.report_data}`);
    expect(verified.report.policy).toBe(0x30000n);
  });

  it("verify with the chain in a host's table", () => {
    const [vcek, ask, ark] = chain.map(({ der }) => der);
    const table = tableOf([
      [VCEK, vcek!],
      [ASK, ask!],
      [ARK, ark!],
    ]);
    expect(verify(report, readCertificateTable(table)).product).toBe("Milan-B0");
  });

  it("refuse what can be debugged", () => {
    const other = [parseCertificate(bytes("B_milan_vcek.der")), ...authorities];
    expect(refusal(() => verify(bytes("B_milan_report_v2_debug_policy.bin"), other))).toBe("attestation.debug");
  });

  it("refuse another chip, root, date, binding and older firmware", () => {
    const other = [parseCertificate(bytes("B_milan_vcek.der")), ...authorities];
    expect(refusal(() => verify(report, other))).toBe("attestation.signature");
    expect(refusal(() => verify(report, chain, { roots: [ROOTS.amd.Genoa] }))).toBe("attestation.root");
    expect(refusal(() => verify(report, chain.slice(0, 2)))).toBe("attestation.chain");
    expect(refusal(() => verify(report, []))).toBe("attestation.chain");
    const genoa = parsePem(evidence("amd-sev-snp/root_ark_genoa.pem").toString())[0]!;
    expect(refusal(() => verify(report, [chain[0]!, chain[1]!, genoa]))).toBe("attestation.chain");
    expect(refusal(() => verify(report, chain, { time: 1_900_000_000 + 30_000_000 }))).toBe("attestation.expired");
    expect(refusal(() => verify(report, chain, { time: 1_600_000_000 }))).toBe("attestation.not-yet-valid");
    expect(refusal(() => verify(report, chain, { reportData: new Uint8Array(64) }))).toBe("attestation.binding");
    expect(refusal(() => verify(report, chain, { minimum: { snp: 9 } }))).toBe("attestation.tcb");
    expect(refusal(() => verify(report, chain, { minimum: { snp: 8, microcode: 0x73 } }))).toBe("accepted");
    // A certificate under the same names and key, but of another firmware: its parts are compared before policy.
    const older = { ...chain[0]!, extensions: new Map(chain[0]!.extensions) };
    older.extensions.set("2b060104019c78010303", { critical: false, value: Uint8Array.of(2, 1, 7) });
    expect(refusal(() => verify(report, [older, ...authorities]))).toBe("attestation.identity");
    const stranger = { ...chain[0]!, extensions: new Map(chain[0]!.extensions) };
    stranger.extensions.set("2b060104019c780104", { critical: false, value: new Uint8Array(64) });
    expect(refusal(() => verify(report, [stranger, ...authorities]))).toBe("attestation.identity");
  });

  it(
    "refuse every flipped byte, cut and tail",
    () => {
      for (const at of sampled(0, report.length))
        expect(
          refusal(() => verify(flipped(report, at))),
          `byte ${at}`,
        ).not.toBe("accepted");
      for (const end of sampled(0, report.length))
        expect(refusal(() => verify(report.subarray(0, end)))).toBe("attestation.encoding");
      expect(refusal(() => verify(concat([report, new Uint8Array(1)])))).toBe("attestation.encoding");
      for (const [k, { der }] of chain.entries())
        for (const at of sampled(0, der.length))
          expect(
            refusal(() => verify(report, chain.with(k, parseCertificate(flipped(der, at))))),
            `certificate ${k}, byte ${at}`,
          ).not.toBe("accepted");
      // s is little-endian, behind r with its 24 zeros.
      const mirrored = Uint8Array.from(report).reverse();
      const twin = negated(mirrored, mirrored.length - 0x2a0 - 72 - 48, "P-384").reverse();
      expect(twin).not.toEqual(report);
      expect(verify(twin).tcb).toEqual(verify().tcb);
    },
    SLOW_MS,
  );

  it("know AMD's roots", () => {
    for (const product of ["milan", "genoa", "turin"]) {
      const [ark] = parsePem(evidence(`amd-sev-snp/root_ark_${product}.pem`).toString());
      expect(ark!.keyKind).toBe("RSA");
      expect(ark!.isAuthority).toBe(true);
    }
  });
});
