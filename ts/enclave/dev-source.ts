import { createHash } from "node:crypto";
import { keccak256 } from "viem";
import { DevIntel, DevNvidia } from "../attestation/dev-root/index.ts";
import { subjectHash } from "../attestation/intel-submissions.ts";
import { type Clock, systemClock } from "../chain/time.ts";
import { concat, type Hex } from "../commit/bytes.ts";
import { checkAsked, type EvidenceSource, type Tee } from "./source.ts";

/** What a development source is made of. */
export interface DevSourceOptions {
  /** Determines the roots: the same seed, the same roots. */
  readonly seed: Uint8Array;
  readonly gpus?: number;
  /** Text that MRCONFIGID commits to. */
  readonly configuration?: string;
  readonly clock?: Clock;
  /** What the machine is: a virtual machine (TDX, the default) or an enclave (SGX), which commits to no text. */
  readonly tee?: Tee;
}

/** Collateral is issued for a day in which this falls: what is asked twice is the same. */
const DAY = 86_400;
/** TCB evaluation data number: the least that deployments take by default. */
const EVALUATION = 20;

/** Hashes of a development source's roots, as a deployment pins them. */
export function devRoots(seed: Uint8Array): Readonly<Record<"intelRoot" | "intelSigner" | "nvidiaRoot", Hex>> {
  const [intel, nvidia] = [new DevIntel(seed), new DevNvidia(seed)];
  const { root, signer } = intel.certificates;
  return { intelRoot: keccak256(root), intelSigner: subjectHash(signer), nvidiaRoot: keccak256(nvidia.root) };
}

/**
 * Evidence without hardware, in the structure of hardware's: quotes and H100 reports under roots that the seed determines. It proves
 * nothing, and it is what verifiers are run on where there is no such machine.
 */
export function devSource(options: DevSourceOptions): EvidenceSource {
  const { seed, gpus = 1, clock = systemClock, tee = "tdx" } = options;
  const configuration = tee === "tdx" ? options.configuration : undefined;
  const [intel, nvidia] = [new DevIntel(seed), new DevNvidia(seed)];
  const fields = configuration === undefined ? {} : { mrConfigId: mrConfigId(configuration) };
  return {
    kind: "dev",
    gpus,
    ...(configuration === undefined ? {} : { configuration }),
    async evidence(reportData, gpuNonces) {
      checkAsked(reportData, gpuNonces, gpus);
      const now = Math.floor(clock.now() / 1000);
      const reports = gpuNonces.map((nonce, index) => {
        const gpu = nvidia.gpu(index);
        return { report: gpu.report(nonce), chain: gpu.pem };
      });
      const issued = { issuedAt: now - (now % DAY), evaluation: EVALUATION };
      return {
        cpu: { kind: tee, quote: tee === "tdx" ? intel.tdxQuote(reportData, fields) : intel.sgxQuote(reportData) },
        gpus: reports,
        collateral: tee === "tdx" ? intel.tdxCollateral(issued) : intel.sgxCollateral(issued),
      };
    },
  };
}

/** MRCONFIGID of a guest that was started with this text: version 1, its SHA-256, and zeros. */
export function mrConfigId(configuration: string): Uint8Array {
  const digest = createHash("sha256").update(configuration).digest();
  return concat([Uint8Array.of(1), digest, new Uint8Array(15)]);
}
