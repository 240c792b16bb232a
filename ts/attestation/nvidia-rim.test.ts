import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../commit/bytes.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { fingerprint } from "./chain.ts";
import { DevNvidia, DevRims } from "./dev-root/index.ts";
import { OPAQUE } from "./nvidia/report.ts";
import { compareMeasurements, verifyRim } from "./nvidia/rim.ts";
import { verifyGpu } from "./nvidia/verify.ts";
import { canonical, parseXml } from "./nvidia/xml.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { refusal } from "./testing/refusal.ts";

const SEED = new TextEncoder().encode("rim.test");
const NOW = 1_790_000_000;
const nvidia = new DevNvidia(SEED);
const rims = new DevRims(SEED);
const root = fingerprint(rims.root);
const nonce = new Uint8Array(32).fill(1);
const gpu = (fields = {}) =>
  verifyGpu(nvidia.gpu(0).report(nonce, fields), nvidia.gpu(0).pem, {
    time: NOW,
    root: fingerprint(nvidia.root),
    nonce,
  });
const digestAt = (index: number) => toHex(gpu().report.measurements[index]!).slice(2);
const other = "ab".repeat(48);
const driver = { version: "590.12", values: { 7: [digestAt(7)], 35: [other], 36: [other, digestAt(36)] } };
const vbios = { version: "96.00.9f.00.01", values: { 0: [digestAt(0)], 12: [digestAt(12)] } };
const verify = (source: string) => verifyRim(source, { time: NOW, root });
const compared = (changes: { driver?: object; vbios?: object; gpu?: object } = {}) =>
  compareMeasurements(gpu(changes.gpu), {
    driver: verify(rims.manifest({ ...driver, ...changes.driver })),
    vbios: verify(rims.manifest({ ...vbios, ...changes.vbios })),
  });

describe("reference manifests", () => {
  it("verify, and their active values are compared with a GPU's", () => {
    expect(verify(rims.manifest(driver)).notAfter).toBe(Date.parse("2049-12-31T23:59:59Z") / 1000);
    // Index 35 measures a decoder that is off.
    expect(compared()).toBe(4);
    const on = { opaque: { [OPAQUE.nvdec0]: Uint8Array.of(0xaa) } };
    expect(refusal(() => compared({ gpu: on }))).toBe("attestation.reference");
  });

  it("refuse other values, versions, products and overlaps", () => {
    expect(refusal(() => compared({ gpu: { measurements: { 8: new Uint8Array(48) } } }))).toBe("attestation.reference");
    expect(refusal(() => compared({ gpu: { measurements: { 9: new Uint8Array(48) } } }))).toBe("accepted");
    expect(refusal(() => compared({ driver: { version: "590.13" } }))).toBe("attestation.reference");
    expect(refusal(() => compared({ vbios: { version: "96.00.9F.00.02" } }))).toBe("attestation.reference");
    expect(refusal(() => compared({ driver: { product: "GB100" } }))).toBe("attestation.reference");
    expect(refusal(() => compared({ vbios: { values: { 7: [digestAt(7)] } } }))).toBe("attestation.reference");
    expect(refusal(() => compared({ driver: { values: {} }, vbios: { values: {} } }))).toBe("attestation.reference");
    expect(refusal(() => compared({ driver: { values: { 63: [other] } } }))).toBe("attestation.reference");
  });

  it("refuse what is changed after signing, however it is written", () => {
    const source = rims.manifest(driver);
    const changed = (from: string | RegExp, to: string) => {
      const next = source.replace(from, to);
      expect(next).not.toBe(source);
      return refusal(() => verify(next));
    };
    expect(changed(digestAt(7), other)).toBe("attestation.signature");
    expect(changed('active="False"', 'active="True"')).toBe("attestation.signature");
    expect(changed('product="GH100"', 'product="GB100"')).toBe("attestation.signature");
    expect(changed("<ns0:Payload>", "<ns0:Payload> ")).toBe("attestation.signature");
    expect(changed(/<ds:SignatureValue>..../, "<ds:SignatureValue>AAAA")).toBe("attestation.signature");
    expect(changed('URI=""', 'URI="#a"')).toBe("attestation.encoding");
    expect(changed("xmldsig-more#ecdsa-sha384", "xmldsig-more#ecdsa-sha1")).toBe("attestation.encoding");
    expect(changed("#enveloped-signature", "#base64")).toBe("attestation.encoding");
    expect(changed(/<ds:X509Certificate>[^<]*<\/ds:X509Certificate>/, "")).toBe("attestation.chain");
    expect(changed(/<ds:Signature [\s\S]*<\/ds:Signature>/, "")).toBe("attestation.encoding");
    // A second payload beside the signed one, a signature within a signature.
    expect(changed("</SoftwareIdentity>", "<ns0:Payload/></SoftwareIdentity>")).toBe("attestation.signature");
    const signature = /<ds:Signature [\s\S]*<\/ds:Signature>/.exec(source)![0];
    expect(changed("</SoftwareIdentity>", `${signature}</SoftwareIdentity>`)).toBe("attestation.encoding");
    expect(changed("<ns0:Payload>", `<ns0:Payload>${signature}`)).toBe("attestation.signature");
    // What is the same document is taken.
    expect(changed('name="GH100" tagId="development"', "tagId='development'   name='GH100'")).toBe("accepted");
    expect(changed(/\n/g, "\r\n")).toBe("accepted");
  });

  it("refuse other roots and times", () => {
    const source = rims.manifest(driver);
    expect(refusal(() => verifyRim(source, { time: NOW }))).toBe("attestation.root");
    expect(refusal(() => verifyRim(source, { time: 1_700_000_000, root }))).toBe("attestation.not-yet-valid");
    expect(refusal(() => verifyRim(source, { time: 2_600_000_000, root }))).toBe("attestation.expired");
  });
});

