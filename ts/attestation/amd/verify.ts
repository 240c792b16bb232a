import { equal, type Hex, toHex } from "../../commit/bytes.ts";
import { fingerprint, verifyChain } from "../chain.ts";
import { Checks } from "../checks.ts";
import { type Crl, verifyCrl } from "../crl.ts";
import { only, small, TAG } from "../der.ts";
import {
  AttributesError,
  BindingError,
  CertificateChainError,
  DebugError,
  EvidenceEncodingError,
  IdentityError,
  TcbStatusError,
  UnsupportedEvidenceError,
} from "../errors.ts";
import { ROOTS } from "../roots.ts";
import { verifyEcdsa } from "../signature.ts";
import type { X509 } from "../x509.ts";
import { parseSnpReport, type SnpReport } from "./report.ts";

/** Security versions of a processor's firmware. */
export interface SnpTcb {
  readonly bootloader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
  /** Of Turin and later. */
  readonly fmc?: number;
}

/** What a verifier of SEV-SNP reports asks for. */
export interface SnpOptions {
  /** Seconds since 1970 at which all certificates have to be valid. */
  readonly time: number;
  /** SHA-256 of accepted ARKs; default: AMD's for Milan, Genoa and Turin. */
  readonly roots?: readonly Hex[];
  readonly reportData?: Uint8Array;
  /** Least security versions: AMD has no list of revoked chips, so this is how old firmware is refused. */
  readonly minimum?: Partial<SnpTcb>;
  /** Highest privilege level that may have asked; 0 is the most privileged. Default 0. */
  readonly maxVmpl?: number;
  /** AMD's list for the product, whose entries are authorities below the ARK. */
  readonly list?: Crl;
  readonly checks?: Checks;
}

/** What a report says once it is verified. */
export interface VerifiedSnp {
  readonly report: SnpReport;
  readonly product: string;
  readonly chipId: Hex;
  readonly tcb: SnpTcb;
  readonly notAfter: number;
}

/** Bits of the guest's policy: 18 an agent may move the guest elsewhere, 19 it may be debugged. */
const MIGRATE = 1n << 18n;
const DEBUG = 1n << 19n;
/** AMD's extensions of chip certificates: 1.3.6.1.4.1.3704.1.*. */
const AMD = "2b060104019c7801";
const PARTS = { bootloader: "0301", tee: "0302", snp: "0303", microcode: "0308", fmc: "0309" } as const;
const PRODUCT = "02";
const CHIP_ID = "04";
const LENGTH = 3;

/**
 * Verifies an SEV-SNP report with its chain: VCEK (of the chip and its firmware), ASK, ARK.
 *
 * @throws typed errors of `errors.ts`, each of another reason to refuse.
 */
export function verifySnp(data: Uint8Array, chain: readonly X509[], options: SnpOptions): VerifiedSnp {
  const { time, roots = Object.values<Hex>(ROOTS.amd), checks = new Checks() } = options;
  const report = checks.run(
    "format",
    () => parseSnpReport(data),
    ({ version }) => `SEV-SNP report, version ${version}`,
  );
  const { leaf, product } = checks.run(
    "chip certificate",
    () => {
      if (report.signingKey !== 0)
        throw new UnsupportedEvidenceError(
          `A report signed by key ${report.signingKey}`,
          "0 is, the chip's own (VCEK). A cloud's key (VLEK) has another chain.",
        );
      const top = chain.at(-1);
      const root = roots.find((one) => top !== undefined && one === fingerprint(top.der)) ?? roots[0]!;
      const lists = options.list === undefined || top === undefined ? [] : [verifyCrl(options.list, top, time)];
      const vcek = verifyChain(chain, { root, time, algorithm: "RSA", length: LENGTH, lists });
      if (vcek.isAuthority || vcek.keyKind !== "P-384")
        throw new CertificateChainError("The chip's key is not of P-384, or may sign certificates.");
      return { leaf: vcek, product: productOf(vcek) };
    },
    (value) => value.product,
  );
  checks.run("report's signature", () => {
    const { signed: message, signature } = report;
    verifyEcdsa("P-384", { message, signature, key: leaf.key, what: "Report by the chip" });
  });
  const tcb = checks.run(
    "chip and firmware",
    () => checkChip(report, leaf, product),
    (value) =>
      Object.entries(value)
        .map(([part, svn]) => `${part} ${svn}`)
        .join(", "),
  );
  checks.run("policy", () => checkPolicy(report, options.maxVmpl ?? 0));
  checks.run("TCB", () => {
    for (const [part, least] of Object.entries(options.minimum ?? {}) as [keyof SnpTcb, number][])
      if ((tcb[part] ?? 0) < least)
        throw new TcbStatusError(`OutOfDate (${part} ${tcb[part] ?? 0} < ${least})`, [], []);
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
  return { report, product, chipId: toHex(report.chipId), tcb, notAfter: leaf.notAfter };
}

function checkPolicy({ policy, vmpl }: SnpReport, maxVmpl: number): void {
  if ((policy & DEBUG) !== 0n) throw new DebugError("The guest");
  if ((policy & MIGRATE) !== 0n) throw new AttributesError("A migration agent may move the guest to another machine.");
  if (vmpl > maxVmpl) throw new AttributesError(`VMPL ${vmpl} asked for the report, above ${maxVmpl}.`);
}

/** The certificate is of this chip, with the firmware that the report states. */
function checkChip({ chipId, reportedTcb }: SnpReport, { extensions }: X509, product: string): SnpTcb {
  const certified = extensions.get(AMD + CHIP_ID)?.value ?? new Uint8Array();
  // Turin's certificates have the 8 bytes that are not 0.
  const same = certified.length >= 8 && equal(certified, chipId.subarray(0, certified.length));
  if (!same || chipId.subarray(certified.length).some((byte) => byte !== 0))
    throw new IdentityError("The chip", toHex(certified), toHex(chipId));
  const turin = product.startsWith("Turin");
  const at = (k: number) => reportedTcb[k]!;
  const tcb: SnpTcb = turin
    ? { fmc: at(0), bootloader: at(1), tee: at(2), snp: at(3), microcode: at(7) }
    : { bootloader: at(0), tee: at(1), snp: at(6), microcode: at(7) };
  for (const [part, got] of Object.entries(tcb) as [keyof SnpTcb, number][]) {
    const value = extensions.get(AMD + PARTS[part])?.value;
    if (value === undefined) throw new EvidenceEncodingError("chip certificate", `It does not say its ${part}.`);
    const expected = small(only(value, TAG.integer));
    if (expected !== got) throw new IdentityError(`The chip's ${part}`, `${expected}`, `${got}`);
  }
  return tcb;
}

/** E.g. "Milan-B0". */
function productOf({ extensions }: X509): string {
  const value = extensions.get(AMD + PRODUCT)?.value;
  const IA5 = 0x16;
  const text = value && new TextDecoder("latin1").decode(only(value, IA5).contents);
  if (text === undefined || !/^[A-Za-z0-9-]{1,32}$/.test(text))
    throw new EvidenceEncodingError("chip certificate", "It names no product.");
  return text;
}
