import { parseReport } from "./nvidia/report.ts";
import { p384Hints, statementOf } from "./p384-hints.ts";
import type { X509 } from "./x509.ts";

/**
 * Hints for a chain, leaf first: one for each certificate but the root, as `H100.verifyChain` takes them.
 *
 * @throws SignatureInvalidError if a certificate is not signed by the next one.
 */
export function chainHints(chain: readonly X509[]): Uint8Array[] {
  return chain.slice(1).map((issuer, k) => {
    const { tbs, signature } = chain[k]!;
    return p384Hints(statementOf(tbs, signature, issuer.key));
  });
}

/**
 * Hints for a report that the leaf's key signed, as `H100.verifyReport` takes them.
 *
 * @throws EvidenceEncodingError if the bytes are no report.
 * @throws SignatureInvalidError if the leaf's key did not sign them.
 */
export function reportHints(report: Uint8Array, leaf: X509): Uint8Array {
  const { signed, signature } = parseReport(report);
  return p384Hints(statementOf(signed, signature, leaf.key));
}
