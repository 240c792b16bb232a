import { toHex } from "../../commit/bytes.ts";
import type { Collateral } from "../intel/collateral.ts";
import type { DevKey } from "./key.ts";
import { type Authority, crl, pem } from "./x509.ts";

/** What collateral may say otherwise. Times in seconds since 1970. */
export interface CollateralOptions {
  readonly issuedAt: number;
  /** Until `nextUpdate`, in seconds; 30 days as Intel's. */
  readonly validSeconds?: number;
  readonly evaluation?: number;
  /** With a list of TCB evaluation data numbers: when each was announced, in seconds since 1970. */
  readonly announced?: Readonly<Record<number, number>>;
  /** Status of the platform's level, of the TDX module's and of the quoting enclave's. */
  readonly status?: { readonly platform?: string; readonly module?: string; readonly enclave?: string };
  readonly advisories?: readonly string[];
  /** Serial numbers: of PCK certificates, and of authorities and signers below the root. */
  readonly revoked?: { readonly pck?: readonly bigint[]; readonly authorities?: readonly bigint[] };
  /** Applied to the parsed JSON before it is signed: collateral that Intel would not issue. */
  readonly edit?: (tcbInfo: Record<string, unknown>, qeIdentity: Record<string, unknown>) => void;
}

/** Who issues collateral, and for which platform. */
export interface CollateralIssuer {
  readonly root: Authority;
  readonly platformCa: Authority;
  readonly signer: DevKey;
  /** DER. */
  readonly certificates: { readonly root: Uint8Array; readonly platformCa: Uint8Array; readonly signer: Uint8Array };
  readonly platform: {
    readonly fmspc: Uint8Array;
    readonly pceId: Uint8Array;
    readonly cpuSvn: Uint8Array;
    readonly pceSvn: number;
  };
  readonly enclave: { readonly signer: Uint8Array; readonly product: number; readonly securityVersion: number };
  /** Of TDs: TEE_TCB_SVN. Absent of SGX. */
  readonly teeTcbSvn?: Uint8Array;
}

const MONTH = 30 * 86_400;
const upper = (bytes: Uint8Array): string => toHex(bytes).slice(2).toUpperCase();
const plain = (bytes: Uint8Array): string => toHex(bytes).slice(2);
const iso = (seconds: number): string => new Date(1000 * seconds).toISOString().replace(".000Z", "Z");

/** TCB info, QE identity and revocation lists for a platform, signed. */
export function collateralOf(issuer: CollateralIssuer, options: CollateralOptions): Collateral {
  const { issuedAt, validSeconds = MONTH, revoked = {}, evaluation = 17 } = options;
  const dates = { issueDate: iso(issuedAt), nextUpdate: iso(issuedAt + validSeconds) };
  const tcbInfo = tcbInfoOf(issuer, options, { ...dates, evaluation });
  const qeIdentity = qeIdentityOf(issuer, options, { ...dates, evaluation });
  options.edit?.(tcbInfo, qeIdentity);
  const [tcbText, qeText] = [JSON.stringify(tcbInfo), JSON.stringify(qeIdentity)];
  const sign = (text: string) => plain(issuer.signer.sign(new TextEncoder().encode(text)));
  const list = (by: Authority, serials: readonly bigint[]) =>
    plain(crl({ issuer: by, thisUpdate: issuedAt, nextUpdate: issuedAt + validSeconds, revoked: serials }));
  const { root, platformCa, signer } = issuer.certificates;
  const signerChain = pem(signer) + pem(root);
  const numbersText = JSON.stringify({
    ...{ id: tcbInfo.id, version: 1, ...dates },
    tcbEvalNumbers: Object.entries(options.announced ?? {}).map(([number, date]) => ({
      ...{ tcbEvaluationDataNumber: Number(number), tcbRecoveryEventDate: iso(date), tcbDate: iso(date) },
    })),
  });
  return {
    pck_crl_issuer_chain: pem(platformCa) + pem(root),
    root_ca_crl: list(issuer.root, revoked.authorities ?? []),
    pck_crl: list(issuer.platformCa, revoked.pck ?? []),
    tcb_info_issuer_chain: signerChain,
    tcb_info: tcbText,
    tcb_info_signature: sign(tcbText),
    qe_identity_issuer_chain: signerChain,
    qe_identity: qeText,
    qe_identity_signature: sign(qeText),
    ...(options.announced !== undefined && {
      tcb_evaluation_issuer_chain: signerChain,
      tcb_evaluation: numbersText,
      tcb_evaluation_signature: sign(numbersText),
    }),
  };
}

