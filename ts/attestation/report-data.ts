import { createHash } from "node:crypto";
import { concat, fromHex, type Hex } from "../commit/bytes.ts";

/** What a report for clients binds. */
export interface ReportBinding {
  readonly signingAddress: Hex;
  /** 32 bytes of the client's. */
  readonly nonce: Uint8Array;
  /** SHA-256 of the server's TLS key (SubjectPublicKeyInfo), if clients are to bind their connection. */
  readonly tlsFingerprint?: Uint8Array;
}

/**
 * Report data as verifiers of confidential inference expect it, 64 bytes: the signing address, padded on the right, and the nonce. With TLS the
 * first half is `SHA-256(address || fingerprint)`. It proves a key to one client; what registers a key on the chain is `reportData` of
 * gpu-evidence.ts.
 */
export function reportDataOf({ signingAddress, nonce, tlsFingerprint }: ReportBinding): Uint8Array {
  const address = fromHex(signingAddress);
  const first =
    tlsFingerprint === undefined
      ? concat([address, new Uint8Array(12)])
      : new Uint8Array(createHash("sha256").update(address).update(tlsFingerprint).digest());
  return concat([first, nonce]);
}
