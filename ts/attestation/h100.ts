import { toHex } from "../commit/bytes.ts";
import { type Certificate, pointOf, statementOf } from "./certificate.ts";
import { EvidenceEncodingError } from "./errors.ts";
import { p384Hints } from "./p384-hints.ts";

const SIGNATURE = 96;

/**
 * Hints for a chain, leaf first: one for each certificate but the root, as `H100.verifyChain` takes them.
 *
 * @throws SignatureInvalidError if a certificate is not signed by the next one.
 */
export function chainHints(chain: readonly Certificate[]): Uint8Array[] {
  return chain.slice(1).map((issuer, k) => {
    const { tbs, r, s } = chain[k]!;
    return p384Hints(statementOf(tbs, r, s, pointOf(issuer)));
  });
}

/**
 * Hints for a report that the leaf's key signed, as `H100.verifyReport` takes them.
 *
 * @throws EvidenceEncodingError if the bytes are too short for a report.
 * @throws SignatureInvalidError if the leaf's key did not sign them.
 */
export function reportHints(report: Uint8Array, leaf: Certificate): Uint8Array {
  const end = report.length - SIGNATURE;
  if (end <= 0) throw new EvidenceEncodingError("SPDM report", `It has ${report.length} bytes.`);
  const [r, s] = [report.subarray(end, end + 48), report.subarray(end + 48)].map((bytes) => BigInt(toHex(bytes)));
  return p384Hints(statementOf(report.subarray(0, end), r!, s!, pointOf(leaf)));
}