interface Head {
  readonly issueDate: string;
  readonly nextUpdate: string;
  readonly evaluation: number;
}

/** A level's date says nothing here: the status does. */
const TCB_DATE = "2026-01-01T00:00:00Z";

function tcbInfoOf(
  { platform, teeTcbSvn }: CollateralIssuer,
  { status = {}, advisories = [] }: CollateralOptions,
  { issueDate, nextUpdate, evaluation }: Head,
): Record<string, unknown> {
  const components = (bytes: Uint8Array) => [...bytes].map((svn) => ({ svn }));
  const sgx = components(platform.cpuSvn);
  // Intel's levels leave the module's version (bytes 0 and 1 once there is a module identity) to the identities below.
  const tdx = teeTcbSvn && { tdxtcbcomponents: components(teeTcbSvn) };
  const level = (pcesvn: number, tcbStatus: string, more: object) => ({
    tcb: { sgxtcbcomponents: sgx, pcesvn, ...tdx },
    tcbDate: TCB_DATE,
    tcbStatus,
    ...more,
  });
  const head = {
    id: teeTcbSvn ? "TDX" : "SGX",
    version: 3,
    issueDate,
    nextUpdate,
    fmspc: upper(platform.fmspc),
    pceId: upper(platform.pceId),
    tcbType: 0,
    tcbEvaluationDataNumber: evaluation,
  };
  const signer = { mrsigner: "0".repeat(96), attributes: "0".repeat(16), attributesMask: "F".repeat(16) };
  const module = teeTcbSvn && {
    tdxModule: signer,
    tdxModuleIdentities: [
      {
        id: `TDX_${upper(teeTcbSvn.subarray(1, 2))}`,
        ...signer,
        tcbLevels: [
          { tcb: { isvsvn: teeTcbSvn[0] }, tcbDate: TCB_DATE, tcbStatus: status.module ?? "UpToDate" },
          { tcb: { isvsvn: 1 }, tcbDate: TCB_DATE, tcbStatus: "OutOfDate" },
        ],
      },
    ],
  };
  return {
    ...head,
    ...module,
    tcbLevels: [
      level(platform.pceSvn, status.platform ?? "UpToDate", advisories.length === 0 ? {} : { advisoryIDs: advisories }),
      level(1, "OutOfDate", { advisoryIDs: ["INTEL-SA-00000"] }),
    ],
  };
}

function qeIdentityOf(
  { enclave, teeTcbSvn }: CollateralIssuer,
  { status = {} }: CollateralOptions,
  { issueDate, nextUpdate, evaluation }: Head,
): Record<string, unknown> {
  return {
    id: teeTcbSvn ? "TD_QE" : "QE",
    version: 2,
    issueDate,
    nextUpdate,
    tcbEvaluationDataNumber: evaluation,
    miscselect: "00000000",
    miscselectMask: "FFFFFFFF",
    attributes: "11000000000000000000000000000000",
    attributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
    mrsigner: upper(enclave.signer),
    isvprodid: enclave.product,
    tcbLevels: [
      {
        tcb: { isvsvn: enclave.securityVersion },
        tcbDate: TCB_DATE,
        tcbStatus: status.enclave ?? "UpToDate",
      },
      { tcb: { isvsvn: 1 }, tcbDate: TCB_DATE, tcbStatus: "OutOfDate" },
    ],
  };
}
