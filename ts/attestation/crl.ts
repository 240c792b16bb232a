import { equal, toHex } from "../commit/bytes.ts";
import { children, contentsOf, type Element, magnitude, only, small, TAG } from "./der.ts";
import { CertificateChainError, EvidenceEncodingError, ValidityError } from "./errors.ts";
import { verifyBy } from "./signature.ts";
import {
  type Algorithm,
  algorithmOf,
  commonName,
  extensionsOf,
  KEY_USAGE,
  signatureOf,
  timeOf,
  type X509,
} from "./x509.ts";

/** A certificate revocation list; times in seconds since 1970. */
export interface Crl {
  readonly tbs: Uint8Array;
  readonly algorithm: Algorithm;
  readonly signature: Uint8Array;
  /** Name, DER. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Serial numbers. */
  readonly revoked: ReadonlySet<bigint>;
}

/** A list that its issuer has signed. */
export interface VerifiedCrl extends Crl {
  /** The issuer's SubjectPublicKeyInfo: authorities that follow one another have one name. */
  readonly issuerKey: Uint8Array;
}

const SERIAL_BYTES = 20;
const fail = (reason: string): never => {
  throw new EvidenceEncodingError("revocation list", reason);
};

/**
 * Reads a list of version 2 of at most 64 KiB. Lists with critical extensions (deltas, parts of lists) are refused.
 *
 * @throws EvidenceEncodingError if the bytes are none.
 */
export function parseCrl(der: Uint8Array): Crl {
  const [tbs, algorithm, signature, ...rest] = children(only(der, TAG.sequence), TAG.sequence);
  const fields = children(tbs, TAG.sequence);
  const [version, inner, issuer, thisUpdate, nextUpdate] = fields.splice(0, 5);
  if (rest.length > 0 || small(version) !== 1) fail("Its version is not 2, or it goes on.");
  if (toHex(inner?.whole ?? new Uint8Array()) !== toHex(algorithm?.whole ?? new Uint8Array()))
    fail("It names two signature algorithms.");
  contentsOf(issuer, TAG.sequence);
  const entries = fields[0]?.tag === TAG.sequence ? children(fields.shift(), TAG.sequence) : [];
  if (fields[0]?.tag === 0xa0) extensionsOf(contentsOf(fields.shift(), 0xa0));
  if (fields.length > 0) fail("It has unknown fields.");
  const known = algorithmOf(algorithm);
  return {
    tbs: tbs!.whole,
    algorithm: known,
    signature: signatureOf(signature, known),
    issuer: issuer!.whole,
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: timeOf(nextUpdate),
    revoked: new Set(entries.map(serialOf)),
  };
}

/** Reasons and dates make no difference: a certificate on hold is not accepted either. */
function serialOf(entry: Element): bigint {
  const [serial, date, extensions, ...rest] = children(entry, TAG.sequence);
  timeOf(date);
  if (rest.length > 0) fail("An entry goes on.");
  if (extensions !== undefined) extensionsOf(extensions.whole);
  const bytes = magnitude(serial, SERIAL_BYTES);
  return bytes.length === 0 ? 0n : BigInt(toHex(bytes));
}

/**
 * Checks that the list is its issuer's, and of this time (seconds since 1970). The issuer's certificate is verified elsewhere.
 *
 * @throws CertificateChainError, ValidityError, SignatureInvalidError
 */
export function verifyCrl(list: Crl, issuer: X509, time: number): VerifiedCrl {
  const name = commonName(issuer.subject);
  if (!equal(list.issuer, issuer.subject) || list.algorithm !== issuer.keyKind)
    throw new CertificateChainError(`A revocation list is not of ${name}.`);
  if ((issuer.keyUsage & KEY_USAGE.revoke) === 0)
    throw new CertificateChainError(`${name} may not issue revocation lists.`);
  if (time < list.thisUpdate || time > list.nextUpdate)
    throw new ValidityError(`The revocation list of ${name}`, list.thisUpdate, list.nextUpdate, time);
  verifyBy(issuer, { message: list.tbs, signature: list.signature, what: `Revocation list of ${name}` });
  return { ...list, issuerKey: issuer.keyInfo };
}
