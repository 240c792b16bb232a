import { createHash } from "node:crypto";
import { equal, fromHex, type Hex } from "../../commit/bytes.ts";
import { verifyChain } from "../chain.ts";
import { Checks } from "../checks.ts";
import { CertificateChainError, EvidenceEncodingError, ReferenceValueError, SignatureInvalidError } from "../errors.ts";
import { ROOTS } from "../roots.ts";
import { verifyEcdsa } from "../signature.ts";
import { KEY_USAGE, parseCertificate } from "../x509.ts";
import { OPAQUE } from "./report.ts";
import type { VerifiedGpu } from "./verify.ts";
import { canonical, localName, namespaceOf, parseXml, type Scope, scopeOf, type XmlElement } from "./xml.ts";

/** A reference manifest of NVIDIA's: which values firmware may have. */
export interface Rim {
  readonly product: string;
  /** Of driver or VBIOS. */
  readonly version: string;
  /** Admissible digests by index from 0 on; one less than in reports. */
  readonly values: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Until when its signer's certificate holds, in seconds since 1970. */
  readonly notAfter: number;
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
const MOST_ALTERNATIVES = 16;
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
 * Compares a GPU's measurements with the manifests of its driver and its VBIOS: every active index of both, and no index of both at once.
 *
 * @throws ReferenceValueError naming what differs.
 */
export function compareMeasurements(
  { report, driver, vbios, device }: Pick<VerifiedGpu, "report" | "driver" | "vbios" | "device">,
  manifests: { readonly driver: Rim; readonly vbios: Rim },
): number {
  const asked = [
    ["driver", manifests.driver, driver],
    ["VBIOS", manifests.vbios, vbios],
  ] as const;
  for (const [what, rim, version] of asked) {
    if (rim.version.toUpperCase() !== version?.toUpperCase())
      throw new ReferenceValueError(`The manifest is of ${what} ${rim.version}, the GPU has ${version ?? "none"}.`);
    if (!device.startsWith(`NVIDIA:${rim.product}:`))
      throw new ReferenceValueError(`The manifest is of ${rim.product}, the device is ${device}.`);
  }
  const [status] = report.opaque.get(OPAQUE.nvdec0) ?? [];
  const both = [...manifests.driver.values.keys()].filter((index) => manifests.vbios.values.has(index));
  if (both.length > 0) throw new ReferenceValueError(`Both manifests have index ${both.join(", ")}.`);
  const wrong: number[] = [];
  let compared = 0;
  for (const [index, admissible] of [...manifests.driver.values, ...manifests.vbios.values]) {
    if (index === NVDEC_INDEX && status?.[0] === NVDEC_OFF) continue;
    compared++;
    const got = report.measurements[index];
    if (got === undefined || !admissible.some((value) => equal(value, got))) wrong.push(index);
  }
  if (compared === 0) throw new ReferenceValueError("The manifests have no measurement.");
  if (wrong.length > 0) throw new ReferenceValueError(`Indices ${wrong.join(", ")} have other values.`);
  return compared;
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
    if (attributeOf(element, "Algorithm") !== expected) fail(`${element.name} is not ${expected}.`);
  };
  algorithm(child(info, "CanonicalizationMethod", within), C14N);
  algorithm(child(info, "SignatureMethod", within), ECDSA_SHA384);
  const reference = child(info, "Reference", within);
  if (attributeOf(reference, "URI") !== "") fail("It signs a part of itself only.");
  const transforms = elementsOf(child(reference, "Transforms", within));
  if (transforms.map((one) => attributeOf(one, "Algorithm")).join(" ") !== `${ENVELOPED} ${C14N}`)
    fail("What it signs is transformed in another way.");
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
  const values = new Map<number, readonly Uint8Array[]>();
  const seen = new Set<number>();
  for (const resource of elementsOf(payload)) {
    if (localName(resource.name) !== "Resource" || attributeOf(resource, "type") !== "Measurement")
      fail("Its payload has something else than measurements.");
    const index = Number(/^\d{1,3}$/.exec(attributeOf(resource, "index"))?.[0] ?? fail("An index is none."));
    if (index > 254 || seen.has(index)) fail(`Index ${index} is there twice, or too high.`);
    seen.add(index);
    const active = attributeOf(resource, "active");
    if (active !== "True" && active !== "False") fail(`Index ${index} is neither active nor not.`);
    if (active === "True") values.set(index, digestsOf(resource, scopeOf(resource, inside)));
  }
  return { product: attributeOf(meta, "product"), version: attributeOf(meta, "colloquialVersion"), values };
}

function digestsOf(resource: XmlElement, scope: Scope): Uint8Array[] {
  const count = Number(attributeOf(resource, "alternatives"));
  if (!Number.isInteger(count) || count < 1 || count > MOST_ALTERNATIVES) fail("A measurement has no alternatives.");
  const hashes = new Map(
    resource.attributes
      .filter(([name]) => localName(name).startsWith("Hash") && namespaceOf(name, scope, true) === SHA384)
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
