import { toHex } from "../commit/bytes.ts";
import { bits, children, contentsOf, type Element, elements, magnitude, only, small, TAG, takeFlag } from "./der.ts";
import { EvidenceEncodingError } from "./errors.ts";

/** How certificates are signed here, and with which keys. */
export type Algorithm = "P-256" | "P-384" | "RSA";

/** An extension's value, without the octet string around it. */
export interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** A certificate; times in seconds since 1970. */
export interface X509 {
  readonly der: Uint8Array;
  /** What the issuer signed. */
  readonly tbs: Uint8Array;
  readonly serial: bigint;
  /** Names, DER. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Of the signature: ECDSA with the curve's hash, or RSA-PSS with SHA-384. */
  readonly algorithm: Algorithm;
  /** r and s in the curve's width, or RSA's number. */
  readonly signature: Uint8Array;
  readonly keyKind: Algorithm;
  /** SubjectPublicKeyInfo, DER. */
  readonly keyInfo: Uint8Array;
  /** x and y; empty of RSA. */
  readonly key: Uint8Array;
  readonly isAuthority: boolean;
  /** Most authorities below this one. */
  readonly pathLength: number;
  /** Bit 0 of the extension is the highest of 16; 0 without the extension. */
  readonly keyUsage: number;
  /** By the identifier's contents in hex. */
  readonly extensions: ReadonlyMap<string, Extension>;
}

export const KEY_USAGE = { sign: 0x8000, certify: 0x0400, revoke: 0x0200 } as const;

const ECDSA_SHA256 = "0x300a06082a8648ce3d040302";
const ECDSA_SHA384 = "0x300a06082a8648ce3d040303";
/** RSASSA-PSS with SHA-384 for message and mask, and 48 bytes of salt: the only form that AMD uses. */
const PSS_SHA384 =
  "0x304606092a864886f70d01010a3039a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130a303020101";
const KEYS: Readonly<Record<string, Algorithm>> = {
  "0x301306072a8648ce3d020106082a8648ce3d030107": "P-256",
  "0x301006072a8648ce3d020106052b81040022": "P-384",
  "0x300d06092a864886f70d0101010500": "RSA",
};
const SIZES: Readonly<Record<Algorithm, number>> = { "P-256": 32, "P-384": 48, RSA: 512 };
const BASIC_CONSTRAINTS = "551d13";
const USAGE = "551d0f";
const NO_LIMIT = 255;
const MOST_EXTENSIONS = 16;
/** RFC 5280 allows 20 bytes. */
const SERIAL_BYTES = 20;
const MOST_CERTIFICATES = 8;

const fail = (reason: string): never => {
  throw new EvidenceEncodingError("certificate", reason);
};

/**
 * Reads a certificate as strictly as `src/attestation/X509.sol` does, but for times: version 3, one algorithm inside and outside, each extension once, no
 * unknown critical one. RSA is read too, for AMD's authorities.
 *
 * @param known Identifiers of further extensions that may be critical: the caller reads them.
 * @throws EvidenceEncodingError if the bytes are no such certificate.
 */
