import { createHash } from "node:crypto";
import { toHex } from "../commit/bytes.ts";
import { type Element, elements, TAG } from "./der.ts";
import { EvidenceEncodingError } from "./errors.ts";
import type { Point } from "./p384.ts";
import type { P384Statement } from "./p384-hints.ts";

/** What a prover needs of a certificate; `src/attestation/X509.sol` checks the rest. */
export interface Certificate {
  readonly der: Uint8Array;
  /** What the issuer signed. */
  readonly tbs: Uint8Array;
  /** The subject's key, x and y, 32 or 48 bytes each. */
  readonly key: Uint8Array;
  readonly r: bigint;
  readonly s: bigint;
}

const big = (bytes: Uint8Array): bigint => (bytes.length === 0 ? 0n : BigInt(toHex(bytes)));

function children(element: Element | undefined, tag: number): Element[] {
  if (element?.tag !== tag)
    throw new EvidenceEncodingError("certificate", `An element has tag ${element?.tag}, not ${tag}.`);
  return elements(element.contents);
}

/**
 * Reads a certificate in DER.
 *
 * @throws EvidenceEncodingError if the bytes are none.
 */
export function readCertificate(der: Uint8Array): Certificate {
  const [tbs, , signature] = children(elements(der)[0], TAG.sequence);
  const key = children(children(tbs, TAG.sequence)[6], TAG.sequence)[1];
  if (signature?.tag !== TAG.bitString || key?.tag !== TAG.bitString)
    throw new EvidenceEncodingError("certificate", "Signature or key is no bit string.");
  const [r, s] = children(elements(signature.contents.subarray(1))[0], TAG.sequence);
  return { der, tbs: tbs!.whole, key: key.contents.subarray(2), r: big(r!.contents), s: big(s!.contents) };
}

/** The certificates in PEM blocks, in their order. */
export function readPem(pem: string): Certificate[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g)].map((match) =>
    readCertificate(new Uint8Array(Buffer.from(match[1]!, "base64"))),
  );
}

/** The P-384 key of a certificate as a point. */
export function pointOf(certificate: Certificate): Point {
  return { x: big(certificate.key.subarray(0, 48)), y: big(certificate.key.subarray(48)) };
}

/** What a P-384 key says of a message with the signature r and s. */
export function statementOf(message: Uint8Array, r: bigint, s: bigint, key: Point): P384Statement {
  return { digest: big(createHash("sha384").update(message).digest()), r, s, key };
}
