import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, equal, fromHex, toHex } from "../commit/bytes.ts";
import { FUZZ } from "../machine/testing/fuzz.ts";
import { fingerprint } from "./chain.ts";
import { DevNvidia, DevRims } from "./dev-root/index.ts";
import { DevKey } from "./dev-root/key.ts";
import { certificate, constraints, serialOf, USAGE, usage } from "./dev-root/x509.ts";
import { acceptedFirmware, firmwareOf } from "./gpu-firmware.ts";
import { OPAQUE, parseReport } from "./nvidia/report.ts";
import { compareMeasurements, deviations, referenceValues, verifyRim } from "./nvidia/rim.ts";
import { verifyGpu } from "./nvidia/verify.ts";
import { canonical, parseXml } from "./nvidia/xml.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { refusal } from "./testing/refusal.ts";
import { report } from "./vectors/h100.ts";

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
const SIGNATURE = /<ds:Signature [\s\S]*<\/ds:Signature>/;
const compared = (changes: { driver?: object; vbios?: object; gpu?: object } = {}) =>
  compareMeasurements(gpu(changes.gpu), {
    driver: verify(rims.manifest({ ...driver, ...changes.driver })),
    vbios: verify(rims.manifest({ ...vbios, ...changes.vbios })),
  });

describe("reference manifests", () => {
  it("verify, and their active values are compared with a GPU's", () => {
    expect(verify(rims.manifest(driver)).notAfter).toBe(Date.parse("2049-12-31T23:59:59Z") / 1000);
    expect(verify(rims.manifest(driver))).toMatchObject({ kind: "driver", product: "GH100", version: "590.12" });
    expect([...verify(rims.manifest(driver)).values.keys()]).toEqual([7, 35, 36]);
    expect(verify(rims.manifest(driver)).values.get(36)).toHaveLength(2);
    expect(verify(rims.manifest(vbios)).kind).toBe("vbios");
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
    expect(refusal(() => compared({ driver: { product: "GB100" }, vbios: { product: "GB100" } }))).toBe(
      "attestation.reference",
    );
    expect(refusal(() => compared({ vbios: { values: { 7: [digestAt(7)] } } }))).toBe("attestation.reference");
    expect(refusal(() => compared({ driver: { values: {} }, vbios: { values: {} } }))).toBe("attestation.reference");
    expect(refusal(() => compared({ driver: { values: { 63: [other] } } }))).toBe("attestation.reference");
    // A manifest of one kind in the place of the other, even where the report agrees.
    expect(refusal(() => compared({ driver: { version: "96.00.9F.00.01" } }))).toBe("attestation.reference");
    expect(refusal(() => compared({ vbios: { version: "590.12" } }))).toBe("attestation.reference");
    const text = new TextEncoder().encode("96.00.9F.00.01\0");
    const same = { gpu: { opaque: { [OPAQUE.driver]: text } }, driver: { version: "96.00.9F.00.01" } };
    expect(refusal(() => compared(same))).toBe("attestation.reference");
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
    expect(changed('name="GH100"', 'name="GH101"')).toBe("attestation.signature");
    expect(changed('product="GH100"', 'product="GB100"')).toBe("attestation.signature");
    expect(changed("<ns0:Payload>", "<ns0:Payload> ")).toBe("attestation.signature");
    expect(changed(/<ds:SignatureValue>..../, "<ds:SignatureValue>AAAA")).toBe("attestation.signature");
    expect(changed("<ds:SignatureValue>", "<ds:SignatureValue>AAAA")).toBe("attestation.signature");
    expect(changed('URI=""', 'URI="#a"')).toBe("attestation.encoding");
    expect(changed("xml-c14n11", "xml-exc-c14n#")).toBe("attestation.encoding");
    expect(changed("xmldsig-more#ecdsa-sha384", "xmldsig-more#ecdsa-sha1")).toBe("attestation.encoding");
    expect(changed("xmldsig-more#ecdsa-sha384", "xmldsig-more#ecdsa-sha256")).toBe("attestation.encoding");
    expect(changed("more#sha384", "more#sha256")).toBe("attestation.encoding");
    expect(changed("#enveloped-signature", "#base64")).toBe("attestation.encoding");
    // Parameters of an algorithm, a third transform, the second one away.
    const parameter = "<ds:InclusiveNamespaces/>";
    expect(changed(/(<ds:CanonicalizationMethod [^>]*)\/>/, `$1>${parameter}</ds:CanonicalizationMethod>`)).toBe(
      "attestation.encoding",
    );
    expect(changed(/(<ds:Transform [^>]*c14n11")\/>/, `$1>${parameter}</ds:Transform>`)).toBe("attestation.encoding");
    expect(changed(/(<ds:Transform [^>]*c14n11"\/>)/, "$1$1")).toBe("attestation.encoding");
    expect(changed(/<ds:Transform [^>]*c14n11"\/>/, "")).toBe("attestation.encoding");
    expect(changed(/<ds:X509Certificate>[^<]*<\/ds:X509Certificate>/, "")).toBe("attestation.chain");
    expect(changed(SIGNATURE, "")).toBe("attestation.encoding");
    // A second payload beside the signed one, a signature within a signature.
    expect(changed("</SoftwareIdentity>", "<ns0:Payload/></SoftwareIdentity>")).toBe("attestation.signature");
    const signature = SIGNATURE.exec(source)![0];
    expect(changed("</SoftwareIdentity>", `${signature}</SoftwareIdentity>`)).toBe("attestation.encoding");
    expect(changed("<ns0:Payload>", `<ns0:Payload>${signature}`)).toBe("attestation.signature");
    // A second document around the signed one, with and without the signature.
    const around = '<SoftwareIdentity xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd">';
    expect(refusal(() => verify(`${around}${source}</SoftwareIdentity>`))).toBe("attestation.encoding");
    expect(refusal(() => verify(`${around}${source}${signature}</SoftwareIdentity>`))).toBe("attestation.signature");
    expect(refusal(() => verify(source.replaceAll("19770/-2/2015", "19770/-2/2014")))).toBe("attestation.encoding");
    // What is the same document is taken.
    expect(changed('name="GH100" tagId="development"', "tagId='development'   name='GH100'")).toBe("accepted");
    expect(changed(/\n/g, "\r\n")).toBe("accepted");
  });

  it("refuse contents that no manifest has, though they are signed", () => {
    const document = rims.manifest(driver).replace(SIGNATURE, "").trim();
    const signed = (from: string | RegExp, to: string) => {
      const next = document.replace(from, to);
      expect(next).not.toBe(document);
      return refusal(() => verify(rims.sign(next)));
    };
    expect(refusal(() => verify(rims.sign(document)))).toBe("accepted");
    for (const [from, to] of [
      ['index="5"', 'index="6"'],
      ['index="5"', 'index="05"'],
      ['index="5"', 'index="64"'],
      [/<ns0:Resource [^>]*index="5"[^>]*\/>\n/, ""],
      [/<ns0:Resource [^>]*index="63"[^>]*\/>/, ""],
      [/(<ns0:Resource [^>]*index="63"[^>]*\/>)/, "$1\n$1"],
      [/(<ns0:Resource [^>]*index=")63("[^>]*\/>)/, "$163$2$164$2"],
      [/(<ns0:Resource [^>]*index="63"[^>]*\/>)/, '$1<ns0:Other type="Measurement"/>'],
      [/<ns0:Resource ([^>]*index="5")/, "<ns2:Resource $1"],
      [/(index="7" active="True" alternatives=)"1"/, '$1"2"'],
      [/(index="36" active="True" alternatives=)"2"/, '$1"1"'],
      [/(index="36" .*ns2:)Hash1/, "$1Hash2"],
      [/(index="36" .*ns2:)Hash1/, "$1Digest"],
      [/(index="7" .*)ns2:Hash0/, "$1Hash0"],
      [/(index="7" .*)ns2:Hash0/, '$1ns2:Digest="" ns2:Hash0'],
      ['active="False"', 'active="maybe"'],
      ['size="48"', 'size="32"'],
      ['type="Measurement"', 'type="File"'],
      [/ colloquialVersion="[^"]*"/, ""],
      [/<ns0:Meta [^>]*\/>/, ""],
      [/(<ns0:Meta [^>]*\/>)/, "$1$1"],
      ["<ns0:Payload>", "<ns0:Payload/><ns0:Payload>"],
    ] as const)
      expect(signed(from, to), `${from} → ${to}`).toBe("attestation.encoding");
    expect(refusal(() => verify(rims.manifest({ ...driver, values: { 3: ["00"] } })))).toBe("attestation.encoding");
  });

  it("refuse other roots and times", () => {
    const source = rims.manifest(driver);
    expect(refusal(() => verifyRim(source, { time: NOW }))).toBe("attestation.root");
    expect(refusal(() => verifyRim(source, { time: NOW, root: `0x${"00".repeat(32)}` }))).toBe("attestation.root");
    expect(refusal(() => verifyRim(source, { time: 1, root }))).toBe("attestation.not-yet-valid");
    expect(refusal(() => verifyRim(source, { time: 1_700_000_000, root }))).toBe("attestation.not-yet-valid");
    expect(refusal(() => verifyRim(source, { time: 2_600_000_000, root }))).toBe("attestation.expired");
  });

  it("refuse other chains, and certificates that a leaf has signed", () => {
    const source = rims.manifest(driver);
    const withChain = (chain: readonly Uint8Array[]) => {
      const list = chain.map(
        (der) => `<ds:X509Certificate>${Buffer.from(der).toString("base64")}</ds:X509Certificate>`,
      );
      const data = `<ds:X509Data>${list.join("")}</ds:X509Data>`;
      return refusal(() => verify(source.replace(/<ds:X509Data>[\s\S]*<\/ds:X509Data>/, data)));
    };
    const [signer, third, product, authority] = rims.chain as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    expect(withChain(rims.chain)).toBe("accepted");
    for (const chain of [
      [],
      [signer],
      [signer, third, product],
      [signer, third, authority],
      [signer, authority],
      [third, product, authority],
      [signer, product, third, authority],
      [third, third, product, authority],
    ])
      expect(withChain(chain)).toBe("attestation.chain");
    expect(withChain([third, product, authority, authority])).not.toBe("accepted");
    const named = (commonName: string) => ({
      name: [["CN", commonName] as const],
      key: DevKey.derive(SEED, "P-384", commonName),
    });
    const leaf = { name: "NVIDIA Reference Value GH100 CA", label: "rim/NVIDIA Reference Value GH100 CA" };
    const issuer = {
      name: [["CN", leaf.name] as const, ["O", "OTR Development"] as const],
      key: DevKey.derive(SEED, "P-384", leaf.label),
    };
    const dates = { notBefore: 1_767_225_600, notAfter: 2_524_607_999 };
    // A signer's certificate of the right place and length, whose holder signs another one.
    const [middle, last] = [named("middle"), named("last")];
    const make = (subject: typeof middle, by: typeof issuer | typeof middle, extensions: readonly Uint8Array[]) =>
      certificate({
        ...{ subject: subject.name, key: subject.key, issuer: by, serial: serialOf(SEED, subject.name[0]![1]) },
        ...{ ...dates, extensions },
      });
    const forged = make(last, middle, [constraints(false), usage(USAGE.sign)]);
    const asLeaf = make(middle, issuer, [constraints(false), usage(USAGE.sign)]);
    const asAuthority = make(middle, issuer, [constraints(true), usage(USAGE.certify)]);
    expect(withChain([forged, asLeaf, product, authority])).toBe("attestation.chain");
    // With an authority's it comes as far as the manifest's own signature, which is of another key.
    expect(withChain([forged, asAuthority, product, authority])).toBe("attestation.signature");
  });
});

describe("accepted firmware", () => {
  const sha384 = (text: string) => createHash("sha384").update(text).digest("hex");
  const zeros = "0".repeat(96);
  const ofDriver = (values: Record<number, string[]>, fields = {}) =>
    verify(rims.manifest({ version: "550.90.07", values, ...fields }));
  const ofVbios = (fields = {}) =>
    verify(
      rims.manifest({
        version: "96.00.9F.00.01",
        values: { 0: [sha384("measurement 1")], 35: [sha384("other")] },
        ...fields,
      }),
    );
  const VALUES = { 7: [sha384("measurement 8")], 23: [sha384("measurement 24"), zeros] };

  it("is what the contract computes from a report", () => {
    const one = report();
    const { chosen, ids, differs, notAfter } = acceptedFirmware({ driver: ofDriver(VALUES), vbios: ofVbios() }, one);
    // The video decoder is off in the report: its measurement does not count.
    expect(chosen).toBe((1n << 0n) | (1n << 7n) | (1n << 23n));
    expect(ids).toHaveLength(2);
    expect(ids).toContain(firmwareOf(one, chosen));
    expect(differs).toEqual([]);
    expect(notAfter).toBe(Date.parse("2049-12-31T23:59:59Z") / 1000);
    const otherValue = { driver: ofDriver({ 7: [sha384("other")] }), vbios: ofVbios() };
    expect(acceptedFirmware(otherValue, one).differs).toEqual([7]);
    expect(ids).not.toContain(firmwareOf(one, chosen & ~1n));
    expect(ids).toContain(firmwareOf(report({ kinds: [3, 6, 12, 11] }), chosen));
    expect(ids).not.toContain(firmwareOf(report({ kinds: [3, 6, 12] }), chosen));
  });

  it("is none of manifests of other versions or devices, that overlap, or that list nothing or too much", () => {
    const of = (driver: ReturnType<typeof ofDriver>, vbios = ofVbios()) =>
      refusal(() => acceptedFirmware({ driver, vbios }, report()));
    expect(of(ofDriver(VALUES))).toBe("accepted");
    const many = Object.fromEntries(Array.from({ length: 13 }, (_, k) => [40 + k, [zeros, "1".repeat(96)]]));
    for (const refused of [
      of(ofDriver({}, { version: "550.90.08" })),
      of(ofVbios()),
      of(ofDriver(VALUES), ofDriver(VALUES)),
      of(ofVbios(), ofDriver(VALUES)),
      of(ofDriver({ 0: [zeros] })),
      of(ofDriver(many)),
      of(ofDriver({}), ofVbios({ values: {} })),
      // Of a decoder that is off alone.
      of(ofDriver({}), ofVbios({ values: { 35: [zeros] } })),
      of(ofDriver(VALUES, { product: "GB100" })),
      of(ofDriver(VALUES), ofVbios({ product: "GB100" })),
      of(ofDriver(VALUES, { product: "GB100" }), ofVbios({ product: "GB100" })),
    ])
      expect(refused).toBe("attestation.reference");
  });

  it("is none of bytes that are no report, or say a thing twice", () => {
    const one = report();
    const both = { driver: ofDriver(VALUES), vbios: ofVbios() };
    const long = one.slice();
    long[3602] = 0x7f;
    const driverTwice = report({ kinds: [3, 3, 6] });
    for (const bad of [
      new Uint8Array(),
      one.subarray(0, -1),
      concat([one, Uint8Array.of(0)]),
      long,
      report({ kinds: [3, 3] }),
      driverTwice,
    ]) {
      expect(refusal(() => firmwareOf(bad, 1n))).toBe("attestation.encoding");
      expect(refusal(() => acceptedFirmware(both, bad))).toBe("attestation.encoding");
    }
    // Measurements that are not there.
    expect(refusal(() => firmwareOf(one, 1n << 63n))).toBe("accepted");
    expect(refusal(() => firmwareOf(one, 1n << 64n))).toBe("attestation.encoding");
    expect(refusal(() => firmwareOf(report({ blocks: 31 }), 1n << 31n))).toBe("attestation.encoding");
    // A name that goes on behind its zero.
    const at = Buffer.from(one).indexOf("550.90.07\0");
    const hidden = one.slice();
    hidden[at + 7] = 0;
    expect(refusal(() => acceptedFirmware(both, hidden))).toBe("attestation.encoding");
  });
});

describe("the reader of XML", () => {
  it("gives canonical form: order, namespaces, empty elements, white space", () => {
    const source = `<a xmlns="u" xmlns:p='v' z="1" p:b="2" a = "x&lt;&quot;"  ><p:c xmlns:p="v"/><d xmlns="">&amp;\r\n&gt;</d></a>`;
    expect(canonical(parseXml(source))).toBe(
      '<a xmlns="u" xmlns:p="v" a="x&lt;&quot;" z="1" p:b="2"><p:c></p:c><d xmlns="">&amp;\n&gt;</d></a>',
    );
    const second =
      "\r\n<b:r xmlns:b='u:b' xmlns='u:d' z='1' b:a='2' a='&lt;\"&amp;\t'><c  x='a>b'/>t&gt;&amp;&quot;\r\n</b:r >\n";
    expect(canonical(parseXml(second))).toBe(
      '<b:r xmlns="u:d" xmlns:b="u:b" a="&lt;&quot;&amp; " z="1" b:a="2"><c x="a>b"></c>t&gt;&amp;"\n</b:r>',
    );
  });

  it("refuses what manifests do not have", () => {
    const wrong = [
      '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
      "<!DOCTYPE a><a/>",
      "<a><!-- b --></a>",
      "<a><![CDATA[b]]></a>",
      "<a><![CDATA[]]></a>",
      "<?xml-stylesheet?><a/>",
      "<?xml version='1.0'?><a/>",
      "<a><?x?></a>",
      ...[
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/><a/>",
        "a<b/>",
        "<a/>text",
        "text",
        "<a>]]></a>",
        "<a b/>",
        "<a b=c/>",
        "<a b='c/>",
        "<a b='<'/>",
        '<a b="1" b="2"/>',
        "<a b='' b=''/>",
        "<a xmlns:p='u' xmlns:p='v'/>",
        "<a>&#65;</a>",
        "<a>&b;</a>",
        "<a>&lt</a>",
        "<a>&lt</a>x",
        "",
      ],
      "<a>".repeat(40) + "</a>".repeat(40),
      "<a>".repeat(100),
      "x".repeat((1 << 20) + 1),
    ];
    for (const text of wrong)
      expect(
        refusal(() => parseXml(text)),
        text.slice(0, 40),
      ).toBe("attestation.encoding");
    for (const text of [
      "<p:a/>",
      "<a p:b=''/>",
      "<a xmlns:p=''><p:b/></a>",
      "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>",
      '<a xml:lang="en"/>',
    ])
      expect(
        refusal(() => canonical(parseXml(text))),
        text,
      ).toBe("attestation.encoding");
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
  const bytes = (name: string) => fromHex(`0x${text(name).trim()}`);
  const at = (date: string) => Date.parse(date) / 1000;
  const ofB = (time: number) => ({
    driver: verifyRim(text("B_rim_driver_545.00.swidtag"), { time }),
    vbios: verifyRim(text("B_rim_vbios_96.00.5E.00.01.swidtag"), { time }),
  });

  it("verify at their time, and a real report has their values", () => {
    const time = at("2024-06-01");
    const real = verifyGpu(bytes("B_h100_545.00_report.hex"), text("B_h100_545.00_chain.pem"), {
      time,
      allowSamples: true,
    });
    expect(compareMeasurements(real, ofB(time))).toBe(32);
    expect(verifyRim(text("rim_driver_550.144.03.xml"), { time: NOW })).toMatchObject({ version: "550.144.03" });
  });

  it("of driver and VBIOS 545 accept the real report, and no other", () => {
    const manifests = ofB(at("2025-06-01"));
    const [real, another] = [bytes("B_h100_545.00_report.hex"), bytes("A_h100_550.90.07_report.hex")];
    const { chosen, ids, differs } = acceptedFirmware(manifests, real);
    expect(manifests.driver.values.size + manifests.vbios.values.size - 1).toBe(32);
    expect(ids).toHaveLength(16);
    expect(ids).toContain(firmwareOf(real, chosen));
    expect(differs).toEqual([]);
    expect(ids).not.toContain(firmwareOf(another, chosen));
    expect(refusal(() => acceptedFirmware(manifests, another))).toBe("attestation.reference");
    const values = referenceValues(parseReport(real), manifests);
    expect(deviations(values, parseReport(real))).toEqual([]);
    expect(deviations(values, parseReport(another))).not.toEqual([]);
    expect(equal(real, another)).toBe(false);
    expect(toHex(real.subarray(4, 8))).toBe("0x4cff7f53");
  });

  it("hold only while their signers do", () => {
    const of = (name: string, date: string) => refusal(() => verifyRim(text(name), { time: at(date) }));
    expect(of("rim_driver_550.144.03.xml", "2026-06-01")).toBe("accepted");
    expect(of("rim_driver_550.144.03.xml", "2027-01-01")).toBe("attestation.expired");
    expect(of("B_rim_driver_545.00.swidtag", "2025-07-01")).toBe("attestation.expired");
  });

  it("are refused with a wrong signature or chain", () => {
    for (const time of [NOW, at("2025-06-01")]) {
      const of = (name: string) => refusal(() => verifyRim(text(name), { time }));
      expect(of("NEG_rim_incorrect_signature.xml")).toBe("attestation.signature");
      expect(of("NEG_rim_incorrect_chain.xml")).toBe("attestation.chain");
    }
  });
});
