import { DevIntel, DevNvidia } from "../attestation/dev-root/index.ts";
import type { Collateral } from "../attestation/intel/collateral.ts";
import { type Chains, certificatesOf, documentOf, type SignedDocument } from "../attestation/intel-submissions.ts";
import { evidence, HAS_EVIDENCE } from "../attestation/testing/real-evidence.ts";
import { parseCertificate, parsePem, type X509 } from "../attestation/x509.ts";
import { fromHex } from "../commit/bytes.ts";

/** What the bench of attestation submits. Times in seconds since 1970. */
export interface AttestationEvidence {
  readonly kind: "vendors" | "development";
  /** When Intel's part is valid; when NVIDIA's is, not before that. */
  readonly intelTime: number;
  readonly nvidiaTime: number;
  readonly chains: Chains;
  /** TDX, version 4. */
  readonly quote: Uint8Array;
  readonly pck: Uint8Array;
  /** For the quote's platform and quoting enclave. */
  readonly tcbInfo: SignedDocument;
  readonly qeIdentity: SignedDocument;
  /** The largest TCB info that is at hand, for another platform or TEE. */
  readonly largestTcbInfo: SignedDocument & { readonly time: number };
  /** An H100's report, and its certificates, leaf first. */
  readonly report: Uint8Array;
  readonly gpuChain: readonly X509[];
}

/** Evidence of hardware vendors where it is found (`OTR_VECTORS`), else that of development roots. */
export function attestationEvidence(): AttestationEvidence {
  return HAS_EVIDENCE ? vendorsEvidence() : developmentEvidence();
}

function intelPart(
  quote: Uint8Array,
  collateral: Collateral,
  others: readonly SignedDocument[],
): Omit<AttestationEvidence, "kind" | "intelTime" | "nvidiaTime" | "report" | "gpuChain"> {
  const [pck] = certificatesOf(quote);
  const [signer, root] = parsePem(collateral.tcb_info_issuer_chain).map(({ der }) => der);
  const [authority] = parsePem(collateral.pck_crl_issuer_chain).map(({ der }) => der);
  const list = (hex: string) => fromHex(`0x${hex}`);
  const tcbInfo = tcbInfoOf(collateral);
  const largest = [tcbInfo, ...others].reduce((a, b) => (b.json.length > a.json.length ? b : a));
  return {
    chains: {
      ...{ root: root!, signer: signer!, authority: authority! },
      rootCrl: list(collateral.root_ca_crl),
      authorityCrl: list(collateral.pck_crl),
    },
    quote,
    pck: pck!,
    tcbInfo,
    qeIdentity: { json: collateral.qe_identity, signature: `0x${collateral.qe_identity_signature}` },
    largestTcbInfo: { ...largest, time: issueTime(largest) },
  };
}

const tcbInfoOf = ({ tcb_info: json, tcb_info_signature }: Collateral): SignedDocument => ({
  json,
  signature: `0x${tcb_info_signature}`,
});
const issueTime = ({ json }: SignedDocument): number => Date.parse(JSON.parse(json).issueDate) / 1000;

/** Intel's of June 2025, NVIDIA's of February 2026. */
function vendorsEvidence(): AttestationEvidence {
  const file = (name: string) => evidence(`intel-tdx/${name}`);
  const collateral = (name: string): Collateral => JSON.parse(file(`${name}_collateral.json`).toString());
  const gpu = (name: string) => evidence(`nvidia-h100/C_h100_580.159.03_${name}`).toString();
  return {
    kind: "vendors",
    intelTime: 1_750_420_800,
    nvidiaTime: 1_771_545_600,
    ...intelPart(new Uint8Array(file("A_tdx_v4_quote.bin")), collateral("A"), [
      tcbInfoOf(collateral("B")),
      tcbInfoOf(collateral("C")),
      documentOf("tcbInfo", file("D_tcbinfo_90C06F000000.json").toString()),
    ]),
    report: fromHex(`0x${gpu("report.hex").trim()}`),
    gpuChain: parsePem(gpu("chain.pem")),
  };
}

/** The same structures under roots of our own. */
export function developmentEvidence(): AttestationEvidence {
  const time = 1_790_000_000;
  const seed = new TextEncoder().encode("bench");
  const intel = new DevIntel(seed);
  const gpu = new DevNvidia(seed).gpu(0);
  const of = { issuedAt: time };
  return {
    kind: "development",
    intelTime: time,
    nvidiaTime: time,
    ...intelPart(intel.tdxQuote(new Uint8Array(64)), intel.tdxCollateral(of), [tcbInfoOf(intel.sgxCollateral(of))]),
    report: gpu.report(new Uint8Array(32).fill(1)),
    gpuChain: gpu.chain.map((der) => parseCertificate(der)),
  };
}
