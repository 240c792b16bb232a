import { keccak256 } from "viem";
import { concat, type Hex } from "../../commit/bytes.ts";
import { UnsupportedEvidenceError } from "../errors.ts";
import { parseQuote } from "./quote.ts";

/** Bytes of MRSERVICETD. */
const SERVICE_TD = 48;

/**
 * What `DcapVerifier` says that a quote of a TD measures: what policies name. It is the same for every quote of one guest.
 *
 * @throws EvidenceEncodingError if the bytes are no quote, UnsupportedEvidenceError if they are not one of a TD.
 */
export function tdxMeasurement(quote: Uint8Array): Hex {
  const { report } = parseQuote(quote);
  if (report.kind !== "tdx") throw new UnsupportedEvidenceError("A quote of an SGX enclave", "A quote of a TD is.");
  const { tdAttributes, xfam, mrTd, mrConfigId, mrOwner, mrOwnerConfig, rtmrs, mrServiceTd } = report;
  const configured = [tdAttributes, xfam, mrTd, mrConfigId, mrOwner, mrOwnerConfig];
  return keccak256(concat([...configured, ...rtmrs, mrServiceTd ?? new Uint8Array(SERVICE_TD)]));
}
