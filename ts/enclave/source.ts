import type { Collateral } from "../attestation/intel/collateral.ts";
import { EvidenceUnavailableError } from "./errors.ts";

/** Kinds of Intel's machines, by their quotes: of virtual machines, and of enclaves. */
export type Tee = "tdx" | "sgx";

/** Evidence of the machine's processor for 64 bytes of report data. */
export type CpuEvidence =
  | { readonly kind: Tee; readonly quote: Uint8Array }
  /** `certificates` as the host handed them over; empty if it has none. */
  | { readonly kind: "snp"; readonly report: Uint8Array; readonly certificates: Uint8Array };

/** A GPU's report, and its chain in PEM, leaf first. */
export interface GpuEvidence {
  readonly report: Uint8Array;
  readonly chain: string;
}

/** Evidence of a machine. */
export interface Evidence {
  readonly cpu: CpuEvidence;
  /** One for each nonce, in their order. */
  readonly gpus: readonly GpuEvidence[];
  /** What a verifier cannot fetch elsewhere: of development roots. */
  readonly collateral?: Collateral;
}

/** Where an enclave's evidence comes from. Drivers take each other's place. */
export interface EvidenceSource {
  readonly kind: CpuEvidence["kind"] | "dev";
  /** GPUs of the machine: as many as `gpuNonces` may have. */
  readonly gpus: number;
  /** Text that the machine's MRCONFIGID commits to, if it does: what the guest was started with. */
  readonly configuration?: string;
  /**
   * @param reportData 64 bytes that the processor's evidence carries.
   * @param gpuNonces 32 bytes for each GPU that is to report; none asks for none.
   * @throws EvidenceUnavailableError
   */
  evidence(reportData: Uint8Array, gpuNonces: readonly Uint8Array[]): Promise<Evidence>;
}

/** Makes evidence of a processor. */
export interface CpuDriver {
  readonly kind: CpuEvidence["kind"];
  evidence(reportData: Uint8Array): Promise<CpuEvidence>;
}

/** Makes reports of GPUs. */
export interface GpuDriver {
  readonly count: number;
  evidence(nonces: readonly Uint8Array[]): Promise<readonly GpuEvidence[]>;
}

/** A machine's processor and GPUs as one source. */
export function machineSource(cpu: CpuDriver, gpus?: GpuDriver): EvidenceSource {
  return {
    kind: cpu.kind,
    gpus: gpus?.count ?? 0,
    async evidence(reportData, gpuNonces) {
      checkAsked(reportData, gpuNonces, gpus?.count ?? 0);
      // GPUs first: a digest of their reports may be part of the report data next time, and is never of a later one.
      const reports = gpuNonces.length === 0 ? [] : await gpus!.evidence(gpuNonces);
      return { cpu: await cpu.evidence(reportData), gpus: reports };
    },
  };
}

/** @throws EvidenceUnavailableError if report data or nonces have not their size, or there are too many. */
export function checkAsked(reportData: Uint8Array, nonces: readonly Uint8Array[], count: number): void {
  const wrong = (reason: string) => new EvidenceUnavailableError("The machine", reason);
  if (reportData.length !== 64) throw wrong(`Report data has ${reportData.length} bytes, not 64.`);
  if (nonces.length > count) throw wrong(`${nonces.length} nonces are for ${count} GPUs.`);
  if (nonces.some(({ length }) => length !== 32)) throw wrong("A GPU's nonce has not 32 bytes.");
}
