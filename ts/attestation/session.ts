import type { Address } from "viem";
import { fromHex, type Hex, toHex } from "../commit/bytes.ts";
import { EvidenceEncodingError } from "./errors.ts";
import {
  type CacheStep,
  cacheSteps,
  gpuAux,
  gpuEvidenceHash,
  gpuNonce,
  NVIDIA_KIND,
  reportData,
} from "./gpu-evidence.ts";
import type { X509 } from "./x509.ts";

/** The key to be registered, as `EnclaveRegistry` takes it. */
export interface SessionRegistration {
  readonly executor: Address;
  readonly modelId: Hex;
  readonly enclaveKey: Address;
  readonly encryptionKeyHash: Hex;
}

/** What a verifier says of evidence, as `IEvidenceVerifier` returns it. */
export interface Claims {
  readonly kind: Hex;
  readonly deviceId: Hex;
  readonly measurement: Hex;
  readonly rd0: Hex;
  readonly rd1: Hex;
  readonly tcbStatus: number;
  readonly tcbEval: number;
  readonly notAfter: bigint;
  readonly evidenceHash: Hex;
}

/** Evidence with the hints for its verifier. */
export interface SessionEvidence {
  readonly kind: Hex;
  readonly evidence: Hex;
  readonly aux: Hex;
}

/** The transactions of a session; each resolves when it is mined. */
export interface SessionPort {
  /** Whether `NvidiaCertificates` has a certificate with this id. */
  isCached(id: Hex): Promise<boolean>;
  cache(step: CacheStep): Promise<unknown>;
  /** @returns what `SessionOpened` says */
  open(registration: SessionRegistration, measurement: Hex): Promise<{ session: Hex; anchor: Hex }>;
  /** @returns the claims that `EvidenceProved` says */
  prove(evidence: SessionEvidence): Promise<Claims>;
  finalize(
    registration: SessionRegistration,
    anchor: Hex,
    cpu: Claims,
    gpus: readonly Claims[],
    imageConfig: Hex,
    enclaveSignature: Hex,
  ): Promise<unknown>;
}

/** A GPU, asked from inside the enclave. */
export interface GpuAttester {
  /** Its certificates, leaf first, root last. */
  chain(): Promise<readonly X509[]>;
  /** Its report for this nonce of 32 bytes. */
  report(nonce: Uint8Array): Promise<Uint8Array>;
}

/** What a registration with GPUs is made of. */
export interface RegisterWithGpusParameters {
  readonly registration: SessionRegistration;
  /** What the CPU's evidence will measure: names the policy. */
  readonly measurement: Hex;
  readonly gpus: readonly GpuAttester[];
  /** The measurements that the accepted firmware names (`AcceptedFirmware.chosen`). */
  readonly chosen: bigint;
  /** Digest of the image's configuration. */
  readonly imageConfig: Hex;
  /** The CPU's evidence whose report data begins with these 32 bytes. */
  quote(reportData: Hex): Promise<SessionEvidence>;
  /** The enclave key's signature over the 32 bytes as they are. */
  consent(session: Hex): Promise<Hex>;
}

/**
 * Registers or renews an enclave key with evidence of its GPUs, in a session of `EnclaveSessions`. Certificates come first: they need
 * no session, whose time is short. Whatever fails, it can be begun again: what is cached stays so, and a new session takes nothing from the old.
 *
 * @throws SignatureInvalidError if a GPU's certificates or report do not verify
 * @throws EvidenceEncodingError if they are none
 */
export async function registerWithGpus(port: SessionPort, parameters: RegisterWithGpusParameters): Promise<void> {
  const { registration, measurement, gpus, chosen, imageConfig } = parameters;
  const leaves: { id: Hex; der: Uint8Array }[] = [];
  for (const gpu of gpus) {
    const chain = await gpu.chain();
    const steps = cacheSteps(chain);
    const [leaf, last] = [chain[0], steps.at(-1)];
    if (leaf === undefined || last === undefined)
      throw new EvidenceEncodingError("chain of certificates", "It is empty.");
    // From the leaf up to the first one that is known: most of the time all are.
    let known = steps.length;
    while (known > 0 && !(await port.isCached(steps[known - 1]!.id))) known--;
    for (const step of steps.slice(known)) await port.cache(step);
    leaves.push({ id: last.id, der: leaf.der });
  }
  const { session, anchor } = await port.open(registration, measurement);
  const claims: Claims[] = [];
  const hashes: Hex[] = [];
  for (const [k, gpu] of gpus.entries()) {
    const report = await gpu.report(fromHex(gpuNonce(session, k)));
    const evidence = { kind: NVIDIA_KIND, evidence: toHex(report), aux: gpuAux(report, leaves[k]!, chosen) };
    claims.push(await port.prove(evidence));
    hashes.push(gpuEvidenceHash(report));
  }
  const cpu = await port.prove(await parameters.quote(reportData(session, hashes, imageConfig)));
  const signature = await parameters.consent(session);
  await port.finalize(registration, anchor, cpu, claims, imageConfig, signature);
}
