import { encodeAbiParameters, encodePacked, keccak256, sha256, stringToHex } from "viem";
import { type Hex, tag, toHex } from "../commit/bytes.ts";
import { chainHints, reportHints } from "./h100.ts";
import { parseReport } from "./nvidia/report.ts";
import { parseCertificate, type X509 } from "./x509.ts";

/** What `NvidiaCertificates.cache` takes for one certificate. The root has neither parent nor hints: `cacheRoot`. */
export interface CacheStep {
  readonly id: Hex;
  readonly der: Hex;
  readonly parent: Hex | undefined;
  /** About 16 kB; computed when it is called. */
  hints(): Hex;
}

/** The kind of GPU evidence, as src/attestation/NvidiaVerifier.sol names it. */
export const NVIDIA_KIND: Hex = stringToHex("NV_SPDM", { size: 32 });

const WORD = { type: "bytes32" } as const;
const ZERO: Hex = `0x${"00".repeat(32)}`;

/** The steps that cache a chain (leaf first, root last), in the order of their transactions: root first. */
export function cacheSteps(chain: readonly X509[]): CacheStep[] {
  const steps: CacheStep[] = [];
  for (let k = chain.length - 1; k >= 0; k--) {
    const { tbs, der } = chain[k]!;
    const parent = steps.at(-1)?.id;
    const id = keccak256(encodeAbiParameters([WORD, WORD], [keccak256(tbs), parent ?? ZERO]));
    steps.push({ id, der: toHex(der), parent, hints: () => toHex(chainHints(chain.slice(k, k + 2))[0]!) });
  }
  return steps;
}

/**
 * `aux` of `NvidiaVerifier.verify` for a report.
 *
 * @param leaf Id of the leaf's certificate: that of the last of its chain's `cacheSteps`.
 * @param chosen The measurements that the accepted firmware names (`AcceptedFirmware.chosen`).
 * @throws EvidenceEncodingError if the bytes are no report
 * @throws SignatureInvalidError if the leaf's key did not sign it
 */
export function gpuAux(report: Uint8Array, leaf: { id: Hex; der: Uint8Array }, chosen: bigint): Hex {
  const hints = toHex(reportHints(report, parseCertificate(leaf.der)));
  return encodePacked(["bytes32", "uint64", "bytes"], [leaf.id, chosen, hints]);
}

/** The nonce that GPU number `index` answers in a session, as `EnclaveSessions.nonceOf`. */
export function gpuNonce(session: Hex, index: number): Hex {
  return sha256(
    encodeAbiParameters([WORD, WORD, { type: "uint256" }], [toHex(tag("OTR/gpu/1")), session, BigInt(index)]),
  );
}

/** What identifies a report: the hash of what is signed. @throws EvidenceEncodingError if the bytes are no report */
export const gpuEvidenceHash = (report: Uint8Array): Hex => keccak256(parseReport(report).signed);

/** What stands for all GPUs of a session, by their evidence hashes in the order of their nonces; zero without GPUs. As in `EnclaveSessions`. */
export const gpuRoot = (evidenceHashes: readonly Hex[]): Hex =>
  evidenceHashes.length === 0 ? ZERO : keccak256(encodePacked(["bytes32[]"], [evidenceHashes]));

/** First half of the CPU's report data in a session, as `EnclaveSessions.reportDataOf`. (Reports for clients bind their nonce: report-data.ts.) */
export function reportData(session: Hex, evidenceHashes: readonly Hex[], imageConfig: Hex): Hex {
  const words = [toHex(tag("OTR/rd/1")), session, gpuRoot(evidenceHashes), imageConfig] as const;
  return keccak256(encodeAbiParameters([WORD, WORD, WORD, WORD], words));
}
