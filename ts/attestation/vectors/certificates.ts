import { createHash } from "node:crypto";
import { concat, fromHex } from "../../commit/bytes.ts";
import { encode, TAG } from "../der.ts";
import { constraints, integer, keyInfo as keyInfoOf, oid, sequence, usage } from "../dev-root/x509.ts";
import { G, mod, N, type Point, times } from "../p384.ts";
import { numberOf, signed } from "./p384.ts";

export { extension, integer, usage } from "../dev-root/x509.ts";

const ECDSA_SHA384 = sequence(oid("2a8648ce3d040303"));
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
/** A number of 48 bytes. */
export const bytes48 = (value: bigint): Uint8Array => fromHex(`0x${value.toString(16).padStart(96, "0")}`);

/** A private key that the name determines. */
export const secretOf = (name: string): bigint => mod(numberOf(`secret of ${name}`), N);

/** A P-384 key, DER. */
export function keyInfo({ x, y }: Point): Uint8Array {
  return keyInfoOf({ curve: "P-384", publicKey: concat([bytes48(x), bytes48(y)]) });
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
export const authority = (pathLength?: number): Uint8Array => constraints(true, pathLength);
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
  const digest = BigInt(`0x${createHash("sha384").update(message).digest("hex")}`);
  const nonce = BigInt(`0x${createHash("sha384").update(name).update(message).digest("hex")}`) % N;
  return signed(secretOf(name), nonce, digest);
}
