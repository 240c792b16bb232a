import { keccak256 } from "viem";
import { fromHex, toHex } from "../../commit/bytes.ts";
import { encode, TAG } from "../der.ts";
import { DevNvidia } from "../dev-root/index.ts";
import type { DevOcspAnswer } from "../dev-root/ocsp.ts";
import { extension, sequence, USAGE } from "../dev-root/x509.ts";
import { chainHints } from "../h100.ts";
import { basicResponse, type OcspRevocation, revocationCall } from "../nvidia/ocsp.ts";
import { parseCertificate } from "../x509.ts";

/** When the answers are good, in seconds since 1970, and for how long. */
export const OCSP_TIME = 1_790_000_000;
export const OCSP_DAY = 86_400;
const SHA256 = sequence(encode(TAG.oid, fromHex("0x608648016503040201")), encode(0x05));
const SHA384_BARE = sequence(encode(TAG.oid, fromHex("0x608648016503040202")));

export const ocspGpu = new DevNvidia(new TextEncoder().encode("ocsp")).gpu(0);
const REVOKED: DevOcspAnswer = { status: "revoked", thisUpdate: OCSP_TIME, nextUpdate: OCSP_TIME + OCSP_DAY };

/** Answers by name: about which certificate of the chain (1: the boot ROM's; all without hints are about it), and what is not as in a good one. */
export const OCSP_ANSWERS: Readonly<Record<string, readonly [place: number, answer: DevOcspAnswer]>> = {
  delegated: [1, { ...REVOKED, reason: 1, nonce: new Uint8Array(32).fill(7) }],
  identity: [3, { ...REVOKED, byKey: true }],
  byIssuer: [1, { ...REVOKED, byIssuer: true }],
  byIssuersKey: [1, { ...REVOKED, byIssuer: true, byKey: true }],
  onHold: [1, { ...REVOKED, reason: 6 }],
  bare: [1, { ...REVOKED, hash: SHA384_BARE }],
  purposesNotCritical: [1, { ...REVOKED, criticalPurposes: false }],
  newer: [1, { ...REVOKED, thisUpdate: OCSP_TIME + 1 }],
  later: [1, { ...REVOKED, producedAt: OCSP_TIME + 1 }],
  good: [1, { ...REVOKED, status: "good" }],
  unknown: [1, { ...REVOKED, status: "unknown" }],
  notAResponder: [1, { ...REVOKED, purposes: ["2b06010505070301"] }],
  withoutPurposes: [1, { ...REVOKED, purposes: [] }],
  authority: [1, { ...REVOKED, isAuthority: true }],
  notSigning: [1, { ...REVOKED, keyUsage: USAGE.certify }],
  expiredResponder: [1, { ...REVOKED, notAfter: OCSP_TIME - 1 }],
  withoutNextUpdate: [1, { ...REVOKED, nextUpdate: undefined }],
  sha256: [1, { ...REVOKED, hash: SHA256 }],
  twoAnswers: [1, { ...REVOKED, singles: 2 }],
  noAnswer: [1, { ...REVOKED, singles: 0 }],
  criticalExtension: [1, { ...REVOKED, extensions: sequence(extension("2a03", true, Uint8Array.of(5, 0))) }],
};
/** Hints are long: only these have theirs, and all of them on a chain in `ts/attestation/ocsp.chain.test.ts`. */
const HINTED = ["delegated", "identity", "byIssuer", "newer"];

/** What `test/vectors/attestation/ocsp.json` holds: a chain with hints, and calls of `NvidiaOcsp.revoke`. */
export function ocspVectors(): unknown {
  const { chain } = ocspGpu;
  const good = revocationCall(basicResponse(ocspGpu.ocsp(1, REVOKED)), chain, 1);
  const calls = Object.entries(OCSP_ANSWERS).map(([name, [place, answer]]): [string, OcspRevocation] => {
    const basic = basicResponse(ocspGpu.ocsp(place, answer));
    if (HINTED.includes(name)) return [name, revocationCall(basic, chain, place)];
    return [name, { ...good, response: toHex(basic), hints: "0x", responderHints: "0x" }];
  });
  return {
    root: keccak256(chain.at(-1)!),
    chain: chain.map(toHex),
    hints: chainHints(chain.map((one) => parseCertificate(one))).map(toHex),
    answers: Object.fromEntries(calls),
  };
}
