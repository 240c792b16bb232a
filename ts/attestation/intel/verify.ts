import { createHash } from "node:crypto";
import { concat, equal, type Hex, toHex } from "../../commit/bytes.ts";
import { verifyChain } from "../chain.ts";
import { Checks } from "../checks.ts";
import {
  AttributesError,
  BindingError,
  CertificateChainError,
  CollateralError,
  DebugError,
  TcbStatusError,
} from "../errors.ts";
import { ROOTS } from "../roots.ts";
import { verifyEcdsa } from "../signature.ts";
import { KEY_USAGE, parsePem, type X509 } from "../x509.ts";
import { type Collateral, type TcbStatus, type VerifiedCollateral, verifyCollateral } from "./collateral.ts";
import { leastEvaluation } from "./evaluation.ts";
import { type Pck, readPck } from "./pck.ts";
import { type EnclaveReport, parseQuote, type Quote, type TdReport } from "./quote.ts";
import { converge, moduleLevel, platformLevel, quotingLevel } from "./tcb.ts";

/** What a verifier of quotes asks for. */
export interface QuoteOptions {
  /** Seconds since 1970 at which everything has to be valid. */
  readonly time: number;
  /** SHA-256 of the root certificate; default: Intel's. */
  readonly root?: Hex;
  /** The 64 bytes that the quote has to carry. */
  readonly reportData?: Uint8Array;
  /** Accepted statuses of the TCB; `Revoked` never is. */
  readonly accept?: readonly TcbStatus[];
  /**
   * Least TCB evaluation data number of the collateral. Default: under Intel's root the one that is good at that time as far as is known here
   * (`leastEvaluation`), under another root any.
   */
  readonly minEvaluation?: number;
  /** Accept a guest that a service TD may migrate to another machine. */
  readonly allowServiceTd?: boolean;
  readonly checks?: Checks;
}

/** What a quote says once it is verified. */
export interface VerifiedQuote {
  readonly version: 3 | 4 | 5;
  readonly report: EnclaveReport | TdReport;
  readonly pck: Pck;
  readonly pckSerial: bigint;
  readonly status: TcbStatus;
  readonly advisories: readonly string[];
  readonly evaluation: number;
  /** Until when collateral and certificates hold, in seconds since 1970. */
  readonly notAfter: number;
}

const DEFAULT_ACCEPT: readonly TcbStatus[] = ["UpToDate", "SWHardeningNeeded"];
/** Bits of a TD's attributes: 28, and 29 of migration. */
const SEPT_VE_DISABLE = 0x10;
const MIGRATABLE = 0x20;

/**
 * Verifies a quote of TDX or SGX with its collateral: everything that Intel's DCAP demands, down to the pinned root.
 *
 * @throws typed errors of `errors.ts`, each of another reason to refuse.
 */
export function verifyQuote(data: Uint8Array, collateral: Collateral, options: QuoteOptions): VerifiedQuote {
  const { time, root = ROOTS.intel, accept = DEFAULT_ACCEPT, checks = new Checks() } = options;
  const quote = checks.run("format", () => parseQuote(data), formatOf);
  const held = verifyCollateral(collateral, { root, time, checks });
  const { pck, certificate, notAfter } = verifySignatures(quote, { root, time, checks, lists: held.lists });
  const minEvaluation = options.minEvaluation ?? (root === ROOTS.intel ? leastEvaluation(time) : 0);
  verifyReport(quote, options, checks);
  const { status, advisories } = checks.run(
    "TCB status",
    () => {
      checkEvaluation(held, minEvaluation);
      const level = levelOf(quote, pck, held);
      // INVARIANT: what is revoked is never accepted, whatever a caller lists.
      if (level.status === "Revoked" || !accept.includes(level.status))
        throw new TcbStatusError(level.status, level.advisories, accept);
      return level;
    },
    (level) => [level.status, ...level.advisories].join(" "),
  );
  return {
    version: quote.version,
    report: quote.report,
    pck,
    pckSerial: certificate.serial,
    status,
    advisories,
    evaluation: held.tcbInfo.tcbEvaluationDataNumber,
    notAfter: Math.min(held.notAfter, notAfter),
  };
}

