import { createHash } from "node:crypto";
import { equal, type Hex, toHex } from "../commit/bytes.ts";
import type { VerifiedCrl } from "./crl.ts";
import { CertificateChainError, RevokedError, RootMismatchError, ValidityError } from "./errors.ts";
import { verifyBy } from "./signature.ts";
import { type Algorithm, commonName, KEY_USAGE, type X509 } from "./x509.ts";

/** How a chain is verified. */
export interface ChainOptions {
  /** SHA-256 of the pinned root, DER. */
  readonly root: Hex;
  /** Seconds since 1970 at which all certificates have to be valid. */
  readonly time: number;
  /** What all keys but the leaf's are. */
  readonly algorithm: Algorithm;
  /** Certificates in the chain, its root included. */
  readonly length: number;
  /** Revocation lists, verified; with `everyList` each certificate's issuer must have one among them. */
  readonly lists?: readonly VerifiedCrl[];
  readonly everyList?: boolean;
}

/** SHA-256 of a certificate: its name among pinned roots. */
export function fingerprint(der: Uint8Array): Hex {
  return toHex(createHash("sha256").update(der).digest());
}

/**
 * Verifies a chain, leaf first and root last.
 *
 * @throws CertificateChainError, RootMismatchError, ValidityError, RevokedError, SignatureInvalidError
 */
export function verifyChain(chain: readonly X509[], options: ChainOptions): X509 {
  const { root, time, algorithm, length } = options;
  if (chain.length !== length) throw new CertificateChainError(`It has ${chain.length} certificates, not ${length}.`);
  const got = fingerprint(chain.at(-1)!.der);
  if (got !== root) throw new RootMismatchError(root, got);
  for (let k = chain.length - 1; k >= 0; k--) {
    const certificate = chain[k]!;
    const { notBefore, notAfter, subject } = certificate;
    if (time < notBefore || time > notAfter)
      throw new ValidityError(`Certificate ${commonName(subject)}`, notBefore, notAfter, time);
    // The root's own signature says nothing that its fingerprint does not.
    if (k < chain.length - 1) checkIssued(certificate, chain[k + 1]!, k, algorithm);
    if (k < chain.length - 1) checkRevocation(certificate, chain[k + 1]!, options);
  }
  return chain[0]!;
}

function checkIssued(certificate: X509, issuer: X509, below: number, algorithm: Algorithm): void {
  const name = commonName(certificate.subject);
  if (!equal(certificate.issuer, issuer.subject))
    throw new CertificateChainError(`${name} names another issuer than ${commonName(issuer.subject)}.`);
  // INVARIANT: only authorities sign certificates (else any leaf could issue others).
  if (!issuer.isAuthority || (issuer.keyUsage & KEY_USAGE.certify) === 0 || issuer.pathLength < below)
    throw new CertificateChainError(`${commonName(issuer.subject)} may not have issued ${name}.`);
  if (certificate.algorithm !== algorithm || issuer.keyKind !== algorithm)
    throw new CertificateChainError(`${name} is not signed with ${algorithm}.`);
  const { tbs: message, signature } = certificate;
  verifyBy(issuer, { message, signature, what: `Certificate ${name} by ${commonName(issuer.subject)}` });
}

function checkRevocation(certificate: X509, issuer: X509, { lists = [], everyList = false }: ChainOptions): void {
  // INVARIANT: the list is of the key that signed, not of another authority of that name, which knows nothing of this certificate.
  const list = lists.find((one) => equal(one.issuer, certificate.issuer) && equal(one.issuerKey, issuer.keyInfo));
  const name = commonName(certificate.subject);
  if (list === undefined) {
    if (everyList) throw new CertificateChainError(`There is no revocation list for ${name}.`);
    return;
  }
  if (list.revoked.has(certificate.serial)) throw new RevokedError(name, certificate.serial);
}
