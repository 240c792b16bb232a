import { constants, createPublicKey, type KeyObject, verify } from "node:crypto";
import { concat, fromHex } from "../commit/bytes.ts";
import { SignatureInvalidError } from "./errors.ts";
import type { Algorithm, X509 } from "./x509.ts";

/** SubjectPublicKeyInfo of both curves, up to the point's coordinates. */
const PREFIX = {
  "P-256": fromHex("0x3059301306072a8648ce3d020106082a8648ce3d03010703420004"),
  "P-384": fromHex("0x3076301006072a8648ce3d020106052b8104002203620004"),
} as const;
const SALT = 48;

/**
 * Checks r and s, big-endian in the curve's width, over the message's hash (SHA-256 for P-256, SHA-384 for P-384).
 *
 * @param key x and y.
 * @throws SignatureInvalidError if the signature does not verify, or the key is no point of the curve.
 */
export function verifyEcdsa(
  curve: "P-256" | "P-384",
  { message, signature, key, what }: { message: Uint8Array; signature: Uint8Array; key: Uint8Array; what: string },
): void {
  check(curve, message, signature, concat([PREFIX[curve], key]), what);
}

/** Checks that this certificate's key signed the message. @throws SignatureInvalidError if it did not */
export function verifyBy(
  { keyInfo, keyKind }: Pick<X509, "keyInfo" | "keyKind">,
  { message, signature, what }: { message: Uint8Array; signature: Uint8Array; what: string },
): void {
  check(keyKind, message, signature, keyInfo, what);
}

function check(kind: Algorithm, message: Uint8Array, signature: Uint8Array, keyInfo: Uint8Array, what: string): void {
  let key: KeyObject;
  let holds = false;
  try {
    key = createPublicKey({ key: Buffer.from(keyInfo), format: "der", type: "spki" });
    holds = verify(
      kind === "P-256" ? "sha256" : "sha384",
      message,
      kind === "RSA"
        ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: SALT }
        : { key, dsaEncoding: "ieee-p1363" },
      signature,
    );
  } catch {
    throw new SignatureInvalidError(`${what}: the key is none.`);
  }
  if (!holds) throw new SignatureInvalidError(`${what}.`);
}
