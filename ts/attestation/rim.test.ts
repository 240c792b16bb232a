import { createHash, createPrivateKey, sign, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { concat, equal, fromHex, toHex } from "../commit/bytes.ts";
import { EvidenceEncodingError, ManifestError } from "./errors.ts";
import { acceptedFirmware, deviations, firmwareOf, opaqueFields } from "./gpu-firmware.ts";
import { type Rim, verifyRim } from "./rim.ts";
import { evidence, HAS_EVIDENCE } from "./testing/real-evidence.ts";
import { authority, bytes48, CERTIFIES, certificate, SIGNS, secretOf, usage } from "./vectors/certificates.ts";
import { report } from "./vectors/h100.ts";
import { canonical, parseXml } from "./xml.ts";

const NOW = 1_790_000_000;
const sha384 = (text: string): string => createHash("sha384").update(text).digest("hex");

/** A chain as NVIDIA's for manifests, signer first. */
const CHAIN = [
  certificate({ subject: "RIM signer", issuer: "RIM CA", extensions: [usage(SIGNS)] }),
  certificate({ subject: "RIM CA", issuer: "RIM root", extensions: [authority(), usage(CERTIFIES)] }),
  certificate({ subject: "RIM root", issuer: "RIM root", extensions: [authority(), usage(CERTIFIES)] }),
];
const ROOT = createHash("sha256").update(CHAIN[2]!).digest("hex");

/** The private key that a name determines, for Node. */
function keyOf(name: string) {
  const point = new X509Certificate(CHAIN[0]!).publicKey.export({ format: "jwk" });
  const d = Buffer.from(bytes48(secretOf(name))).toString("base64url");
  return createPrivateKey({ key: { ...point, d } as never, format: "jwk" });
}

interface Fields {
  readonly version?: string;
  readonly values?: Readonly<Record<number, readonly string[]>>;
  readonly chain?: readonly Uint8Array[];
  readonly change?: (xml: string) => string;
  readonly product?: string;
}

const DSIG = 'xmlns:ds="http://www.w3.org/2000/09/xmldsig#"';
const METHODS = [
  '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2006/12/xml-c14n11"/>',
  '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"/>',
].join("");
const TRANSFORMS = [
  '<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>',
  '<ds:Transform Algorithm="http://www.w3.org/2006/12/xml-c14n11"/></ds:Transforms>',
  '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#sha384"/>',
].join("");

/** A signed manifest; `change` comes before signing. */
function manifest({
  version = "550.90.07",
  values = {},
  chain = CHAIN,
  change = (x) => x,
  product = "GH100",
}: Fields = {}) {
  const resources = Array.from({ length: 64 }, (_, k) => {
    const hashes = values[k] ?? ["0".repeat(96)];
    const list = hashes.map((hash, n) => `ns2:Hash${n}="${hash}"`).join(" ");
    const active = values[k] === undefined ? "False" : "True";
    return `<ns0:Resource type="Measurement" index="${k}" active="${active}" alternatives="${hashes.length}" ${list} name="M_${k}" size="48"/>`;
  });
  const body = change(
    [
      '<SoftwareIdentity xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" xmlns:ns0="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" xmlns:ns2="http://www.w3.org/2001/04/xmlenc#sha384" name="GH100">',
      `<ns0:Meta product="${product}" colloquialVersion="${version}"/>`,
      `<ns0:Payload>${resources.join("\n")}</ns0:Payload>`,
      "</SoftwareIdentity>",
    ].join("\n"),
  );
  const digest = createHash("sha384")
    .update(canonical(parseXml(body)))
    .digest("base64");
  const info = `<ds:SignedInfo>${METHODS}<ds:Reference URI="">${TRANSFORMS}<ds:DigestValue>${digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>`;
  const empty = body.replace("</SoftwareIdentity>", `<ds:Signature ${DSIG}>${info}</ds:Signature></SoftwareIdentity>`);
  const signature = parseXml(empty).children.at(-1) as ReturnType<typeof parseXml>;
  const signed = canonical(signature.children[0] as ReturnType<typeof parseXml>);
  const value = sign("sha384", Buffer.from(signed), { key: keyOf("RIM signer"), dsaEncoding: "ieee-p1363" });
  const data = chain.map((der) => `<ds:X509Certificate>${Buffer.from(der).toString("base64")}</ds:X509Certificate>`);
  const rest = `<ds:SignatureValue>${value.toString("base64")}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>${data.join("")}</ds:X509Data></ds:KeyInfo>`;
  return empty.replace("</ds:Signature>", `${rest}</ds:Signature>`);
}

const driver = (fields: Fields = {}, time = NOW) => verifyRim(manifest(fields), { kind: "driver", time, root: ROOT });
const VBIOS = { version: "96.00.9F.00.01", values: { 0: [sha384("measurement 1")], 35: [sha384("other")] } };
const vbios = () => verifyRim(manifest(VBIOS), { kind: "vbios", time: NOW, root: ROOT });
const VALUES = { 7: [sha384("measurement 8")], 23: [sha384("measurement 24"), "0".repeat(96)] };

describe("manifests of a development root", () => {
  it("verify, and say which values are accepted", () => {
    const { version, measurements, kind } = driver({ values: VALUES });
    expect([kind, version, [...measurements.keys()]]).toEqual(["driver", "550.90.07", [7, 23]]);
    expect(measurements.get(23)).toHaveLength(2);
  });

  it("give the firmware that the contract computes from a report", () => {
    const { chosen, ids } = acceptedFirmware(driver({ values: VALUES }), vbios(), report());
    // The video decoder is off in the report: its measurement does not count.
    expect(chosen).toBe((1n << 0n) | (1n << 7n) | (1n << 23n));
    expect(ids).toHaveLength(2);
    expect(ids).toContain(firmwareOf(report(), chosen));
    expect(deviations(driver({ values: VALUES }), vbios(), report())).toEqual([]);
    expect(deviations(driver({ values: { 7: [sha384("other")] } }), vbios(), report())).toEqual([7]);
    expect(ids).not.toContain(firmwareOf(report({ kinds: [3, 6, 12, 11] }), chosen & ~1n));
  });

  it("are refused if anything is changed", () => {
    const good = manifest({ values: VALUES });
    const refuse = (xml: string, time = NOW, root = ROOT) =>
      expect(() => verifyRim(xml, { kind: "driver", time, root })).toThrow(/manifest|XML/);
    verifyRim(good, { kind: "driver", time: NOW, root: ROOT });
    refuse(good.replace('active="False"', 'active="True"'));
    refuse(good.replace("GH100", "GH101"));
    refuse(good.replace('URI=""', 'URI="#a"'));
    refuse(good.replace("xml-c14n11", "xml-exc-c14n#"));
    refuse(good.replace("ecdsa-sha384", "ecdsa-sha256"));
    refuse(good.replace("more#sha384", "more#sha256"));
    refuse(good.replace("enveloped-signature", "base64"));
    refuse(good.replace("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"));
    refuse(good.replace(/<ds:Signature .*<\/ds:Signature>/s, ""));
    refuse(good.replace(/(<ds:Signature .*<\/ds:Signature>)/s, "$1$1"));
    // A second document around the signed one.
    refuse(
      `<SoftwareIdentity xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd">${good}</SoftwareIdentity>`,
    );
    refuse(good, 1);
    refuse(good, NOW, "00".repeat(32));
    refuse(manifest({ chain: CHAIN.slice(0, 2) }));
    refuse(manifest({ chain: [CHAIN[0]!, CHAIN[2]!] }));
    refuse(manifest({ chain: [CHAIN[1]!, CHAIN[2]!] }));
    refuse(manifest({ chain: [] }));
    refuse(manifest({ version: "96.00.9F.00.01" }));
    refuse(manifest({ product: "GB100" }));
    refuse(manifest({ values: { 3: ["00"] } }));
    refuse(manifest({ change: (xml) => xml.replace('index="5"', 'index="6"') }));
    refuse(
      manifest({ change: (xml) => xml.replace('alternatives="1"', 'alternatives="2"').replace('"False"', '"True"') }),
    );
    refuse(manifest({ change: (xml) => xml.replace('active="False"', 'active="maybe"') }));
  });

  it("a leaf signs no other certificate", () => {
    const forged = certificate({ subject: "RIM signer", issuer: "RIM signer", extensions: [usage(SIGNS)] });
    expect(() => driver({ chain: [forged, ...CHAIN] })).toThrow(ManifestError);
  });

  it("of other versions, or that overlap, are refused", () => {
    const one = report();
    expect(() => acceptedFirmware(driver({ version: "550.90.08" }), vbios(), one)).toThrow(ManifestError);
    expect(() => acceptedFirmware(vbios(), vbios(), one)).toThrow(ManifestError);
    expect(() => acceptedFirmware(driver({ values: { 0: ["0".repeat(96)] } }), vbios(), one)).toThrow(ManifestError);
    const many = Object.fromEntries(Array.from({ length: 13 }, (_, k) => [40 + k, ["0".repeat(96), "1".repeat(96)]]));
    expect(() => acceptedFirmware(driver({ values: many }), vbios(), one)).toThrow(ManifestError);
  });
});

describe("opaque fields", () => {
  it("of other bytes than a report's are refused", () => {
    const one = report();
    for (const bad of [new Uint8Array(), one.subarray(0, -1), concat([one, Uint8Array.of(0)])])
      expect(() => opaqueFields(bad)).toThrow(EvidenceEncodingError);
    expect(() => opaqueFields(report({ kinds: [3, 3] }))).toThrow(EvidenceEncodingError);
    const long = one.slice();
    long[3602] = 0x7f;
    expect(() => opaqueFields(long)).toThrow(EvidenceEncodingError);
  });
});

describe("XML", () => {
  it("is canonical as the recommendation says", () => {
    const source =
      "<?xml version='1.0'?>\r\n<b:r xmlns:b='u:b' xmlns='u:d' z='1' b:a='2' a='&lt;\"&amp;\t'><c  x = 'a>b'/>t&gt;&amp;&quot;\r\n</b:r >\n";
    const expected =
      '<b:r xmlns="u:d" xmlns:b="u:b" a="&lt;&quot;&amp; " z="1" b:a="2"><c x="a>b"></c>t&gt;&amp;"\n</b:r>';
    expect(canonical(parseXml(source.replace("x = 'a>b'", "x='a>b'")))).toBe(expected);
    expect(() => parseXml(source)).toThrow(EvidenceEncodingError);
  });

  it("is refused if it is more than elements, attributes and text", () => {
    for (const bad of [
      "",
      "text",
      "<a>",
      "<a></b>",
      "<a/><a/>",
      "<a/>text",
      "<!DOCTYPE a><a/>",
      "<a><!-- --></a>",
      "<a><![CDATA[]]></a>",
      "<a><?x?></a>",
      "<a>&#65;</a>",
      "<a>&b;</a>",
      "<a>&lt</a>x",
      "<a b/>",
      "<a b=c/>",
      "<a b='c/>",
      "<a b='<'/>",
      "<a b='' b=''/>",
      "<a xmlns:p='u' xmlns:p='v'/>",
      "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>",
      "<p:a/>",
      "<a p:b=''/>",
      "<a>".repeat(100),
    ])
      expect(() => parseXml(bad), bad).toThrow(EvidenceEncodingError);
  });
});

describe.skipIf(!HAS_EVIDENCE)("real manifests", () => {
  const read = (name: string): string => evidence(`nvidia-h100/${name}`).toString();
  const verified = (name: string, kind: Rim["kind"], time: string): Rim =>
    verifyRim(read(name), { kind, time: Date.parse(time) / 1000 });

  it("of driver and VBIOS 545 accept the real report, and no other", () => {
    const [ofDriver, ofVbios] = [
      verified("B_rim_driver_545.00.swidtag", "driver", "2025-06-01"),
      verified("B_rim_vbios_96.00.5E.00.01.swidtag", "vbios", "2025-06-01"),
    ];
    const real = fromHex(`0x${read("B_h100_545.00_report.hex").trim()}`);
    const { chosen, ids } = acceptedFirmware(ofDriver, ofVbios, real);
    expect(ofDriver.measurements.size + ofVbios.measurements.size - 1).toBe(32);
    expect(ids).toHaveLength(16);
    expect(ids).toContain(firmwareOf(real, chosen));
    expect(deviations(ofDriver, ofVbios, real)).toEqual([]);
    const other = fromHex(`0x${read("A_h100_550.90.07_report.hex").trim()}`);
    expect(() => acceptedFirmware(ofDriver, ofVbios, other)).toThrow(ManifestError);
    expect(deviations(ofDriver, ofVbios, other)).not.toEqual([]);
    expect(equal(real, other)).toBe(false);
    expect(toHex(real.subarray(4, 8))).toBe("0x4cff7f53");
  });

  it("hold only while their signers do", () => {
    verified("rim_driver_550.144.03.xml", "driver", "2026-06-01");
    expect(() => verified("rim_driver_550.144.03.xml", "driver", "2027-01-01")).toThrow(ManifestError);
    expect(() => verified("B_rim_driver_545.00.swidtag", "driver", "2025-07-01")).toThrow(ManifestError);
  });

  it("that are forged are refused", () => {
    for (const name of ["NEG_rim_incorrect_chain.xml", "NEG_rim_incorrect_signature.xml"])
      expect(() => verified(name, "driver", "2025-06-01"), name).toThrow(/manifest/);
  });
});
