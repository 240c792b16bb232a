import { createHash } from "node:crypto";
import { concat, fromHex } from "../../commit/bytes.ts";
import { statementOf } from "../certificate.ts";
import { encode, TAG } from "../der.ts";
import { G, mod, N, type Point, times } from "../p384.ts";
import { numberOf, signed } from "./p384.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const oid = (hex: string): Uint8Array => encode(TAG.oid, fromHex(`0x${hex}`));
const sequence = (...parts: readonly Uint8Array[]): Uint8Array => encode(TAG.sequence, ...parts);
const TRUE = encode(TAG.boolean, Uint8Array.of(0xff));
const ECDSA_SHA384 = sequence(oid("2a8648ce3d040303"));

/** A number of 48 bytes. */
export const bytes48 = (value: bigint): Uint8Array => fromHex(`0x${value.toString(16).padStart(96, "0")}`);

/** A positive integer, DER. */
export function integer(value: bigint): Uint8Array {
  const hex = value.toString(16);
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return encode(TAG.integer, fromHex(`0x${Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? "00" : ""}${even}`));
}

/** A private key that the name determines. */
export const secretOf = (name: string): bigint => mod(numberOf(`secret of ${name}`), N);

/** A P-384 key, DER. */
export function keyInfo({ x, y }: Point): Uint8Array {
  const point = concat([Uint8Array.of(0, 4), bytes48(x), bytes48(y)]);
  return sequence(sequence(oid("2a8648ce3d0201"), oid("2b81040022")), encode(TAG.bitString, point));
}

/** An extension, DER. */
export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(critical ? [TRUE] : []), encode(TAG.octetString, value));
}

/** What a test certificate says; everything not named is as in a valid one. */
export interface CertificateFields {
  readonly subject: string;
  readonly issuer: string;
  /** Extensions; by default those of an authority. */
  readonly extensions?: readonly Uint8Array[];
  /** The validity's two times, DER. */
  readonly validity?: readonly [Uint8Array, Uint8Array];
  readonly serial?: bigint;
  /** The subject's key, DER, if it is another than `secretOf` the subject's. */
  readonly key?: Uint8Array;
}

export const time = (value: string): Uint8Array =>
  encode(value.length === 13 ? TAG.utcTime : TAG.generalizedTime, text(value));
/** Basic constraints of an authority, and of one with a path length. */
export const authority = (pathLength?: number): Uint8Array =>
  extension("551d13", true, sequence(TRUE, ...(pathLength === undefined ? [] : [integer(BigInt(pathLength))])));
/** Key usage of one byte. */
export const usage = (bits: number): Uint8Array => {
  const unused = 31 - Math.clz32(bits & -bits);
  return extension("551d0f", true, encode(TAG.bitString, Uint8Array.of(unused, bits)));
};
export const SIGNS = 0x80;
export const CERTIFIES = 0x04;

/** A certificate of the subject's key (`secretOf`), signed by the issuer's. */
export function certificate(fields: CertificateFields): Uint8Array {
  const name = (value: string) =>
    sequence(encode(TAG.set, sequence(oid("550403"), encode(TAG.utf8String, text(value)))));
  const [from, to] = fields.validity ?? [time("201017000000Z"), time("99991231235959Z")];
  const tbs = sequence(
    encode(0xa0, integer(2n)),
    integer(fields.serial ?? numberOf(fields.subject) >> 230n),
    ECDSA_SHA384,
    name(fields.issuer),
    sequence(from, to),
    name(fields.subject),
    fields.key ?? keyInfo(times(secretOf(fields.subject), G)!),
    encode(0xa3, sequence(...(fields.extensions ?? [authority(), usage(CERTIFIES)]))),
  );
  const { r, s } = signedBytes(tbs, fields.issuer);
  return sequence(tbs, ECDSA_SHA384, encode(TAG.bitString, Uint8Array.of(0), sequence(integer(r), integer(s))));
}

/** The named key's signature of these bytes. */
export function signedBytes(message: Uint8Array, name: string): { r: bigint; s: bigint } {
  const { digest } = statementOf(message, 0n, 0n, G);
  const nonce = BigInt(`0x${createHash("sha384").update(name).update(message).digest("hex")}`) % N;
  return signed(secretOf(name), nonce, digest);
}
