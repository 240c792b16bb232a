import { fromHex, type Hex, toHex } from "../commit/bytes.ts";
import { BaseError } from "../errors.ts";
import { type Challenge, challengeHash, type SessionChallenge, type SessionRegistration } from "./challenge.ts";
import { BindingError, EvidenceEncodingError } from "./errors.ts";
import {
  type CacheStep,
  cacheSteps,
  gpuAux,
  gpuEvidenceHash,
  gpuNonce,
  NVIDIA_KIND,
  reportData,
} from "./gpu-evidence.ts";
import { parseReport } from "./nvidia/report.ts";
import { verifyEcdsa } from "./signature.ts";
import type { X509 } from "./x509.ts";

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
  readonly certificate: Hex;
}

/** Evidence with the hints for its verifier. */
export interface SessionEvidence {
  readonly kind: Hex;
  readonly evidence: Hex;
  readonly aux: Hex;
}

/** A session that is open. */
export interface OpenSession {
  readonly session: Hex;
  readonly anchor: Hex;
  /** What the session is the hash of. */
  readonly challenge: SessionChallenge;
  /** What verifiers accepted since it was opened, for this session or others. */
  readonly proved: readonly Claims[];
}

/** The transactions of a session; each resolves when it is mined. */
export interface SessionPort {
  /** Whether `NvidiaCertificates` has a certificate with this id. */
  isCached(id: Hex): Promise<boolean>;
  cache(step: CacheStep): Promise<unknown>;
  /** A session of this very registration that has time left; undefined if there is none. */
  resume(registration: SessionRegistration, measurement: Hex): Promise<OpenSession | undefined>;
  open(registration: SessionRegistration, measurement: Hex): Promise<OpenSession>;
  /**
   * @param deed Names the proof, for ports that remember: evidence that is made anew must not be paid for twice.
   * @returns the claims that `EvidenceProved` says
   */
  prove(evidence: SessionEvidence, deed: string): Promise<Claims>;
  /** The evidence that was proved with these claims, of `proved` or of `prove`, as it was sent; undefined if it is not to be had. */
  evidenceOf(claims: Claims): Promise<Hex | undefined>;
  finalize(
    registration: SessionRegistration,
    anchor: Hex,
    cpu: Claims,
    gpus: readonly Claims[],
    imageConfig: Hex,
    enclaveSignature: Hex,
  ): Promise<unknown>;
}

/** A machine's GPUs, asked from inside the enclave. */
export interface GpuAttesters {
  /** Of each GPU its certificates, leaf first, root last. */
  readonly chains: readonly (readonly X509[])[];
  /** Of each GPU its firmware, as `firmwareOf` names it under the measurements that are chosen. */
  readonly firmware: readonly Hex[];
  /** One report for each nonce of 32 bytes, of the GPU in its place. */
  reports(nonces: readonly Uint8Array[]): Promise<readonly Uint8Array[]>;
}

/** What a registration is made of. */
export interface RegisterInSessionParameters {
  readonly registration: SessionRegistration;
  /** What the CPU's evidence will measure: names the policy. */
  readonly measurement: Hex;
  readonly gpus: GpuAttesters;
  /** The measurements that the accepted firmware names (`AcceptedFirmware.chosen`). */
  readonly chosen: bigint;
  /** Digest of the image's configuration. */
  readonly imageConfig: Hex;
  /** Kind of the CPU's evidence, and the TCB evaluation data number that it is judged by. */
  readonly cpu: Pick<Claims, "kind" | "tcbEval">;
  /** The CPU's evidence, of that kind, whose report data begins with these 32 bytes. */
  quote(reportData: Hex): Promise<SessionEvidence>;
  /** The enclave key's signature over the challenge's hash, its 32 bytes as they are. */
  consent(challenge: Challenge): Promise<Hex>;
}

/**
 * Registers or renews an enclave key in a session of `EnclaveSessions`, with evidence of as many GPUs as there are chains, also none. Certificates
 * come first: they need no session, whose time is short. Whatever ends it, it can be begun again: what is cached stays so, and a session that
 * is open goes on with what was proved in it.
 *
 * @throws SignatureInvalidError if a GPU's certificates or report do not verify
 * @throws EvidenceEncodingError if they are none
 * @throws BindingError if the session is not one of this registration, or what was proved is not what a GPU of this machine has reported
 */
