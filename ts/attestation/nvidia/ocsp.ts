import { createHash } from "node:crypto";
import { concat, equal, type Hex, toHex } from "../../commit/bytes.ts";
import { children, contentsOf, type Element, elements, encode, magnitude, only, TAG } from "../der.ts";
import { CertificateChainError, EvidenceEncodingError, OcspError, ValidityError } from "../errors.ts";
import { cacheSteps } from "../gpu-evidence.ts";
import { p384Hints, statementOf } from "../p384-hints.ts";
import { verifyBy } from "../signature.ts";
import {
  algorithmOf,
  commonName,
  extensionsOf,
  KEY_USAGE,
  parseCertificate,
  signatureOf,
  timeOf,
  type X509,
} from "../x509.ts";

/** What a responder says of one certificate (RFC 6960); times in seconds since 1970. */
export interface OcspAnswer {
  /** What is signed. */
  readonly tbs: Uint8Array;
  /** r and s, 48 bytes each. */
  readonly signature: Uint8Array;
  /** Name, DER; undefined if a key's hash names the responder. */
  readonly responder: Uint8Array | undefined;
  /** SHA-384 of the issuer's name and of its key. */
  readonly nameHash: Uint8Array;
  readonly keyHash: Uint8Array;
  readonly serial: bigint;
  readonly status: "good" | "revoked" | "unknown";
  readonly producedAt: number;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Value of that extension, as the asker chose it; undefined if the answer names none, as one that was made beforehand. */
  readonly nonce: Uint8Array | undefined;
  /** Those that come along, DER; the first is the responder's. Nobody has signed that they do. */
  readonly certificates: readonly Uint8Array[];
}

/** What `NvidiaOcsp.revoke` takes. */
export interface OcspRevocation {
  readonly response: Hex;
  readonly issuer: Hex;
  readonly issuerName: Hex;
  readonly hints: Hex;
  readonly responderHints: Hex;
}

const BASIC = "2b0601050507300101";
/** AlgorithmIdentifier of SHA-384, DER; answers may leave out its parameters. */
export const SHA384: Hex = "0x300d06096086480165030402020500";
const SHA384_BARE: Hex = "0x300b0609608648016503040202";
const PURPOSES = "551d25";
/** Value of the extension that carries a nonce: an octet string in DER. */
export const NONCE = "2b0601050507300102";
const OCSP_SIGNING = "0x2b06010505070309";
const SERIAL_BYTES = 20;
const HASH = 48;
const KEY_ID = 20;

const fail = (reason: string): never => {
  throw new EvidenceEncodingError("OCSP response", reason);
};

/**
 * The BasicOCSPResponse in what a responder sends.
 *
 * @throws EvidenceEncodingError if it is none
 * @throws OcspError if the responder has refused to answer
 */
export function basicResponse(der: Uint8Array): Uint8Array {
  const [status, bytes, ...rest] = children(only(der, TAG.sequence), TAG.sequence);
  const code = contentsOf(status, TAG.enumerated);
  if (code.length !== 1 || rest.length > 0) fail("Its status is none, or it goes on.");
  if (code[0] !== 0) throw new OcspError(`The responder refuses to answer, with status ${code[0]}.`);
  const [type, value, ...more] = children(only(contentsOf(bytes, 0xa0), TAG.sequence), TAG.sequence);
  if (toHex(contentsOf(type, TAG.oid)) !== `0x${BASIC}` || more.length > 0) fail("It is of another type.");
  return contentsOf(value, TAG.octetString);
}

/** Reads a BasicOCSPResponse as strictly as `src/attestation/Ocsp.sol` does. @throws EvidenceEncodingError if it is none */
export function parseOcsp(der: Uint8Array): OcspAnswer {
  const [tbs, algorithm, signature, certificates, ...rest] = children(only(der, TAG.sequence), TAG.sequence);
  if (rest.length > 0 || algorithmOf(algorithm) !== "P-384") fail("It is not signed with P-384, or goes on.");
  const [responder, producedAt, answers, extensions, ...more] = children(tbs, TAG.sequence);
  if (more.length > 0) fail("What is signed goes on.");
  const [answer, ...others] = children(answers, TAG.sequence);
  if (others.length > 0) fail("It has more than one answer.");
  const along =
    certificates === undefined ? [] : children(only(contentsOf(certificates, 0xa0), TAG.sequence), TAG.sequence);
  if (certificates !== undefined && along.length === 0) fail("Its list of certificates is empty.");
  for (const one of along) contentsOf(one, TAG.sequence);
  const named = refuseCritical(extensions);
  return {
    tbs: tbs!.whole,
    signature: signatureOf(signature, "P-384"),
    responder: responderOf(responder),
    producedAt: generalizedTime(producedAt),
    ...single(answer),
    nonce: named?.get(NONCE)?.value,
    certificates: along.map(({ whole }) => whole),
  };
}