/** Verifies chain and signatures alone: who made the quote, and nothing of how its platform is. */
export function verifySignatures(
  quote: Quote,
  { root, time, checks, lists }: { root: Hex; time: number; checks: Checks; lists?: VerifiedCollateral["lists"] },
): { readonly pck: Pck; readonly certificate: X509; readonly notAfter: number } {
  const { certificate, pck, notAfter } = checks.run(
    "PCK certificate",
    () => {
      const revocation = lists === undefined ? {} : { lists, everyList: true };
      const chain = parsePem(quote.chain);
      const leaf = verifyChain(chain, { root, time, algorithm: "P-256", length: 3, ...revocation });
      if (leaf.isAuthority || leaf.keyKind !== "P-256" || (leaf.keyUsage & KEY_USAGE.sign) === 0)
        throw new CertificateChainError("The PCK certificate's key may not sign.");
      return { certificate: leaf, pck: readPck(leaf), notAfter: Math.min(...chain.map((one) => one.notAfter)) };
    },
    (value) => `FMSPC ${value.pck.fmspc.slice(2)}, serial ${value.certificate.serial.toString(16)}`,
  );
  checks.run("quoting enclave's report", () => {
    const { enclaveReport: message, enclaveSignature: signature, enclave, key, auth } = quote;
    verifyEcdsa("P-256", {
      message,
      signature,
      key: certificate.key,
      what: "Report of the quoting enclave by the PCK",
    });
    // INVARIANT: the enclave's report data is the hash of key and auth data, and 32 bytes of 0.
    const vouched = createHash("sha256").update(key).update(auth).digest();
    const expected = concat([vouched, new Uint8Array(32)]);
    if (!equal(expected, enclave.reportData))
      throw new BindingError("The attestation key", toHex(enclave.reportData), toHex(expected));
    if ((enclave.attributes[0]! & 2) !== 0) throw new DebugError("The quoting enclave");
  });
  checks.run("quote's signature", () => {
    const { signed: message, signature, key } = quote;
    verifyEcdsa("P-256", { message, signature, key, what: "Quote by the attestation key" });
  });
  return { certificate, pck, notAfter };
}

/** Attributes and report data. */
export function verifyReport(
  quote: Quote,
  options: Pick<QuoteOptions, "reportData" | "allowServiceTd">,
  checks: Checks,
) {
  const { report } = quote;
  checks.run("attributes", () => {
    if (report.kind === "sgx") {
      if ((report.attributes[0]! & 2) !== 0) throw new DebugError("The enclave");
    } else checkTd(report, options.allowServiceTd ?? false);
  });
  const { reportData } = options;
  checks.run(
    "report data",
    () => {
      if (reportData !== undefined && !equal(reportData, report.reportData))
        throw new BindingError("The report data", toHex(reportData), toHex(report.reportData));
    },
    () => (reportData === undefined ? "not compared: none was given" : ""),
  );
}

function checkTd({ tdAttributes, mrServiceTd }: TdReport, allowServiceTd: boolean): void {
  // The first byte's bits all stand for ways to look into a guest: DEBUG is bit 0, the others are reserved for more.
  if (tdAttributes[0] !== 0) throw new DebugError("The guest");
  const security = tdAttributes[3]!;
  if ((security & SEPT_VE_DISABLE) === 0)
    throw new AttributesError("SEPT_VE_DISABLE is off: the host can make the guest fault where it chooses.");
  const migrates = (security & MIGRATABLE) !== 0 || (mrServiceTd?.some((byte) => byte !== 0) ?? false);
  if (migrates && !allowServiceTd)
    throw new AttributesError("A service TD may move the guest to another machine: its measurement is not in yours.");
}

/** INVARIANT: nobody chooses an old evaluation, by which a platform was up to date, or mixes two. */
function checkEvaluation({ tcbInfo, qeIdentity }: VerifiedCollateral, least: number): void {
  const [number, other] = [tcbInfo.tcbEvaluationDataNumber, qeIdentity.tcbEvaluationDataNumber];
  if (number !== other) throw new CollateralError(`It is of the TCB evaluation data numbers ${number} and ${other}.`);
  if (number < least) throw new CollateralError(`It is of TCB evaluation data number ${number}, older than ${least}.`);
}

function levelOf(quote: Quote, pck: Pck, { tcbInfo, qeIdentity }: VerifiedCollateral) {
  const td = quote.report.kind === "tdx" ? quote.report : undefined;
  const [id, qe] = td === undefined ? ["SGX", "QE"] : ["TDX", "TD_QE"];
  if (tcbInfo.id !== id || qeIdentity.id !== qe)
    throw new CollateralError(`It is of ${tcbInfo.id} and ${qeIdentity.id}, not of ${id} and ${qe}.`);
  const [fmspc, pceId] = [tcbInfo.fmspc.toLowerCase(), tcbInfo.pceId.toLowerCase()];
  if (pck.fmspc !== `0x${fmspc}` || pck.pceId !== `0x${pceId}`)
    throw new CollateralError(`TCB info is of FMSPC ${fmspc} and PCE ${pceId}, not of ${pck.fmspc} and ${pck.pceId}.`);
  const parts = {
    "the platform": platformLevel(tcbInfo, pck, td),
    "the quoting enclave": quotingLevel(qeIdentity, quote.enclave),
    ...(td === undefined ? {} : { "the TDX module": moduleLevel(tcbInfo, td) }),
  };
  const [platform, ...others] = Object.entries(parts).map(([what, level]) => {
    if (level === undefined) throw new TcbStatusError(`unknown: no level matches ${what}`, [], DEFAULT_ACCEPT);
    return level;
  });
  return converge(platform!, others);
}

const formatOf = ({ version, report }: Quote): string =>
  `${report.kind === "sgx" ? "SGX" : "TDX"} quote, version ${version}`;
