import { createHash } from "node:crypto";
import { z } from "zod";
import { concat, equal, fromHex, type Hex, toHex } from "../commit/bytes.ts";
import { readCertificateTable } from "./amd/certificate-table.ts";
import { verifySnp } from "./amd/verify.ts";
import { Checks } from "./checks.ts";
import {
  BindingError,
  CollateralError,
  EvidenceEncodingError,
  IdentityError,
  UnsupportedEvidenceError,
} from "./errors.ts";
import { type Collateral, parseCollateral, type TcbStatus } from "./intel/collateral.ts";
import { type RuntimeEvent, replayEvents } from "./intel/event-log.ts";
import { type VerifiedQuote, verifyQuote } from "./intel/verify.ts";
import { parseGpuEvidence, type VerifiedGpu, verifyGpu } from "./nvidia/verify.ts";
import { reportDataOf } from "./report-data.ts";
import type { X509 } from "./x509.ts";

const hex = (bytes: number) => z.string().regex(new RegExp(`^(?:0x)?[0-9a-fA-F]{${2 * bytes}}$`));
const MOST_TEXT = 1 << 20;
const text = z.string().max(MOST_TEXT);

const attestationSchema = z.object({
  signing_address: z.string().regex(/^0x[0-9a-fA-F]{40}$/),
  signing_algo: z.literal("ecdsa"),
  request_nonce: hex(32),
  tls_cert_fingerprint: hex(32).nullish(),
  intel_quote: text.nullish(),
  amd_report: text.nullish(),
  amd_certificates: text.nullish(),
  nvidia_payload: z.union([text, z.record(z.string(), z.unknown())]).nullish(),
  event_log: z.unknown(),
  info: z.object({ tcb_info: z.unknown() }).nullish(),
  otr: z.object({ collateral: z.unknown() }).nullish(),
});

/** What a client asks of an attestation report. */
export interface ReportOptions {
  /** The nonce that the client has sent: 32 bytes. */
  readonly nonce: Uint8Array;
  /** Seconds since 1970. */
  readonly time: number;
  /** The key that the client has seen elsewhere: in a receipt, or in a chat's signature. */
  readonly signingAddress?: Hex;
  /** The server's TLS key as the client sees it, where the connection is to be bound. */
  readonly tlsFingerprint?: Uint8Array;
  /** Fetched from Intel; left out, what the report carries. Intel has signed either. */
  readonly collateral?: Collateral;
  /** The chip's certificate, ASK and ARK, of AMD's machines; left out, what the report carries. AMD has signed either. */
  readonly amdChain?: readonly X509[];
  /** GPUs that have to report at least. */
  readonly gpus?: number;
  readonly roots?: { readonly intel?: Hex; readonly nvidia?: Hex; readonly amd?: readonly Hex[] };
  readonly accept?: readonly TcbStatus[];
  /** See `QuoteOptions`: also of collateral that the report carries. */
  readonly minEvaluation?: number;
  readonly checks?: Checks;
}

/** What a report proves. */
export interface VerifiedReport {
  readonly signingAddress: Hex;
  readonly tlsFingerprint: Hex | undefined;
  readonly quote: VerifiedQuote | undefined;
  readonly gpus: readonly VerifiedGpu[];
  /** What the guest was started with, if the processor's evidence commits to it. */
  readonly configuration: string | undefined;
  /** What the guest has measured at run time. */
  readonly events: readonly RuntimeEvent[];
}

/**
 * Verifies one key's evidence out of `GET /v1/attestation/report`: the processor's and each GPU's, that both answer the client's nonce, and
 * that the processor's names the signing key.
 *
 * @throws typed errors of `errors.ts`, each of another reason to refuse.
 */
export function verifyAttestationReport(value: unknown, options: ReportOptions): VerifiedReport {
  const { nonce, time, roots = {}, checks = new Checks() } = options;
  const report = checks.run(
    "report",
    () => parsed(value),
    ({ signing_address }) => signing_address,
  );
  const signingAddress = report.signing_address.toLowerCase() as Hex;
  checks.run("client's nonce", () => {
    const got = bytes(report.request_nonce);
    if (!equal(nonce, got)) throw new BindingError("The nonce", toHex(nonce), toHex(got));
    const { signingAddress: wanted } = options;
    if (wanted !== undefined && wanted.toLowerCase() !== signingAddress)
      throw new BindingError("The signing address", wanted, signingAddress);
  });
  const tlsFingerprint = tlsOf(report, options.tlsFingerprint);
  const reportData = reportDataOf({ signingAddress, nonce, ...(tlsFingerprint && { tlsFingerprint }) });
  const quote = cpuOf(report, { ...options, checks, reportData });
  const payload = checks.run("GPU evidence", () => gpusOf(report.nvidia_payload, options.gpus ?? 0));
  const gpus = payload.map(({ report: data, chain }) =>
    verifyGpu(data, chain, { time, nonce, checks, ...(roots.nvidia && { root: roots.nvidia }) }),
  );
  checks.run("distinct GPUs", () => {
    if (new Set(gpus.map(({ device }) => device)).size !== gpus.length)
      throw new IdentityError("One of the GPUs", "another device each time", "the same twice");
  });
  const configuration = configurationOf(report.info?.tcb_info);
  checks.run("configuration", () => checkConfiguration(configuration, quote));
  const events = checks.run(
    "event log",
    () => eventsOf(report.event_log, quote),
    (list) => (list.length === 0 ? "none" : list.map(({ name }) => name).join(", ")),
  );
  const shown = { configuration, events };
  return { signingAddress, tlsFingerprint: tlsFingerprint && toHex(tlsFingerprint), quote, gpus, ...shown };
}