function single(element: Element | undefined) {
  const [identifier, status, thisUpdate, nextUpdate, extensions, ...rest] = children(element, TAG.sequence);
  const [hash, nameHash, keyHash, serial, ...more] = children(identifier, TAG.sequence);
  if (![SHA384, SHA384_BARE].includes(toHex(hash?.whole ?? new Uint8Array())) || more.length > 0)
    fail("It is not by SHA-384.");
  if (rest.length > 0) fail("Its answer goes on.");
  refuseCritical(extensions);
  const number = magnitude(serial, SERIAL_BYTES);
  return {
    nameHash: hashOf(nameHash),
    keyHash: hashOf(keyHash),
    serial: number.length === 0 ? 0n : BigInt(toHex(number)),
    status: statusOf(status),
    thisUpdate: generalizedTime(thisUpdate),
    nextUpdate: generalizedTime(only(contentsOf(nextUpdate, 0xa0), TAG.generalizedTime)),
  };
}

/** Reasons make no difference: a certificate on hold is not accepted either. */
function statusOf(element: Element | undefined): OcspAnswer["status"] {
  if (element?.tag === 0xa1) {
    const [time, reason, ...rest] = elements(element.contents);
    generalizedTime(time);
    if (rest.length > 0) fail("Its status goes on.");
    if (reason !== undefined && contentsOf(only(contentsOf(reason, 0xa0), TAG.enumerated), TAG.enumerated).length !== 1)
      fail("The reason is not one byte.");
    return "revoked";
  }
  if ((element?.tag !== 0x80 && element?.tag !== 0x82) || element.contents.length > 0)
    return fail("Its status is none.");
  return element.tag === 0x80 ? "good" : "unknown";
}

function responderOf(element: Element | undefined): Uint8Array | undefined {
  if (element?.tag === 0xa1) return only(element.contents, TAG.sequence).whole;
  const id = only(contentsOf(element, 0xa2), TAG.octetString);
  return id.contents.length === KEY_ID ? undefined : fail("Its responder is none.");
}

function refuseCritical(element: Element | undefined) {
  return element === undefined ? undefined : extensionsOf(contentsOf(element, 0xa1), []);
}

function hashOf(element: Element | undefined): Uint8Array {
  const hash = contentsOf(element, TAG.octetString);
  return hash.length === HASH ? hash : fail(`A hash has ${hash.length} bytes.`);
}

function generalizedTime(element: Element | undefined): number {
  contentsOf(element, TAG.generalizedTime);
  return timeOf(element);
}

/**
 * Verifies that this issuer, or whom it has delegated to answer, says so at this time (seconds since 1970).
 *
 * @returns the responder: its own certificate, or the issuer's
 * @throws CertificateChainError, ValidityError, SignatureInvalidError
 */
export function verifyOcsp(answer: OcspAnswer, issuer: X509, time: number): X509 {
  if (!isIssuer(answer, issuer)) throw new CertificateChainError("The answer is about another issuer's certificate.");
  const { producedAt, thisUpdate, nextUpdate, tbs: message, signature } = answer;
  const from = Math.max(thisUpdate, producedAt);
  if (time < from || time > nextUpdate) throw new ValidityError("The answer", from, nextUpdate, time);
  const [own] = answer.certificates;
  const responder = own === undefined ? issuer : delegate(own, issuer, time);
  if (answer.responder !== undefined && !equal(answer.responder, responder.subject))
    throw new CertificateChainError(`The answer is not of ${commonName(responder.subject)}.`);
  verifyBy(responder, { message, signature, what: `Answer of ${commonName(responder.subject)}` });
  return responder;
}

/** Whether the answer is about a certificate of this issuer's. */
function isIssuer({ nameHash, keyHash }: OcspAnswer, issuer: X509): boolean {
  const own = issuerHashes(issuer);
  return equal(nameHash, own.nameHash) && equal(keyHash, own.keyHash);
}

