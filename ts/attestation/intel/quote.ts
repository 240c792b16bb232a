import { toHex } from "../../commit/bytes.ts";
import { EvidenceEncodingError, UnsupportedEvidenceError } from "../errors.ts";
import { Reader } from "../reader.ts";

/** An SGX enclave's report, also that of the quoting enclave. */
export interface EnclaveReport {
  readonly kind: "sgx";
  readonly cpuSvn: Uint8Array;
  readonly miscSelect: Uint8Array;
  readonly attributes: Uint8Array;
  readonly mrEnclave: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly product: number;
  readonly securityVersion: number;
  readonly reportData: Uint8Array;
}

/** A TD's report, of TDX 1.0 or 1.5. */
export interface TdReport {
  readonly kind: "tdx";
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: Uint8Array;
  readonly tdAttributes: Uint8Array;
  readonly xfam: Uint8Array;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  /** RTMR0 to 3. */
  readonly rtmrs: readonly Uint8Array[];
  readonly reportData: Uint8Array;
  /** Of TDX 1.5 only. */
  readonly teeTcbSvn2?: Uint8Array;
  readonly mrServiceTd?: Uint8Array;
}

/** A quote, parsed and not verified. */
export interface Quote {
  readonly version: 3 | 4 | 5;
  readonly report: EnclaveReport | TdReport;
  /** Header and report: what the quote's signature covers. */
  readonly signed: Uint8Array;
  /** r and s. */
  readonly signature: Uint8Array;
  /** x and y of the key that signed the quote. */
  readonly key: Uint8Array;
  readonly enclave: EnclaveReport;
  /** The quoting enclave's report as it was signed, and r and s of the PCK key. */
  readonly enclaveReport: Uint8Array;
  readonly enclaveSignature: Uint8Array;
  readonly auth: Uint8Array;
  /** PCK certificate, its authority, root, in PEM. */
  readonly chain: string;
}

const VENDOR = "0x939a7233f79c4ca9940a0db3957f0607";
const HEADER = 48;
const ENCLAVE_REPORT = 384;
const TD_REPORT = 584;
const TD15_REPORT = 648;
const ECDSA_P256 = 2;
const TEE = { sgx: 0, tdx: 0x81 } as const;
const CERTIFIED_REPORT = 6;
const PCK_CHAIN = 5;
/** Linux pads quotes with zeros up to the size of its buffer. */
const MOST_BYTES = 1 << 16;

/**
 * Reads a quote of SGX (version 3) or TDX (versions 4 and 5), by Intel's quoting enclaves with a key on P-256. Zeros may follow it.
 *
 * @throws EvidenceEncodingError if the bytes are no quote.
 * @throws UnsupportedEvidenceError if it is one of another version or kind.
 */
export function parseQuote(data: Uint8Array): Quote {
  if (data.length > MOST_BYTES) throw new EvidenceEncodingError("quote", `It has ${data.length} bytes.`);
  const reader = new Reader("quote", data);
  const version = reader.number(2);
  const keyKind = reader.number(2);
  if (version !== 3 && version !== 4 && version !== 5)
    throw new UnsupportedEvidenceError(`A quote of version ${version}`, "Versions 3, 4 and 5 are.");
  if (keyKind !== ECDSA_P256)
    throw new UnsupportedEvidenceError(`A quote with attestation key type ${keyKind}`, "Type 2 is, ECDSA on P-256.");
  const tee = reader.number(4);
  if (tee !== (version === 3 ? TEE.sgx : TEE.tdx))
    throw new UnsupportedEvidenceError(
      `A quote of version ${version} with TEE type ${tee}`,
      "Version 3 is, of SGX, and versions 4 and 5 of TDX.",
    );
  reader.take(4);
  const vendor = toHex(reader.take(16));
  if (vendor !== VENDOR)
    throw new UnsupportedEvidenceError(`A quote by the quoting enclave of ${vendor}`, `Intel's is: ${VENDOR}.`);
  reader.take(HEADER - reader.at);
  const report = bodyOf(version, reader);
  const signed = data.subarray(0, reader.at);
  const size = reader.number(4);
  const rest = reader.at + size;
  if (size > reader.left) reader.fail(`${size} bytes of signature data reach beyond its ${data.length}`);
  if (data.subarray(rest).some((byte) => byte !== 0)) reader.fail("What follows the signature data is not 0");
  return { version, report, signed, ...signatureData(version, new Reader("quote", data.subarray(0, rest), reader.at)) };
}