export async function registerInSession(port: SessionPort, parameters: RegisterInSessionParameters): Promise<void> {
  const { registration, measurement, gpus, chosen, imageConfig } = parameters;
  const leaves: { id: Hex; der: Uint8Array }[] = [];
  for (const chain of gpus.chains) leaves.push(await cacheChain(port, chain));
  const { session, anchor, challenge, proved } =
    (await port.resume(registration, measurement)) ?? (await port.open(registration, measurement));
  const agreed = { ...challenge, registration, anchor };
  // INVARIANT: this machine's evidence answers for its own key only. The chain is the one that the host shows: it could name the session of a key
  // that the host holds itself, or another hash that the key would sign.
  if (challengeHash(agreed) !== session) throw new BindingError("The session", challengeHash(agreed), session);
  // INVARIANT: anybody may prove anything under these nonces, another GPU or this one's report with other hints. What counts is what this
  // machine would prove itself.
  const known = (expected: Partial<Claims>): Claims[] =>
    proved
      .filter((claims) => Object.entries(expected).every(([name, value]) => claims[name as keyof Claims] === value))
      .sort((a, b) => (a.notAfter < b.notAfter ? 1 : -1));
  const nonces = leaves.map((_, k) => gpuNonce(session, k));
  // INVARIANT: the quote names reports of this machine's GPUs only, whatever the host says that was proved.
  const isOwn = async (claims: Claims, k: number): Promise<boolean> => {
    const evidence = await port.evidenceOf(claims);
    return evidence !== undefined && isReportOf(gpus.chains[k]![0]!, evidence, { nonce: nonces[k]!, claims });
  };
  const before: (Claims | undefined)[] = [];
  for (const [k, { id }] of leaves.entries()) {
    const candidates = known({ kind: NVIDIA_KIND, rd0: nonces[k]!, certificate: id, measurement: gpus.firmware[k]! });
    const own = await Promise.all(candidates.map((claims) => isOwn(claims, k)));
    before.push(candidates.find((_, at) => own[at]));
  }
  const reports = before.every((claims) => claims !== undefined) ? [] : await gpus.reports(nonces.map(fromHex));
  const claims: Claims[] = [];
  for (const [k, leaf] of leaves.entries()) {
    // A report is made anew each time: what counts is the one that was proved, so its hash comes from the claims.
    const evidence = () => {
      const report = reports[k];
      if (report === undefined) throw new EvidenceEncodingError("reports of GPUs", `GPU ${k} gave none.`);
      return { kind: NVIDIA_KIND, evidence: toHex(report), aux: gpuAux(report, leaf, chosen) };
    };
    const gpu = before[k] ?? (await port.prove(evidence(), `${session}:${k}`));
    // Ports that remember answer with an earlier report.
    if (before[k] === undefined && !(await isOwn(gpu, k)))
      throw new BindingError(`The report of GPU ${k}`, gpuEvidenceHash(reports[k]!), gpu.evidenceHash);
    claims.push(gpu);
  }
  const hashes = claims.map(({ evidenceHash }) => evidenceHash);
  const rd0 = reportData(session, hashes, imageConfig);
  const cpu =
    known({ ...parameters.cpu, measurement, rd0 })[0] ??
    (await port.prove(await parameters.quote(rd0), `${session}:cpu`));
  const signature = await parameters.consent(agreed);
  await port.finalize(registration, anchor, cpu, claims, imageConfig, signature);
}

/** Whether this leaf's key signed the report for the nonce, and the claims are of it. */
function isReportOf(leaf: X509, evidence: Hex, { nonce, claims }: { nonce: Hex; claims: Claims }): boolean {
  try {
    const report = fromHex(evidence);
    const parsed = parseReport(report);
    verifyEcdsa("P-384", { message: parsed.signed, signature: parsed.signature, key: leaf.key, what: "Report" });
    return toHex(parsed.nonce) === nonce && gpuEvidenceHash(report) === claims.evidenceHash;
  } catch (error) {
    if (error instanceof BaseError) return false;
    throw error;
  }
}

/** Caches what is missing of a GPU's chain. */
async function cacheChain(port: SessionPort, chain: readonly X509[]): Promise<{ id: Hex; der: Uint8Array }> {
  const steps = cacheSteps(chain);
  const [leaf, last] = [chain[0], steps.at(-1)];
  if (leaf === undefined || last === undefined)
    throw new EvidenceEncodingError("chain of certificates", "It is empty.");
  // From the leaf up to the first one that is known: most of the time all are.
  let known = steps.length;
  while (known > 0 && !(await port.isCached(steps[known - 1]!.id))) known--;
  for (const step of steps.slice(known)) await port.cache(step);
  return { id: last.id, der: leaf.der };
}
