import { createHash, verify, X509Certificate } from "node:crypto";
import { EvidenceEncodingError, ManifestError } from "./errors.ts";
import { canonical, childrenOf, namespaceOf, parseXml, textOf, type XmlElement } from "./xml.ts";

/** Which firmware a reference integrity manifest (RIM) describes. */
export type RimKind = "driver" | "vbios";

/** A verified manifest of NVIDIA's: which values a GPU's measurements may have. */
export interface Rim {
  readonly kind: RimKind;
  /** Of the driver, e.g. "550.144.03", or of the VBIOS, e.g. "96.00.5E.00.01". */
  readonly version: string;
  /** Accepted SHA-384 digests of each measurement that counts, by index from 0 on (SPDM's index is one more). */
  readonly measurements: ReadonlyMap<number, readonly Uint8Array[]>;
  /** When the signer's certificates end, seconds since 1970. */
  readonly notAfter: number;
}

/** What a manifest is verified against. */
export interface RimOptions {
  readonly kind: RimKind;
  /** Seconds since 1970. */
  readonly time: number;
  /** SHA-256 of the root certificate, lower case hexadecimal; default: NVIDIA's. */
  readonly root?: string;
}

/** SHA-256 of "NVIDIA CoRIM signing Root CA". */
export const NVIDIA_RIM_ROOT = "12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1";

const SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
const DSIG = "http://www.w3.org/2000/09/xmldsig#";
const SHA384_NAMESPACE = "http://www.w3.org/2001/04/xmlenc#sha384";
const C14N = "http://www.w3.org/2006/12/xml-c14n11";
const ENVELOPED = `${DSIG}enveloped-signature`;
const DIGEST_METHOD = "http://www.w3.org/2001/04/xmldsig-more#sha384";
const SIGNATURE_METHOD = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
const INDICES = 64;
const DIGEST = /^[0-9a-f]{96}$/;

const malformed = (reason: string): never => {
  throw new EvidenceEncodingError("reference integrity manifest", reason);
};

function only(parent: XmlElement, namespace: string, name: string): XmlElement {
  const [one, ...more] = childrenOf(parent, namespace, name);
  return one !== undefined && more.length === 0 ? one : malformed(`There is not one ${name}.`);
}

const base64 = (element: XmlElement): Buffer => Buffer.from(textOf(element).replace(/\s/g, ""), "base64");

function algorithm(element: XmlElement, expected: string): void {
  const got = element.attributes.get("Algorithm");
  if (got !== expected || element.children.some((child) => typeof child !== "string"))
    throw new ManifestError(`It is made with ${got}, not ${expected}.`);
}

/**
 * Verifies a manifest: its XML signature (enveloped, Canonical XML 1.1, ECDSA with SHA-384) and the chain to the pinned root, and reads it.
 *
 * @throws EvidenceEncodingError if it is no manifest
 * @throws ManifestError if signature, chain or time do not hold
 */
export function verifyRim(xml: string, { kind, time, root = NVIDIA_RIM_ROOT }: RimOptions): Rim {
  const document = parseXml(xml);
  if (document.name !== "SoftwareIdentity" || namespaceOf(document, document.name) !== SWID)
    malformed("It is no SoftwareIdentity.");
  // What is read lies outside of the one signature, directly in the signed root: nothing else could be shown instead.
  const signature = only(document, DSIG, "Signature");
  const info = only(signature, DSIG, "SignedInfo");
  algorithm(only(info, DSIG, "CanonicalizationMethod"), C14N);
  algorithm(only(info, DSIG, "SignatureMethod"), SIGNATURE_METHOD);
  const reference = only(info, DSIG, "Reference");
  if (reference.attributes.get("URI") !== "") throw new ManifestError("It does not sign the whole document.");
  const transforms = childrenOf(only(reference, DSIG, "Transforms"), DSIG, "Transform");
  if (transforms.length !== 2) throw new ManifestError("It is transformed otherwise before it is signed.");
  algorithm(transforms[0]!, ENVELOPED);
  algorithm(transforms[1]!, C14N);
  algorithm(only(reference, DSIG, "DigestMethod"), DIGEST_METHOD);
  const digest = createHash("sha384").update(canonical(document, signature)).digest();
  if (!digest.equals(base64(only(reference, DSIG, "DigestValue"))))
    throw new ManifestError("Its contents are not those that were signed.");
  const { signer, notAfter } = chain(only(only(signature, DSIG, "KeyInfo"), DSIG, "X509Data"), time, root);
  const value = base64(only(signature, DSIG, "SignatureValue"));
  if (!verify("sha384", Buffer.from(canonical(info)), { key: signer.publicKey, dsaEncoding: "ieee-p1363" }, value))
    throw new ManifestError("Its signature does not verify.");
  return { kind, notAfter, ...contents(document, kind) };
}

