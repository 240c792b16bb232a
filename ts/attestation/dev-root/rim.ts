import { createHash } from "node:crypto";
import { canonical, parseXml, scopeOf } from "../nvidia/xml.ts";
import { DevKey } from "./key.ts";
import { type Authority, certificate, constraints, pem, serialOf, USAGE, usage } from "./x509.ts";

/** As the development platform's: 1 January 2026 and 31 December 2049. */
const NOT_BEFORE = 1_767_225_600;
const NOT_AFTER = 2_524_607_999;
const DSIG = "http://www.w3.org/2000/09/xmldsig#";
const C14N = "http://www.w3.org/2006/12/xml-c14n11";
const BLOCKS = 64;

/** What a manifest says. */
export interface RimFields {
  /** Of driver or VBIOS, as in reports. */
  readonly version: string;
  readonly product?: string;
  /** Admissible digests in hex, 96 digits each, by index from 0 on; all others are not active. */
  readonly values: Readonly<Record<number, readonly string[]>>;
}

/** A development stand-in for the service that signs NVIDIA's reference manifests. */
export class DevRims {
  readonly #signer: DevKey;
  /** DER: signer, L3, product's CA, root. */
  readonly chain: readonly Uint8Array[];

  constructor(seed: Uint8Array) {
    const names = [
      "HCC RIM L4 Signer",
      "NVIDIA Reference Value L3 GH100",
      "NVIDIA Reference Value GH100 CA",
      "NVIDIA CoRIM signing Root CA",
    ];
    const authorities = names.map(
      (commonName): Authority => ({
        name: [
          ["CN", commonName],
          ["O", "OTR Development"],
        ],
        key: DevKey.derive(seed, "P-384", `rim/${commonName}`),
      }),
    );
    this.#signer = authorities[0]!.key;
    this.chain = authorities.map(({ name, key }, k) =>
      certificate({
        ...{ subject: name, key, issuer: authorities[Math.min(k + 1, names.length - 1)]! },
        ...{ serial: serialOf(seed, `rim/${names[k]}`), notBefore: NOT_BEFORE, notAfter: NOT_AFTER },
        extensions:
          k === 0 ? [constraints(false), usage(USAGE.sign)] : [constraints(true), usage(USAGE.certify | USAGE.revoke)],
      }),
    );
  }

  /** DER of the root to pin. */
  get root(): Uint8Array {
    return this.chain.at(-1)!;
  }

  /** A signed manifest in the form of NVIDIA's. */
  manifest({ version, product = "GH100", values }: RimFields): string {
    const resources = Array.from({ length: BLOCKS }, (_, index) => {
      const admissible = values[index] ?? ["0".repeat(96)];
      const hashes = admissible.map((value, k) => ` ns2:Hash${k}="${value}"`).join("");
      const active = index in values ? "True" : "False";
      return `<ns0:Resource type="Measurement" index="${index}" active="${active}" alternatives="${admissible.length}"${hashes} name="Measurement_${index}" size="48"/>`;
    });
    return this.sign(
      `<SoftwareIdentity xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" xmlns:ns0="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" ` +
        `xmlns:ns2="http://www.w3.org/2001/04/xmlenc#sha384" name="${product}" tagId="development" version="1.0" tagVersion="0">\n` +
        `<ns0:Meta colloquialVersion="${version}" edition="GPU" product="${product}" revision="r1"/>\n<ns0:Payload>${resources.join("\n")}</ns0:Payload>\n</SoftwareIdentity>`,
    );
  }

  /** Signs a document, of whatever contents: the signature becomes its last element. */
  sign(document: string): string {
    const end = document.lastIndexOf("</");
    const digest = base64(
      createHash("sha384")
        .update(canonical(parseXml(document)))
        .digest(),
    );
    const info =
      `<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="${C14N}"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"/>` +
      `<ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="${DSIG}enveloped-signature"/><ds:Transform Algorithm="${C14N}"/></ds:Transforms>` +
      `<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#sha384"/><ds:DigestValue>${digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>`;
    const outer = scopeOf(parseXml(document), new Map([["ds", DSIG]]));
    const signature = base64(this.#signer.sign(new TextEncoder().encode(canonical(parseXml(info), outer))));
    const certificates = this.chain.map(
      (der) => `<ds:X509Certificate>${pem(der).replace(/-----.*-----\n/g, "")}</ds:X509Certificate>`,
    );
    return (
      `${document.slice(0, end)}<ds:Signature xmlns:ds="${DSIG}">${info}<ds:SignatureValue>${signature}</ds:SignatureValue>` +
      `<ds:KeyInfo><ds:X509Data>${certificates.join("")}</ds:X509Data></ds:KeyInfo></ds:Signature>${document.slice(end)}\n`
    );
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
