import { createHash } from "node:crypto";
import { equal, type Hex, toHex } from "../../commit/bytes.ts";
import { verifyChain } from "../chain.ts";
import { Checks } from "../checks.ts";
import type { VerifiedCrl } from "../crl.ts";
import {
  BindingError,
  CertificateChainError,
  EvidenceEncodingError,
  IdentityError,
  PublicSampleError,
  UnsupportedEvidenceError,
} from "../errors.ts";
import { ROOTS } from "../roots.ts";
import { verifyEcdsa } from "../signature.ts";
import { KEY_USAGE, parsePem } from "../x509.ts";
import { type Architecture, readLeaf } from "./leaf.ts";
import { OPAQUE, opaqueField, opaqueText, parseReport, type SpdmReport, vbiosVersion } from "./report.ts";

/** What a verifier of reports asks for. */
export interface GpuOptions {
  /** Seconds since 1970 at which all certificates have to be valid. */
  readonly time: number;
  /** SHA-256 of the root certificate; default: NVIDIA's. */
  readonly root?: Hex;
  /** The 32 bytes that the report has to answer. */
  readonly nonce?: Uint8Array;
  /** Accepted devices; default: Hopper GPUs, the only ones whose firmware OTR's policies name. */
  readonly accept?: readonly Architecture[];
  /** Revocation lists, verified. NVIDIA tells of single devices by OCSP only. */
  readonly lists?: readonly VerifiedCrl[];
  /** Serial numbers that the verifier refuses, whatever the lists say. */
  readonly refused?: ReadonlySet<bigint>;
  /** Take published samples: in tests. */
  readonly allowSamples?: boolean;
  readonly checks?: Checks;
}

/** What a report says once it is verified. */
export interface VerifiedGpu {
  readonly architecture: Architecture;
  /** E.g. "NVIDIA:GH100:48B02D92494BADF4". */
  readonly device: string;
  /** Of the leaf; NRAS's `ueid`. */
  readonly serial: bigint;
  readonly driver: string | undefined;
  readonly vbios: string | undefined;
  /** SPT: one tenant; MPT: several GPUs; PPCIE: protected PCIe. Absent of drivers before 580. */
  readonly mode: "SPT" | "MPT" | "PPCIE" | undefined;
  readonly report: SpdmReport;
  /** SHA-256 of the whole report. */
  readonly reportHash: Hex;
}

/**
 * Nonces of evidence that NVIDIA's tools and those of others return where there is no GPU: it verifies, and proves nothing.
 */
export const SAMPLE_NONCES: readonly Hex[] = [
  "0x931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb",
  "0x4cff7f5380ead8fad8ec2c531c110aca4302a88f603792801a8ca29ee151af2e",
];
const LENGTH = 5;
const MODES = ["SPT", "MPT", "PPCIE"] as const;

/**
 * Verifies the report of an NVIDIA GPU with its chain of five certificates in PEM, leaf first.
 *
 * What it does not show: that confidential computing is on, that the GPU is in the machine whose CPU reports it, and that the GPU is not
 * revoked.
 *
 * @throws typed errors of `errors.ts`, each of another reason to refuse.
 */
export function verifyGpu(data: Uint8Array, chain: string, options: GpuOptions): VerifiedGpu {
  const { time, root = ROOTS.nvidiaDevice, nonce, accept = ["HOPPER"], checks = new Checks() } = options;
  const report = checks.run(
    "format",
    () => parseReport(data),
    ({ measurements }) => `SPDM report, ${measurements.length} measurements`,
  );
  const certificate = checks.run("device certificate", () => {
    const lists = options.lists === undefined ? {} : { lists: options.lists };
    const certificates = parsePem(chain);
    const leaf = verifyChain(certificates, { root, time, algorithm: "P-384", length: LENGTH, ...lists });
    if (leaf.isAuthority || leaf.keyKind !== "P-384" || (leaf.keyUsage & KEY_USAGE.sign) === 0)
      throw new CertificateChainError("The leaf's key may not sign.");
    const refused = certificates.find(({ serial }) => options.refused?.has(serial));
    if (refused !== undefined)
      throw new CertificateChainError(`Serial number ${refused.serial.toString(16)} is refused.`);
    return leaf;
  });
  checks.run("report's signature", () => {
    const { signed: message, signature } = report;
    verifyEcdsa("P-384", { message, signature, key: certificate.key, what: "Report by the device's firmware" });
  });
  const leaf = checks.run(
    "device",
    () => {
      const read = readLeaf(certificate);
      checkFirmware(report, read.firmware);
      return read;
    },
    ({ name }) => name,
  );
  checks.run(
    "nonce",
    () => {
      const got = toHex(report.nonce);
      if (options.allowSamples !== true && SAMPLE_NONCES.includes(got)) throw new PublicSampleError(got);
      if (nonce !== undefined && !equal(nonce, report.nonce)) throw new BindingError("The nonce", toHex(nonce), got);
    },
    () => (nonce === undefined ? "not compared: none was given" : ""),
  );
  checks.run("architecture", () => {
    if (!accept.includes(leaf.architecture))
      throw new UnsupportedEvidenceError(
        `${leaf.name} (${leaf.architecture})`,
        `Chain and signature hold; nothing here judges its firmware. Accepted: ${accept.join(", ")}.`,
      );
  });
  return {
    architecture: leaf.architecture,
    device: leaf.name,
    serial: certificate.serial,
    driver: opaqueText(report, OPAQUE.driver),
    vbios: vbiosVersion(report),
    mode: modeOf(report),
    report,
    reportHash: toHex(createHash("sha256").update(data).digest()),
  };
}

/** The firmware that the leaf's key was made for is the one that reports; drivers before 550 do not say. */
function checkFirmware(report: SpdmReport, firmware: readonly Uint8Array[]): void {
  const got = opaqueField(report, OPAQUE.firmwareId);
  if (got === undefined || firmware.some((digest) => equal(digest, got))) return;
  throw new IdentityError("The device's firmware", firmware.map(toHex).join(" or "), toHex(got));
}

function modeOf(report: SpdmReport): VerifiedGpu["mode"] {
  const flag = opaqueField(report, OPAQUE.featureFlag);
  return flag === undefined ? undefined : MODES[flag[0] ?? MODES.length];
}

/** Evidence as NVIDIA's tools and NRAS exchange it: reports and chains in base64. @throws EvidenceEncodingError */
export function parseGpuEvidence(value: unknown): { readonly report: Uint8Array; readonly chain: string }[] {
  const list: unknown = Array.isArray(value) ? value : (value as { evidence_list?: unknown } | null)?.evidence_list;
  if (!Array.isArray(list) || list.length === 0 || list.length > 64)
    throw new EvidenceEncodingError("list of GPU evidence", "It is no array of 1 to 64 devices.");
  return list.map((one: { evidence?: unknown; certificate?: unknown } | null) => {
    const { evidence, certificate } = one ?? {};
    if (typeof evidence !== "string" || typeof certificate !== "string")
      throw new EvidenceEncodingError("list of GPU evidence", "A device has no 'evidence' or no 'certificate'.");
    return {
      report: new Uint8Array(Buffer.from(evidence, "base64")),
      chain: Buffer.from(certificate, "base64").toString("latin1"),
    };
  });
}
