import { toHex } from "../commit/bytes.ts";
import { type Certificate, pointOf, statementOf } from "./certificate.ts";
import { parseReport } from "./nvidia/report.ts";
import { p384Hints } from "./p384-hints.ts";

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
 * @throws EvidenceEncodingError if the bytes are no report.
 * @throws SignatureInvalidError if the leaf's key did not sign them.
 */
export function reportHints(report: Uint8Array, leaf: Certificate): Uint8Array {
  const { signed, signature } = parseReport(report);
  const [r, s] = [signature.subarray(0, 48), signature.subarray(48)].map((bytes) => BigInt(toHex(bytes)));
  return p384Hints(statementOf(signed, r!, s!, pointOf(leaf)));
}
