import { createHash } from "node:crypto";
import { equal, fromHex, type Hex } from "../../commit/bytes.ts";
import { verifyChain } from "../chain.ts";
import { Checks } from "../checks.ts";
import { CertificateChainError, EvidenceEncodingError, ReferenceValueError, SignatureInvalidError } from "../errors.ts";
import { ROOTS } from "../roots.ts";
import { verifyEcdsa } from "../signature.ts";
import { KEY_USAGE, parseCertificate } from "../x509.ts";
import { OPAQUE, opaqueField, opaqueText, type SpdmReport, vbiosVersion } from "./report.ts";
import type { VerifiedGpu } from "./verify.ts";
import { canonical, localName, namespaceOf, parseXml, type Scope, scopeOf, type XmlElement } from "./xml.ts";

/** A verified reference manifest (RIM) of NVIDIA's: which values firmware may have. */
export interface Rim {
  /** Which firmware: versions of VBIOS are five bytes. */
  readonly kind: "driver" | "vbios";
  readonly product: string;
  /** E.g. "550.144.03" of a driver, "96.00.5E.00.01" of a VBIOS. */
  readonly version: string;
  /** Admissible digests by index from 0 on; one less than in reports. */
  readonly values: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Until when its signer's certificate holds, in seconds since 1970. */
  readonly notAfter: number;
}

/** The manifests of a GPU's two kinds of firmware. */
export interface Rims {
  readonly driver: Rim;
  readonly vbios: Rim;
}

const SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
const DSIG = "http://www.w3.org/2000/09/xmldsig#";
const SHA384 = "http://www.w3.org/2001/04/xmlenc#sha384";
const C14N = "http://www.w3.org/2006/12/xml-c14n11";
const ECDSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
const DIGEST = "http://www.w3.org/2001/04/xmldsig-more#sha384";
const ENVELOPED = `${DSIG}enveloped-signature`;
/** Signer, L3, product's CA, root. */
const LENGTH = 4;
/** Measurements in a manifest, active or not. */
const INDICES = 64;
const MOST_ALTERNATIVES = 16;
const VBIOS_VERSION = /^[\dA-F]{2}(?:\.[\dA-F]{2}){4}$/i;
/** Measures the state of a video decoder, which is off in confidential mode. */
const NVDEC_INDEX = 35;
const NVDEC_OFF = 0x55;

const fail = (reason: string): never => {
  throw new EvidenceEncodingError("reference manifest", reason);
};

/**
 * Verifies a manifest (TCG RIM in SWID, signed by XMLDSig) to the pinned root. One form of signature is taken, the one that NVIDIA uses: over
 * the whole document without itself, in canonical XML 1.1, by ECDSA with SHA-384.
 *
 * @throws EvidenceEncodingError, SignatureInvalidError, and those of `verifyChain`
 */
export function verifyRim(
  source: string,
  { time, root = ROOTS.nvidiaRim, checks = new Checks() }: { time: number; root?: Hex; checks?: Checks },
): Rim {
  return checks.run(
    "reference manifest",
    () => {
      const document = parseXml(source);
      const scope = scopeOf(document, new Map());
      if (localName(document.name) !== "SoftwareIdentity" || namespaceOf(document.name, scope) !== SWID)
        fail("It is no SoftwareIdentity.");
      const signature = child(document, "Signature", { scope, namespace: DSIG });
      const { notAfter } = checkSignature(document, signature, { scope, time, root });
      return { ...contentOf(document, scope), notAfter };
    },
    ({ product, version, values }) => `${product} ${version}, ${values.size} measurements`,
  );
}

/**
 * The admissible values of a report's measurements, by index from 0 on: every active index of the manifests of its driver and its VBIOS.
 * The report need not be verified: it says which driver and VBIOS it is of, and whether the video decoder is off; values are the manifests' alone.
 *
 * @throws ReferenceValueError if the manifests are of other firmware than the report, or contradict each other.
 */