export function parseCertificate(der: Uint8Array, known: readonly string[] = []): X509 {
  const [tbs, algorithm, signature, ...rest] = children(only(der, TAG.sequence), TAG.sequence);
  if (rest.length > 0) fail("It goes on behind the signature.");
  const fields = children(tbs, TAG.sequence);
  const [version, serial, innerAlgorithm, issuer, validity, subject, keyInfo, extensions, ...more] = fields;
  if (more.length > 0 || (extensions !== undefined && extensions.tag !== 0xa3)) fail("It has unknown fields.");
  if (small(only(contentsOf(version, 0xa0), TAG.integer)) !== 2) fail("Its version is not 3.");
  if (toHex(innerAlgorithm?.whole ?? new Uint8Array()) !== toHex(algorithm?.whole ?? new Uint8Array()))
    fail("It names two signature algorithms.");
  contentsOf(issuer, TAG.sequence);
  contentsOf(subject, TAG.sequence);
  const [notBefore, notAfter, ...times] = children(validity, TAG.sequence);
  if (times.length > 0) fail("Its validity has more than two times.");
  const key = keyOf(keyInfo);
  const signedWith = algorithmOf(algorithm);
  const map =
    extensions === undefined
      ? new Map<string, Extension>()
      : extensionsOf(contentsOf(extensions, 0xa3), [BASIC_CONSTRAINTS, USAGE, ...known]);
  return {
    der,
    tbs: tbs!.whole,
    serial: big(magnitude(serial, SERIAL_BYTES)),
    issuer: issuer!.whole,
    subject: subject!.whole,
    notBefore: timeOf(notBefore),
    notAfter: timeOf(notAfter),
    algorithm: signedWith,
    signature: signatureOf(signature, signedWith),
    ...key,
    ...constraintsOf(map.get(BASIC_CONSTRAINTS)),
    keyUsage: usageOf(map.get(USAGE)),
    extensions: map,
  };
}

/**
 * The certificates in PEM blocks, in their order; NUL bytes may follow, as in quotes.
 *
 * @throws EvidenceEncodingError if the text is anything else, or more than 8 certificates.
 */
export function parsePem(text: string): X509[] {
  // Not by a pattern: it would look for the end from each of many NULs.
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0) end--;
  const blocks = text.slice(0, end).trim().split("-----END CERTIFICATE-----");
  const last = blocks.pop();
  if (last !== "" || blocks.length > MOST_CERTIFICATES || blocks.length === 0)
    throw new EvidenceEncodingError("PEM", `It holds ${blocks.length} whole certificates, and more.`);
  return blocks.map((block) => {
    const head = "-----BEGIN CERTIFICATE-----";
    const trimmed = block.trimStart();
    const base64 = trimmed.slice(head.length).replace(/\s/g, "");
    const der = Buffer.from(base64, "base64");
    // Node skips what is no base64.
    if (!trimmed.startsWith(head) || der.toString("base64") !== base64)
      throw new EvidenceEncodingError("PEM", "A block is no base64 of a certificate.");
    return parseCertificate(new Uint8Array(der));
  });
}

/** A name's common name, for people; "?" without one. */
export function commonName(name: Uint8Array): string {
  try {
    for (const set of children(only(name, TAG.sequence), TAG.sequence))
      for (const part of children(set, TAG.set)) {
        const [id, value] = children(part, TAG.sequence);
        if (id !== undefined && toHex(id.contents) === "0x550403" && value !== undefined)
          return new TextDecoder().decode(value.contents).replace(/[^\x20-\x7e]/g, "?");
      }
  } catch {
    // Names are compared whole; nobody depends on what is inside.
  }
  return "?";
}

/**
 * Seconds since 1970 of a UTCTime or GeneralizedTime with seconds. RFC 5280 wants the former until 2049, but authorities of NVIDIA's reference
 * manifests have the latter: it says the same.
 */
export function timeOf(element: Element | undefined): number {
  const text = new TextDecoder("latin1").decode(element?.contents ?? new Uint8Array());
  const utc = element?.tag === TAG.utcTime;
  const match = (utc ? /^(\d{2})(\d{10})Z$/ : /^(\d{4})(\d{10})Z$/).exec(text);
  if (match === null || (!utc && element?.tag !== TAG.generalizedTime)) return fail("A time is none.");
  const short = Number(match[1]);
  const year = utc ? short + (short < 50 ? 2000 : 1900) : short;
  const [month, day, hour, minute, second] = match[2]!.match(/\d{2}/g)!.map(Number);
  const date = new Date(Date.UTC(year, month! - 1, day, hour, minute, second));
  // `Date` carries over what no calendar has.
  const same = date.getUTCMonth() === month! - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  if (year < 1970 || !same || minute! > 59 || second! > 59) return fail("A time is no date.");
  return date.getTime() / 1000;
}

