import { keccak256 } from "viem";
import { concat, type Hex } from "../../commit/bytes.ts";
import { parseQuote } from "./quote.ts";

/** Bytes of MRSERVICETD. */
const SERVICE_TD = 48;
/** Of an SGX quote's header and report: MISCSELECT to ISVFAMILYID. */
const ENCLAVE = [48 + 16, 48 + 320] as const;

/**
 * What `DcapVerifier` says that a quote measures: what policies name. It is the same for every quote of one guest or enclave.
 *
 * @throws EvidenceEncodingError if the bytes are no quote.
 */
export function quoteMeasurement(quote: Uint8Array): Hex {
  const { report, signed } = parseQuote(quote);
  if (report.kind === "sgx") return keccak256(signed.slice(...ENCLAVE));
  const { tdAttributes, xfam, mrTd, mrConfigId, mrOwner, mrOwnerConfig, rtmrs, mrServiceTd } = report;
  const configured = [tdAttributes, xfam, mrTd, mrConfigId, mrOwner, mrOwnerConfig];
  return keccak256(concat([...configured, ...rtmrs, mrServiceTd ?? new Uint8Array(SERVICE_TD)]));
}