function bodyOf(version: 3 | 4 | 5, reader: Reader): Quote["report"] {
  if (version === 3) return enclaveReport(reader);
  if (version === 4) return tdReport(reader, false);
  const kind = reader.number(2);
  if (kind !== 2 && kind !== 3)
    throw new UnsupportedEvidenceError(`A quote with body type ${kind}`, "Types 2 and 3 are: TDX 1.0 and 1.5.");
  reader.expect("size of the body", 4, kind === 2 ? TD_REPORT : TD15_REPORT);
  return tdReport(reader, kind === 3);
}

function signatureData(version: number, reader: Reader) {
  const signature = reader.take(64);
  const key = reader.take(64);
  if (version !== 3) {
    // From version 4 on, all that follows is one piece of certification data.
    reader.expect("type of the certification data", 2, CERTIFIED_REPORT);
    reader.expect("size of the certification data", 4, reader.left - 4);
  }
  const enclaveReportBytes = reader.take(ENCLAVE_REPORT);
  const enclaveSignature = reader.take(64);
  const auth = reader.take(reader.number(2));
  const kind = reader.number(2);
  if (kind !== PCK_CHAIN)
    throw new UnsupportedEvidenceError(
      `A quote with certification data of type ${kind}`,
      "Type 5 is: the PCK certificate's chain in the quote.",
    );
  reader.expect("size of the chain", 4, reader.left - 4);
  return {
    signature,
    key,
    enclave: enclaveReport(new Reader("report of a quoting enclave", enclaveReportBytes)),
    enclaveReport: enclaveReportBytes,
    enclaveSignature,
    auth,
    chain: new TextDecoder("latin1").decode(reader.take(reader.left)),
  };
}

function enclaveReport(reader: Reader): EnclaveReport {
  const cpuSvn = reader.take(16);
  const miscSelect = reader.take(4);
  reader.take(28);
  const attributes = reader.take(16);
  const mrEnclave = reader.take(32);
  reader.take(32);
  const mrSigner = reader.take(32);
  reader.take(96);
  const product = reader.number(2);
  const securityVersion = reader.number(2);
  reader.take(60);
  const reportData = reader.take(64);
  const numbers = { product, securityVersion };
  return { kind: "sgx", cpuSvn, miscSelect, attributes, mrEnclave, mrSigner, ...numbers, reportData };
}

function tdReport(reader: Reader, is15: boolean): TdReport {
  const teeTcbSvn = reader.take(16);
  const [mrSeam, mrSignerSeam] = [reader.take(48), reader.take(48)];
  const [seamAttributes, tdAttributes, xfam] = [reader.take(8), reader.take(8), reader.take(8)];
  const [mrTd, mrConfigId, mrOwner, mrOwnerConfig] = [
    reader.take(48),
    reader.take(48),
    reader.take(48),
    reader.take(48),
  ];
  const rtmrs = [reader.take(48), reader.take(48), reader.take(48), reader.take(48)];
  const reportData = reader.take(64);
  return {
    kind: "tdx",
    ...{ teeTcbSvn, mrSeam, mrSignerSeam, seamAttributes, tdAttributes, xfam },
    ...{ mrTd, mrConfigId, mrOwner, mrOwnerConfig, rtmrs, reportData },
    ...(is15 ? { teeTcbSvn2: reader.take(16), mrServiceTd: reader.take(48) } : {}),
  };
}