export function referenceValues(report: SpdmReport, { driver, vbios }: Rims): Rim["values"] {
  if (driver.kind !== "driver" || vbios.kind !== "vbios")
    throw new ReferenceValueError("One manifest of a driver and one of a VBIOS are needed.");
  if (driver.product !== vbios.product)
    throw new ReferenceValueError(`The manifests are of ${driver.product} and ${vbios.product}.`);
  const asked = [
    ["driver", driver, opaqueText(report, OPAQUE.driver)],
    ["VBIOS", vbios, vbiosVersion(report)],
  ] as const;
  for (const [what, rim, version] of asked)
    if (rim.version.toUpperCase() !== version?.toUpperCase())
      throw new ReferenceValueError(`The manifest is of ${what} ${rim.version}, the GPU has ${version ?? "none"}.`);
  const both = [...driver.values.keys()].filter((index) => vbios.values.has(index));
  if (both.length > 0) throw new ReferenceValueError(`Both manifests have index ${both.join(", ")}.`);
  const values = new Map([...driver.values, ...vbios.values]);
  if (opaqueField(report, OPAQUE.nvdec0)?.[0] === NVDEC_OFF) values.delete(NVDEC_INDEX);
  // INVARIANT: no measurement is no firmware.
  if (values.size === 0) throw new ReferenceValueError("The manifests have no measurement.");
  return values;
}

/** Indices at which a report's measurements are none of these values. */
export function deviations(values: Rim["values"], { measurements }: SpdmReport): number[] {
  return [...values]
    .filter(([index, admissible]) => {
      const got = measurements[index];
      return got === undefined || !admissible.some((value) => equal(value, got));
    })
    .map(([index]) => index);
}

/**
 * Compares a GPU's measurements with the manifests of its driver and its VBIOS; how many were compared.
 *
 * @throws ReferenceValueError naming what differs.
 */
export function compareMeasurements({ report, device }: Pick<VerifiedGpu, "report" | "device">, rims: Rims): number {
  const values = referenceValues(report, rims);
  if (!device.startsWith(`NVIDIA:${rims.driver.product}:`))
    throw new ReferenceValueError(`The manifests are of ${rims.driver.product}, the device is ${device}.`);
  const wrong = deviations(values, report);
  if (wrong.length > 0) throw new ReferenceValueError(`Indices ${wrong.join(", ")} have other values.`);
  return values.size;
}

/** The signature's own document is what is read afterwards: nothing is looked up by an identifier that could name another part. */
function checkSignature(
  document: XmlElement,
  signature: XmlElement,
  { scope: outer, time, root }: { scope: Scope; time: number; root: Hex },
): { notAfter: number } {
  const scope = scopeOf(signature, outer);
  const within = { scope, namespace: DSIG };
  const info = child(signature, "SignedInfo", within);
  const algorithm = (element: XmlElement, expected: string) => {
    // Parameters inside would change what is signed.
    if (attributeOf(element, "Algorithm") !== expected || elementsOf(element).length > 0)
      fail(`${element.name} is not ${expected}.`);
  };
  algorithm(child(info, "CanonicalizationMethod", within), C14N);
  algorithm(child(info, "SignatureMethod", within), ECDSA_SHA384);
  const reference = child(info, "Reference", within);
  if (attributeOf(reference, "URI") !== "") fail("It signs a part of itself only.");
  const [first, second, ...more] = elementsOf(child(reference, "Transforms", within));
  if (first === undefined || second === undefined || more.length > 0)
    return fail("What it signs is transformed in another way.");
  algorithm(first, ENVELOPED);
  algorithm(second, C14N);
  algorithm(child(reference, "DigestMethod", within), DIGEST);
  const digest = createHash("sha384")
    .update(canonical(document, new Map(), signature))
    .digest();
  if (!equal(digest, base64(child(reference, "DigestValue", within))))
    throw new SignatureInvalidError("The manifest is not the one that was signed.");
  const data = child(child(signature, "KeyInfo", within), "X509Data", within);
  const chain = elementsOf(data).map((one) => parseCertificate(base64(one)));
  const signer = verifyChain(chain, { root, time, algorithm: "P-384", length: LENGTH });
  if (signer.isAuthority || signer.keyKind !== "P-384" || (signer.keyUsage & KEY_USAGE.sign) === 0)
    throw new CertificateChainError("The manifest's signer may not sign.");
  verifyEcdsa("P-384", {
    message: new TextEncoder().encode(canonical(info, scope)),
    signature: base64(child(signature, "SignatureValue", within)),
    key: signer.key,
    what: "Reference manifest by its signer",
  });
  return { notAfter: Math.min(...chain.map((certificate) => certificate.notAfter)) };
}

