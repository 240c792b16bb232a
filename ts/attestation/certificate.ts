import { createHash } from "node:crypto";
import { toHex } from "../commit/bytes.ts";
import type { Point } from "./p384.ts";
import type { P384Statement } from "./p384-hints.ts";
import { parseCertificate, parsePem, type X509 } from "./x509.ts";

/** What a prover needs of a certificate. */
export interface Certificate {
  readonly der: Uint8Array;
  /** What the issuer signed. */
  readonly tbs: Uint8Array;
  /** The subject's key, x and y, 32 or 48 bytes each. */
  readonly key: Uint8Array;
  readonly r: bigint;
  readonly s: bigint;
}

const big = (bytes: Uint8Array): bigint => BigInt(toHex(bytes));

/**
 * Reads a certificate in DER.
 *
 * @throws EvidenceEncodingError if the bytes are none.
 */
export function readCertificate(der: Uint8Array): Certificate {
  return provable(parseCertificate(der));
}

/** The certificates in PEM blocks, in their order. @throws EvidenceEncodingError if the text is anything else */
export function readPem(pem: string): Certificate[] {
  return parsePem(pem).map(provable);
}

function provable({ der, tbs, key, signature }: X509): Certificate {
  const half = signature.length / 2;
  return { der, tbs, key, r: big(signature.subarray(0, half)), s: big(signature.subarray(half)) };
}

/** The P-384 key of a certificate as a point. */
export function pointOf(certificate: Certificate): Point {
  return { x: big(certificate.key.subarray(0, 48)), y: big(certificate.key.subarray(48)) };
}

/** What a P-384 key says of a message with the signature r and s. */
export function statementOf(message: Uint8Array, r: bigint, s: bigint, key: Point): P384Statement {
  return { digest: big(createHash("sha384").update(message).digest()), r, s, key };
}
