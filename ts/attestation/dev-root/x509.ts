import { createHash } from "node:crypto";
import { concat, fromHex, toHex } from "../../commit/bytes.ts";
import { encode, TAG } from "../der.ts";
import { bytesOf } from "./bytes.ts";
import type { Curve, DevKey } from "./key.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => encode(TAG.sequence, ...parts);

/** An object identifier, from its contents in hex. */
export const oid = (hex: string): Uint8Array => encode(TAG.oid, fromHex(`0x${hex}`));
export const octets = (value: Uint8Array): Uint8Array => encode(TAG.octetString, value);
const TRUE = encode(TAG.boolean, Uint8Array.of(0xff));

/** AlgorithmIdentifier of signatures and of keys. */
const SIGNATURE: Readonly<Record<Curve, Uint8Array>> = {
  "P-256": sequence(oid("2a8648ce3d040302")),
  "P-384": sequence(oid("2a8648ce3d040303")),
};
const KEY: Readonly<Record<Curve, Uint8Array>> = {
  "P-256": sequence(oid("2a8648ce3d0201"), oid("2a8648ce3d030107")),
  "P-384": sequence(oid("2a8648ce3d0201"), oid("2b81040022")),
};

/** A number that is not negative, DER. */
export function integer(value: bigint | number): Uint8Array {
  const hex = value.toString(16);
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return encode(TAG.integer, fromHex(`0x${Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? "00" : ""}${even}`));
}

/** A time in seconds since 1970, DER: UTCTime until 2049 (RFC 5280). */
export function time(seconds: number): Uint8Array {
  const digits = new Date(1000 * seconds).toISOString().replace(/\.\d+Z$|[-:T]/g, "");
  return digits < "2050"
    ? encode(TAG.utcTime, text(`${digits.slice(2)}Z`))
    : encode(TAG.generalizedTime, text(`${digits}Z`));
}

/** A SubjectPublicKeyInfo, DER. */
export function keyInfo({ curve, publicKey }: Pick<DevKey, "curve" | "publicKey">): Uint8Array {
  return sequence(KEY[curve], encode(TAG.bitString, Uint8Array.of(0, 4), publicKey));
}

/** What names consist of, and the string type in which vendors write it. */
const NAME_PARTS = {
  CN: ["550403", TAG.utf8String],
  SERIALNUMBER: ["550405", TAG.printableString],
  C: ["550406", TAG.printableString],
  O: ["55040a", TAG.utf8String],
} as const;
/** A name's parts in their order. */
export type Name = readonly (readonly [keyof typeof NAME_PARTS, string])[];

export function name(parts: Name): Uint8Array {
  return sequence(
    ...parts.map(([part, value]) => {
      const [id, tag] = NAME_PARTS[part];
      return encode(TAG.set, sequence(oid(id), encode(tag, text(value))));
    }),
  );
}

/** An extension, DER, of the identifier's contents in hex. */
export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(critical ? [TRUE] : []), octets(value));
}

/** Basic constraints: of an authority, with or without a path length, or of none. */
export const constraints = (authority: boolean, pathLength?: number): Uint8Array =>
  extension(
    "551d13",
    true,
    sequence(...(authority ? [TRUE] : []), ...(pathLength === undefined ? [] : [integer(pathLength)])),
  );

/** Bits of the key usage's first byte. */
export const USAGE = { sign: 0x80, nonRepudiation: 0x40, certify: 0x04, revoke: 0x02 } as const;
export function usage(bits: number): Uint8Array {
  const unused = 31 - Math.clz32(bits & -bits);
  return extension("551d0f", true, encode(TAG.bitString, Uint8Array.of(unused, bits)));
}

/** SHA-1 of the key, as RFC 5280 (4.2.1.2) proposes it for identifiers. */
export const keyId = (key: Pick<DevKey, "publicKey">): Uint8Array =>
  new Uint8Array(createHash("sha1").update(Uint8Array.of(4)).update(key.publicKey).digest());
const subjectKeyId = (key: Pick<DevKey, "publicKey">) => extension("551d0e", false, octets(keyId(key)));
const authorityKeyId = (key: Pick<DevKey, "publicKey">) =>
  extension("551d23", false, sequence(encode(0x80, keyId(key))));

/** Where an authority publishes its list. */
export const distributionPoint = (url: string): Uint8Array =>
  extension("551d1f", false, sequence(sequence(encode(0xa0, encode(0xa0, encode(0x86, text(url)))))));

/** Who signs: a key and the name that goes with it. */
export interface Authority {
  readonly name: Name;
  readonly key: DevKey;
}

/** What a certificate says. Times in seconds since 1970. */
export interface CertificateFields {
  readonly subject: Name;
  readonly key: Pick<DevKey, "curve" | "publicKey">;
  readonly issuer: Authority;
  readonly serial: bigint;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Beside the identifiers of both keys. */
  readonly extensions: readonly Uint8Array[];
}

/** An X.509 certificate, version 3, DER. */
export function certificate(fields: CertificateFields): Uint8Array {
  const { issuer, subject, key, serial, notBefore, notAfter, extensions } = fields;
  return signedBy(
    issuer.key,
    sequence(
      encode(0xa0, integer(2)),
      integer(serial),
      SIGNATURE[issuer.key.curve],
      name(issuer.name),
      sequence(time(notBefore), time(notAfter)),
      name(subject),
      keyInfo(key),
      encode(0xa3, sequence(...extensions, subjectKeyId(key), authorityKeyId(issuer.key))),
    ),
  );
}

/** What a revocation list says. Times in seconds since 1970. */
export interface CrlFields {
  readonly issuer: Authority;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Serial numbers, all revoked at `thisUpdate`. */
  readonly revoked: readonly bigint[];
  readonly number?: number;
}

/** An X.509 certificate revocation list, version 2, DER. */
export function crl({ issuer, thisUpdate, nextUpdate, revoked, number = 1 }: CrlFields): Uint8Array {
  const reason = sequence(extension("551d15", false, encode(0x0a, Uint8Array.of(1))));
  const entries = revoked.map((serial) => sequence(integer(serial), time(thisUpdate), reason));
  return signedBy(
    issuer.key,
    sequence(
      integer(1),
      SIGNATURE[issuer.key.curve],
      name(issuer.name),
      time(thisUpdate),
      time(nextUpdate),
      ...(entries.length === 0 ? [] : [sequence(...entries)]),
      encode(0xa0, sequence(extension("551d14", false, integer(number)), authorityKeyId(issuer.key))),
    ),
  );
}

/** What is signed, algorithm, signature, and what follows it unsigned. */
export function signedBy(key: DevKey, tbs: Uint8Array, ...unsigned: readonly Uint8Array[]): Uint8Array {
  const signature = key.sign(tbs);
  const half = signature.length / 2;
  const number = (bytes: Uint8Array) => integer(BigInt(toHex(bytes)));
  const value = sequence(number(signature.subarray(0, half)), number(signature.subarray(half)));
  return sequence(tbs, SIGNATURE[key.curve], encode(TAG.bitString, Uint8Array.of(0), value), ...unsigned);
}

/** The PEM block of a certificate. */
export function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** A serial number of 19 bytes that seed and label determine. */
export function serialOf(seed: Uint8Array, label: string): bigint {
  const bytes = bytesOf(seed, `${label}/serial`, 19);
  // Never shorter: the length of certificates does not depend on the seed.
  return BigInt(toHex(concat([Uint8Array.of((bytes[0]! & 0x3f) | 0x40), bytes.subarray(1)])));
}