function contentOf(document: XmlElement, scope: Scope): Omit<Rim, "notAfter"> {
  const within = { scope, namespace: SWID };
  const meta = child(document, "Meta", within);
  const payload = child(document, "Payload", within);
  const inside = scopeOf(payload, scope);
  const resources = elementsOf(payload);
  if (resources.length !== INDICES) fail(`It has ${resources.length} measurements.`);
  const values = new Map<number, readonly Uint8Array[]>();
  for (const [index, resource] of resources.entries()) {
    const own = scopeOf(resource, inside);
    if (localName(resource.name) !== "Resource" || namespaceOf(resource.name, own) !== SWID)
      fail("Its payload has something else than measurements.");
    const field = (name: string) => attributeOf(resource, name);
    if (field("type") !== "Measurement" || field("index") !== String(index) || field("size") !== "48")
      fail(`Measurement ${index} is another.`);
    if (field("active") !== "True" && field("active") !== "False") fail(`Index ${index} is neither active nor not.`);
    if (field("active") === "True") values.set(index, digestsOf(resource, own));
  }
  const version = attributeOf(meta, "colloquialVersion");
  const kind = VBIOS_VERSION.test(version) ? "vbios" : "driver";
  return { kind, product: attributeOf(meta, "product"), version, values };
}

function digestsOf(resource: XmlElement, scope: Scope): Uint8Array[] {
  const count = Number(attributeOf(resource, "alternatives"));
  if (!Number.isInteger(count) || count < 1 || count > MOST_ALTERNATIVES) fail("A measurement has no alternatives.");
  const hashes = new Map(
    resource.attributes
      .filter(([name]) => namespaceOf(name, scope, true) === SHA384)
      .map(([name, value]) => [localName(name), value]),
  );
  if (hashes.size !== count) fail("A measurement has more or fewer digests than alternatives.");
  return Array.from({ length: count }, (_, k) => {
    const value = hashes.get(`Hash${k}`) ?? "";
    if (!/^[0-9a-fA-F]{96}$/.test(value)) fail("A digest is no SHA-384.");
    return fromHex(`0x${value}`);
  });
}

const elementsOf = ({ children }: XmlElement): XmlElement[] =>
  children.filter((one): one is XmlElement => typeof one !== "string");

/** The one child of this name. */
function child(
  parent: XmlElement,
  name: string,
  { scope, namespace }: { scope: Scope; namespace: string },
): XmlElement {
  const inner = scopeOf(parent, scope);
  const [found, ...more] = elementsOf(parent).filter(
    (one) => localName(one.name) === name && namespaceOf(one.name, scopeOf(one, inner)) === namespace,
  );
  if (found === undefined || more.length > 0) return fail(`${parent.name} has not one ${name}.`);
  return found;
}

function attributeOf({ name, attributes }: XmlElement, wanted: string): string {
  return attributes.find(([one]) => one === wanted)?.[1] ?? fail(`${name} has no ${wanted}.`);
}

/** The bytes that an element's text is. */
function base64({ name, children }: XmlElement): Uint8Array {
  const text = children.map((one) => (typeof one === "string" ? one : fail(`${name} has elements.`))).join("");
  const plain = text.replace(/\s/g, "");
  const bytes = Buffer.from(plain, "base64");
  if (bytes.toString("base64") !== plain) fail(`${name} is no base64.`);
  return new Uint8Array(bytes);
}
