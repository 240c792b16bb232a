/**
 * Evidence of hardware vendors, verified on the client's own machine: docs/attestation-clients.md says what each check rules out. Nothing here
 * asks the network; times, nonces and collateral are the caller's.
 */
export { type SnpOptions, type VerifiedSnp, verifySnp } from "../attestation/amd/verify.ts";
export { fingerprint } from "../attestation/chain.ts";
export { type Check, Checks } from "../attestation/checks.ts";
export * from "../attestation/errors.ts";
export { type Collateral, parseCollateral, TCB_STATUSES, type TcbStatus } from "../attestation/intel/collateral.ts";
export { type RuntimeEvent, replayEvents } from "../attestation/intel/event-log.ts";
export { parseQuote, type Quote } from "../attestation/intel/quote.ts";
export { type QuoteOptions, type VerifiedQuote, verifyQuote } from "../attestation/intel/verify.ts";
export { parseReport, type SpdmReport } from "../attestation/nvidia/report.ts";
export { compareMeasurements, type Rim, verifyRim } from "../attestation/nvidia/rim.ts";
export { type TokenKey, type TokenOptions, verifyToken } from "../attestation/nvidia/token.ts";
export { type GpuOptions, parseGpuEvidence, type VerifiedGpu, verifyGpu } from "../attestation/nvidia/verify.ts";
export { type ReportOptions, type VerifiedReport, verifyAttestationReport } from "../attestation/report.ts";
export { ROOTS } from "../attestation/roots.ts";
export { parseCertificate, parsePem, type X509 } from "../attestation/x509.ts";