describe("the reader of XML", () => {
  it("gives canonical form: order, namespaces, empty elements, white space", () => {
    const source = `<a xmlns="u" xmlns:p='v' z="1" p:b="2" a = "x&lt;&quot;"  ><p:c xmlns:p="v"/><d xmlns="">&amp;\r\n&gt;</d></a>`;
    expect(canonical(parseXml(source))).toBe(
      '<a xmlns="u" xmlns:p="v" a="x&lt;&quot;" z="1" p:b="2"><p:c></p:c><d xmlns="">&amp;\n&gt;</d></a>',
    );
  });

  it("refuses what manifests do not have", () => {
    const wrong = [
      '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
      "<a><!-- b --></a>",
      "<a><![CDATA[b]]></a>",
      "<?xml-stylesheet?><a/>",
      ...[
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "a<b/>",
        "<a>]]></a>",
        "<a b=c/>",
        '<a b="1" b="2"/>',
        "<a>&#65;</a>",
        "<a>&b;</a>",
        "<a>&lt</a>",
        "",
      ],
      "<a>".repeat(40) + "</a>".repeat(40),
      "x".repeat((1 << 20) + 1),
    ];
    for (const text of wrong)
      expect(
        refusal(() => parseXml(text)),
        text.slice(0, 40),
      ).toBe("attestation.encoding");
    expect(refusal(() => canonical(parseXml("<p:a/>")))).toBe("attestation.encoding");
    expect(refusal(() => canonical(parseXml('<a xml:lang="en"/>')))).toBe("attestation.encoding");
  });

  it("ends in a value or a typed error, whatever the text, and soon", () => {
    const pieces = fc.constantFrom(
      "<a",
      "<a>",
      "</a>",
      "/>",
      " b='",
      '"',
      "&amp;",
      "&",
      "xmlns:c='d'",
      "<c:d",
      " ",
      "]]>",
      "x",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        refusal(() => canonical(parseXml(parts.join(""))));
      }),
      { numRuns: 1000 * FUZZ },
    );
    const source = rims.manifest(driver);
    fc.assert(
      fc.property(fc.nat(source.length - 1), fc.string({ maxLength: 3 }), (at, text) => {
        refusal(() => verify(source.slice(0, at) + text + source.slice(at + 1)));
      }),
      { numRuns: 100 * FUZZ },
    );
    // Where a reader goes back and forth, it shows.
    const started = performance.now();
    for (const text of [
      `<a ${" ".repeat(1 << 19)}`,
      `<a ${"b='c' ".repeat(1 << 17)}`,
      `<a b="${"<".repeat(1 << 19)}`,
      "<".repeat(1 << 20),
      `<a ${Array.from({ length: 30_000 }, (_, k) => `xmlns:p${k}='u'`).join(" ")}>${"<b/>".repeat(1 << 16)}</a>`,
    ])
      refusal(() => canonical(parseXml(text)));
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe.skipIf(!HAS_EVIDENCE)("real reference manifests of NVIDIA", () => {
  const text = (name: string) => evidence(`nvidia-h100/${name}`).toString();
  const time = Date.parse("2024-06-01") / 1000;

  it("verify at their time, and a real report has their values", () => {
    const report = fromHex(`0x${text("B_h100_545.00_report.hex").trim()}`);
    const real = verifyGpu(report, text("B_h100_545.00_chain.pem"), { time, allowSamples: true });
    const manifests = {
      driver: verifyRim(text("B_rim_driver_545.00.swidtag"), { time }),
      vbios: verifyRim(text("B_rim_vbios_96.00.5E.00.01.swidtag"), { time }),
    };
    expect(compareMeasurements(real, manifests)).toBe(32);
    expect(refusal(() => verifyRim(text("B_rim_driver_545.00.swidtag"), { time: NOW }))).toBe("attestation.expired");
    expect(verifyRim(text("rim_driver_550.144.03.xml"), { time: NOW })).toMatchObject({ version: "550.144.03" });
  });

  it("are refused with a wrong signature or chain", () => {
    expect(refusal(() => verifyRim(text("NEG_rim_incorrect_signature.xml"), { time: NOW }))).toBe(
      "attestation.signature",
    );
    expect(refusal(() => verifyRim(text("NEG_rim_incorrect_chain.xml"), { time: NOW }))).toBe("attestation.chain");
  });
});