/** The algorithm of a signature's AlgorithmIdentifier. */
export function algorithmOf(element: Element | undefined): Algorithm {
  const id = toHex(element?.whole ?? new Uint8Array());
  if (id === ECDSA_SHA256) return "P-256";
  if (id === ECDSA_SHA384) return "P-384";
  return id === PSS_SHA384 ? "RSA" : fail("It is signed with another algorithm than is known here.");
}

/** A signature in the algorithm's width. */
export function signatureOf(element: Element | undefined, algorithm: Algorithm): Uint8Array {
  const { bytes, unused } = bits(element);
  const size = SIZES[algorithm];
  if (unused !== 0) fail("Its signature is no whole number of bytes.");
  if (algorithm === "RSA") return bytes.length === size ? bytes : fail("Its signature is not RSA-4096's.");
  const [r, s, ...rest] = children(only(bytes, TAG.sequence), TAG.sequence);
  if (rest.length > 0) fail("Its signature has more than two numbers.");
  const out = new Uint8Array(2 * size);
  const [first, second] = [magnitude(r, size), magnitude(s, size)];
  out.set(first, size - first.length);
  out.set(second, 2 * size - second.length);
  return out;
}

/** Extensions by identifier: each once, and no unknown critical one. */
export function extensionsOf(contents: Uint8Array, known: readonly string[] = [BASIC_CONSTRAINTS, USAGE]) {
  const out = new Map<string, Extension>();
  for (const element of children(only(contents, TAG.sequence), TAG.sequence)) {
    const [id, ...rest] = children(element, TAG.sequence);
    const name = toHex(contentsOf(id, TAG.oid)).slice(2);
    const critical = takeFlag(rest);
    const value = contentsOf(rest.shift(), TAG.octetString);
    if (rest.length > 0 || out.has(name) || out.size === MOST_EXTENSIONS)
      fail(`Extension ${name} is there twice, is none, or is one too many.`);
    if (critical && !known.includes(name)) fail(`Critical extension ${name} is not known here.`);
    out.set(name, { critical, value });
  }
  return out;
}

function keyOf(element: Element | undefined): Pick<X509, "keyInfo" | "keyKind" | "key"> {
  const [algorithm, key, ...rest] = children(element, TAG.sequence);
  const kind = KEYS[toHex(algorithm?.whole ?? new Uint8Array())];
  if (kind === undefined || rest.length > 0) return fail("Its key is of no known kind.");
  const { bytes, unused } = bits(key);
  const keyInfo = element!.whole;
  if (kind === "RSA") return { keyInfo, keyKind: kind, key: new Uint8Array() };
  if (unused !== 0 || bytes.length !== 1 + 2 * SIZES[kind] || bytes[0] !== 4) fail("Its key is no uncompressed point.");
  return { keyInfo, keyKind: kind, key: bytes.subarray(1) };
}

function constraintsOf(extension: Extension | undefined): Pick<X509, "isAuthority" | "pathLength"> {
  if (extension === undefined) return { isAuthority: false, pathLength: NO_LIMIT };
  const list = elements(contentsOf(only(extension.value, TAG.sequence), TAG.sequence));
  const isAuthority = takeFlag(list);
  const pathLength = list.length === 0 ? NO_LIMIT : Math.min(NO_LIMIT, small(list.shift()));
  if (list.length > 0) fail("Its basic constraints go on.");
  return { isAuthority, pathLength };
}

function usageOf(extension: Extension | undefined): number {
  if (extension === undefined) return 0;
  const { bytes } = bits(only(extension.value, TAG.bitString));
  if (bytes.length < 1 || bytes.length > 2) fail("Its key usage is none.");
  return bytes[0]! * 256 + (bytes[1] ?? 0);
}

const big = (bytes: Uint8Array): bigint => (bytes.length === 0 ? 0n : BigInt(toHex(bytes)));