/** The signer's certificate, whose chain ends in the root. */
function chain(data: XmlElement, time: number, root: string): { signer: X509Certificate; notAfter: number } {
  const certificates = childrenOf(data, DSIG, "X509Certificate").map((element) => new X509Certificate(base64(element)));
  const signer = certificates[0] ?? malformed("It has no certificates.");
  for (const [k, certificate] of certificates.entries()) {
    const issuer = certificates[k + 1] ?? certificate;
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey))
      throw new ManifestError(`Its certificate ${k} is not signed by the next one.`);
    if (k > 0 && !certificate.ca) throw new ManifestError(`Its certificate ${k} may not sign others.`);
    if (time * 1000 < Date.parse(certificate.validFrom) || time * 1000 > Date.parse(certificate.validTo))
      throw new ManifestError(`Its certificate ${k} is valid from ${certificate.validFrom} to ${certificate.validTo}.`);
  }
  const last = createHash("sha256").update(certificates.at(-1)!.raw).digest("hex");
  if (last !== root) throw new ManifestError(`Its chain ends in another root (${last}).`);
  const notAfter = Math.min(...certificates.map(({ validTo }) => Date.parse(validTo) / 1000));
  return { signer, notAfter };
}

/** Version and accepted values. */
function contents(document: XmlElement, kind: RimKind): Pick<Rim, "version" | "measurements"> {
  const meta = only(document, SWID, "Meta");
  const version = meta.attributes.get("colloquialVersion") ?? malformed("It has no version.");
  // Both kinds look alike but for their versions.
  if (/^[\dA-F]{2}(\.[\dA-F]{2}){4}$/.test(version) !== (kind === "vbios"))
    malformed(`It is none of a ${kind}: ${version}.`);
  if (meta.attributes.get("product") !== "GH100") malformed("It is none of a GH100.");
  const resources = childrenOf(only(document, SWID, "Payload"), SWID, "Resource");
  if (resources.length !== INDICES) malformed(`It has ${resources.length} measurements.`);
  const measurements = new Map<number, Uint8Array[]>();
  for (const [k, resource] of resources.entries()) {
    const field = (name: string): string =>
      resource.attributes.get(name) ?? malformed(`Measurement ${k} has no ${name}.`);
    if (field("index") !== String(k) || field("type") !== "Measurement" || field("size") !== "48")
      malformed(`Measurement ${k} is another.`);
    const active = field("active");
    if (active !== "True" && active !== "False") malformed(`Measurement ${k} is neither active nor not.`);
    if (active === "False") continue;
    const hashes = [...resource.attributes]
      .filter(([name]) => namespaceOf(resource, name, true) === SHA384_NAMESPACE)
      .map(([, value]) =>
        DIGEST.test(value) ? new Uint8Array(Buffer.from(value, "hex")) : malformed(`${value} is no digest.`),
      );
    if (hashes.length === 0 || hashes.length !== Number(field("alternatives")))
      malformed(`Measurement ${k} lacks values.`);
    measurements.set(k, hashes);
  }
  return { version, measurements };
}