/** An empty log says nothing, and is no claim that nothing was measured. */
function eventsOf(log: unknown, quote: VerifiedQuote | undefined): RuntimeEvent[] {
  const list = typeof log === "string" && log !== "" ? jsonOf(log) : log;
  if (!list || (Array.isArray(list) && list.length === 0)) return [];
  if (quote?.report.kind !== "tdx") throw new UnsupportedEvidenceError("An event log", "Only TDs' quotes bind one.");
  return replayEvents(list, quote.report);
}

type Report = z.infer<typeof attestationSchema>;

function parsed(value: unknown): Report {
  const result = attestationSchema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new EvidenceEncodingError("attestation report", `Field '${path.join(".")}': ${message}.`);
}

/** The fingerprint that the report binds; it must be the client's own, for a report can name any. */
function tlsOf({ tls_cert_fingerprint: shown }: Report, own: Uint8Array | undefined): Uint8Array | undefined {
  const stated = shown == null ? undefined : bytes(shown);
  if (own !== undefined && (stated === undefined || !equal(own, stated)))
    throw new BindingError("The TLS key", toHex(own), stated === undefined ? "none" : toHex(stated));
  return stated;
}

function cpuOf(
  report: Report,
  options: ReportOptions & { readonly checks: Checks; readonly reportData: Uint8Array },
): VerifiedQuote | undefined {
  const { time, roots = {}, checks, reportData, accept, minEvaluation } = options;
  if (report.intel_quote) {
    const carried = report.otr?.collateral;
    const collateral = options.collateral ?? (carried == null ? undefined : parseCollateral(carried));
    if (collateral === undefined)
      throw new CollateralError("The report carries none: fetch Intel's for the platform, and hand it over.");
    const least = minEvaluation === undefined ? {} : { minEvaluation };
    const asked = { time, reportData, checks, ...(accept && { accept }), ...(roots.intel && { root: roots.intel }) };
    return verifyQuote(bytes(report.intel_quote), collateral, { ...asked, ...least });
  }
  if (!report.amd_report)
    throw new UnsupportedEvidenceError("A report without a processor's evidence", "GPUs alone do not name the key.");
  const table = report.amd_certificates;
  const amdChain = options.amdChain ?? (table ? readCertificateTable(bytes(table)) : []);
  verifySnp(bytes(report.amd_report), amdChain, { time, reportData, checks, ...(roots.amd && { roots: roots.amd }) });
  return undefined;
}

function gpusOf(payload: Report["nvidia_payload"], least: number): ReturnType<typeof parseGpuEvidence> {
  const list = !payload ? [] : parseGpuEvidence(typeof payload === "string" ? jsonOf(payload) : payload);
  if (list.length < least)
    throw new EvidenceEncodingError("report of so many GPUs", `${list.length} report, not ${least}.`);
  return list;
}

/** Text that the guest was started with. Gateways show it inside JSON, or inside JSON text. */
function configurationOf(tcbInfo: unknown): string | undefined {
  const info = typeof tcbInfo === "string" ? jsonOf(tcbInfo) : tcbInfo;
  const { app_compose: compose } = (info ?? {}) as { app_compose?: unknown };
  return typeof compose === "string" ? compose : undefined;
}

/** INVARIANT: what is shown as the guest's configuration is what the processor measured, or nothing is shown. */
function checkConfiguration(configuration: string | undefined, quote: VerifiedQuote | undefined): void {
  if (configuration === undefined) return;
  const measured = quote?.report.kind === "tdx" ? quote.report.mrConfigId : new Uint8Array(48);
  const expected = concat([Uint8Array.of(1), new Uint8Array(createHash("sha256").update(configuration).digest())]);
  if (!equal(expected, measured.subarray(0, 33)))
    throw new IdentityError("The guest's configuration", toHex(expected), toHex(measured));
}

function jsonOf(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw new EvidenceEncodingError("JSON", "A part of the report is no JSON.");
  }
}

function bytes(value: string): Uint8Array {
  const plain = value.replace(/^0x/, "");
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(plain))
    throw new EvidenceEncodingError("hexadecimal", "A part of the report is none.");
  return fromHex(`0x${plain}`);
}