function delegate(der: Uint8Array, issuer: X509, time: number): X509 {
  const responder = parseCertificate(der, [PURPOSES]);
  const name = commonName(responder.subject);
  const purposes = responder.extensions.get(PURPOSES);
  const named = purposes === undefined ? [] : children(only(purposes.value, TAG.sequence), TAG.sequence);
  const answers = named.map((element) => toHex(contentsOf(element, TAG.oid))).includes(OCSP_SIGNING);
  // INVARIANT: no other certificate of the issuer answers for it: not a GPU's, say.
  if (!answers || responder.isAuthority || (responder.keyUsage & KEY_USAGE.sign) === 0)
    throw new CertificateChainError(`${name} may not answer for its issuer.`);
  if (!equal(responder.issuer, issuer.subject) || responder.algorithm !== "P-384" || responder.keyKind !== "P-384")
    throw new CertificateChainError(`${name} is of another issuer or curve.`);
  const { notBefore, notAfter, tbs: message, signature } = responder;
  if (time < notBefore || time > notAfter) throw new ValidityError(`Certificate ${name}`, notBefore, notAfter, time);
  verifyBy(issuer, { message, signature, what: `Certificate ${name} by ${commonName(issuer.subject)}` });
  return responder;
}

/**
 * The call of `NvidiaOcsp.revoke` that a responder's answer allows, for a certificate of this chain.
 *
 * @param der What the responder sent: an OCSPResponse.
 * @param chain DER, leaf first, root last; which of them the answer is about, the answer says.
 * @param time Seconds since 1970: of the chain on which it is submitted.
 * @throws OcspError if the answer is about none of them, or does not say that it is revoked
 */
export function ocspRevocation(der: Uint8Array, chain: readonly Uint8Array[], time: number): OcspRevocation {
  const basic = basicResponse(der);
  const answer = parseOcsp(basic);
  const certificates = chain.map((one) => parseCertificate(one));
  const place = placeOf(answer, certificates);
  const number = answer.serial.toString(16);
  if (answer.status !== "revoked") throw new OcspError(`It says that certificate ${number} is ${answer.status}.`);
  verifyOcsp(answer, certificates[place + 1]!, time);
  return revocationCall(basic, chain, place);
}

/** Which certificate of a chain (leaf first, root last) the answer is about. @throws OcspError if it is about none */
export function placeOf(answer: OcspAnswer, chain: readonly X509[]): number {
  const place = chain.findIndex(({ serial }, k) => {
    const above = chain[k + 1];
    return above !== undefined && serial === answer.serial && isIssuer(answer, above);
  });
  if (place < 0) throw new OcspError("It is about no certificate of this chain.");
  return place;
}

/** The call for an answer about the certificate at this place, with whatever it says. */
export function revocationCall(basic: Uint8Array, chain: readonly Uint8Array[], place: number): OcspRevocation {
  const answer = parseOcsp(basic);
  const issuer = parseCertificate(chain[place + 1]!);
  const [own] = answer.certificates;
  const responder = own === undefined ? issuer : parseCertificate(own, [PURPOSES]);
  const steps = cacheSteps(chain.map((one) => parseCertificate(one)));
  return {
    response: toHex(withoutFurther(basic, own)),
    issuer: steps[chain.length - 2 - place]!.id,
    issuerName: toHex(issuer.subject),
    hints: toHex(hintsOf(answer, responder.key)),
    responderHints: own === undefined ? "0x" : toHex(hintsOf(responder, issuer.key)),
  };
}

function hintsOf({ tbs, signature }: Pick<OcspAnswer, "tbs" | "signature">, key: Uint8Array): Uint8Array {
  return p384Hints(statementOf(tbs, signature, key));
}

/** The response with the responder's certificate only: the contract knows the rest. */
function withoutFurther(basic: Uint8Array, own: Uint8Array | undefined): Uint8Array {
  if (own === undefined) return basic;
  const signed = children(only(basic, TAG.sequence), TAG.sequence).slice(0, 3);
  return encode(TAG.sequence, ...signed.map(({ whole }) => whole), encode(0xa0, encode(TAG.sequence, own)));
}

/** The issuer of a certificate, as OCSP names it: SHA-384 of its name and of its key. */
export function issuerHashes({ subject, key }: X509): Pick<OcspAnswer, "nameHash" | "keyHash"> {
  return { nameHash: sha384(subject), keyHash: sha384(concat([Uint8Array.of(4), key])) };
}

const sha384 = (data: Uint8Array): Uint8Array => new Uint8Array(createHash("sha384").update(data).digest());
