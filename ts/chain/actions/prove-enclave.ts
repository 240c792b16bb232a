import { randomBytes } from "node:crypto";
import { type Address, type Hex, keccak256, stringToHex, type TransactionReceipt } from "viem";
import { getBlock } from "viem/actions";
import type { Challenge, SessionRegistration } from "../../attestation/challenge.ts";
import { UnsupportedEvidenceError } from "../../attestation/errors.ts";
import { firmwareOf } from "../../attestation/gpu-firmware.ts";
import type { Collateral } from "../../attestation/intel/collateral.ts";
import { quoteMeasurement } from "../../attestation/intel/measurement.ts";
import { withoutCertificates } from "../../attestation/intel-submissions.ts";
import { type GpuAttesters, registerInSession } from "../../attestation/session.ts";
import { parsePem } from "../../attestation/x509.ts";
import { concat, fromHex, toHex } from "../../commit/bytes.ts";
import type { Evidence, EvidenceSource, Tee } from "../../enclave/source.ts";
import { type AttestationContracts, attestationContracts, DCAP_KINDS } from "../attestation-contracts.ts";
import { type OtrContext, read } from "../context.ts";
import {
  CollateralStaleError,
  ContractRevertError,
  EnclaveKeyError,
  EnclaveProofError,
  NoSenderError,
  NotInstalledError,
  PinnedRootError,
  PolicyError,
} from "../errors.ts";
import { hintOf } from "../proof-hints.ts";
import type { Call } from "../sender.ts";
import { chainSessionPort } from "../session-port.ts";
import { checkedChain, submitIntel } from "./submit-intel.ts";

/** A key, and the machine that proves it. */
export interface ProveEnclaveParameters {
  readonly registration: SessionRegistration;
  /** The machine's evidence. All its GPUs are proved. */
  readonly source: EvidenceSource;
  /** What Intel signs about the platform, if it does not come with the evidence. Left out, the chain has to have it. */
  readonly collateral?: Collateral | undefined;
  /** The GPU measurements that the accepted firmware names: bit k stands for index k. */
  readonly chosen: bigint;
  /** The enclave key's signature over the challenge's hash, its 32 bytes as they are. */
  consent(challenge: Challenge): Promise<Hex>;
  /** Prove anew a key that is active, for longer. */
  readonly renew?: boolean;
  /** Blocks per log query at most. */
  readonly maxRange?: bigint | undefined;
  /** Told of each transaction that was sent, not of those that an earlier process had sent. */
  readonly onSent?: (name: string, receipt: TransactionReceipt) => void;
}

/** What became of it. */
export interface ProvedEnclave {
  /** False if the key was active already, and nothing was sent for it. */
  readonly changed: boolean;
  readonly measurement: Hex;
  /** Seconds since 1970. */
  readonly expiresAt: bigint;
  readonly transactions: number;
  readonly gas: bigint;
}

const NO_DATA = new Uint8Array(64);
const NONCE_BYTES = 32;

/**
 * Registers or renews an enclave key with evidence of its machine: certificates and collateral that the chain lacks, a session, the GPUs' reports,
 * the quote, and the end of it. Whatever stops it, the same call goes on where it was: each step looks first at what the chain has.
 *
 * Nothing is sent before it is clear that the policy takes the machine, and that a renewal lengthens the key's life.
 *
 * @throws UnsupportedEvidenceError for SEV-SNP. @throws PolicyError, CollateralStaleError, PinnedRootError, EnclaveKeyError, NotInstalledError
 * @throws EnclaveProofError if a contract refuses a step
 */
export async function proveEnclave(context: OtrContext, parameters: ProveEnclaveParameters): Promise<ProvedEnclave> {
  const { registration, source, chosen, renew = false, onSent, maxRange } = parameters;
  const { sender } = context;
  if (sender === undefined) throw new NoSenderError("proveEnclave");
  const { enclaveKey, modelId } = registration;
  const before = await read(context, "enclaves", "enclaveOf", [enclaveKey]);
  const { timestamp: now, number: head } = await getBlock(context.client);
  const ended = (reason: string) => new EnclaveKeyError(enclaveKey, reason);
  if (before.revokedAt !== 0) throw ended("is revoked");
  const isKnown = before.expiresAt !== 0;
  if (isKnown && BigInt(before.expiresAt) <= now) throw ended("has expired, and is not renewed after that");
  if (renew && !isKnown) throw ended("was never registered, so there is nothing to renew");
  const sofar = { measurement: before.measurement, expiresAt: BigInt(before.expiresAt) };
  if (isKnown && !renew) return { changed: false, ...sofar, transactions: 0, gas: 0n };

  const machine = await look(source);
  const { measurement, tee } = machine;
  const contracts = await attestationContracts(context, tee);
  if (isKnown && measurement !== before.measurement)
    throw ended(`measures ${before.measurement}, this machine ${measurement}`);
  await checkedChain(context, contracts, machine.quote);
  await checkGpuRoots(context, contracts, machine);
  const lifetime = await checkPolicy(context, { contracts, modelId, machine, chosen, now });

  let [transactions, gas] = [0, 0n];
  const send = async (call: Call, id: string) => {
    const receipt = await sender.send(call, { id }).catch((error: unknown) => {
      throw error instanceof ContractRevertError
        ? new EnclaveProofError(call.name, hintOf(error.errorName), error)
        : error;
    });
    // Senders that remember answer with what an earlier process sent.
    if (receipt.blockNumber <= head) return receipt;
    transactions++;
    gas += receipt.gasUsed;
    onSent?.(call.name, receipt);
    return receipt;
  };
  const collateral = machine.evidence.collateral ?? parameters.collateral;
  const latest = now + lifetime;
  // Fresh documents come out every day: those that are there stay until a key would live noticeably shorter for them.
  const enough = now + (2n * lifetime) / 3n;
  const until = enough > sofar.expiresAt ? enough : sofar.expiresAt + 1n;
  const { aux, tcbEval } = await submitIntel(context, { contracts, quote: machine.quote, collateral, until, send });
  const notAfter = await tried(context, contracts, machine.quote, aux);
  const show = (seconds: bigint) => new Date(Number(seconds) * 1000).toISOString();
  if (renew && latest < sofar.expiresAt)
    throw new PolicyError(`A renewal would end the key at ${show(latest)}, no later than now.`, "Renew it later.");
  if (renew && notAfter <= sofar.expiresAt)
    throw new CollateralStaleError("collateral", `It ends at ${show(notAfter)}, no later than the key does now.`);

  const { configuration } = source;
  const port = chainSessionPort({
    ...{ context, contracts, send },
    deed: `${enclaveKey}:${sofar.expiresAt}`,
    ...(maxRange === undefined ? {} : { maxRange }),
  });
  await registerInSession(port, {
    ...{ registration, measurement, chosen, cpu: { kind: DCAP_KINDS[tee], tcbEval } },
    gpus: { ...machine.gpus, firmware: machine.evidence.gpus.map(({ report }) => firmwareOf(report, chosen)) },
    imageConfig: configuration === undefined ? `0x${"00".repeat(32)}` : keccak256(stringToHex(configuration)),
    consent: parameters.consent,
    async quote(rd0) {
      const { cpu } = await source.evidence(concat([fromHex(rd0), new Uint8Array(32)]), []);
      return { kind: DCAP_KINDS[tee], evidence: toHex(withoutCertificates(quoteOf(cpu).quote)), aux };
    },
  });
  const { expiresAt } = await read(context, "enclaves", "enclaveOf", [enclaveKey]);
  return { changed: true, measurement, expiresAt: BigInt(expiresAt), transactions, gas };
}

/** What a machine's policy is about. */
export interface Machine {
  readonly evidence: Evidence;
  readonly tee: Tee;
  readonly quote: Uint8Array;
  /** As policies name it. */
  readonly measurement: Hex;
  readonly gpus: Omit<GpuAttesters, "firmware">;
}

/** Evidence that proves no key: of the machine as it is. @throws UnsupportedEvidenceError for SEV-SNP */
export async function look(source: EvidenceSource): Promise<Machine> {
  const nonces = Array.from({ length: source.gpus }, () => new Uint8Array(randomBytes(NONCE_BYTES)));
  const evidence = await source.evidence(NO_DATA, nonces);
  const { kind: tee, quote } = quoteOf(evidence.cpu);
  return {
    ...{ evidence, tee, quote, measurement: quoteMeasurement(quote) },
    gpus: {
      chains: evidence.gpus.map(({ chain }) => parsePem(chain)),
      reports: async (asked) => (await source.evidence(NO_DATA, asked)).gpus.map(({ report }) => report),
    },
  };
}

function quoteOf(cpu: Evidence["cpu"]) {
  if (cpu.kind !== "snp") return cpu;
  throw new UnsupportedEvidenceError(
    "Registration with SEV-SNP evidence",
    "No contract verifies it; clients do (`otr attest verify`). A verifier enclave or a statement of governance can vouch for the key instead.",
  );
}

/** @returns Seconds that the policy lets a key live. @throws PolicyError */
async function checkPolicy(
  context: OtrContext,
  asked: { contracts: AttestationContracts; modelId: Hex; machine: Machine; chosen: bigint; now: bigint },
): Promise<bigint> {
  const { contracts, modelId, machine, chosen, now } = asked;
  const { measurement, evidence } = machine;
  const [validUntil, terms, keyLifetime] = await Promise.all([
    read(context, "enclaves", "policyOf", [modelId, measurement]),
    read(context, "enclaves", "termsOf", [modelId, measurement]),
    read(context, "enclaves", "keyLifetime", []),
  ]);
  const set = `otr enclave policy set ${modelId} --measurement ${measurement}`;
  if (BigInt(validUntil) <= now)
    throw new PolicyError(
      `No policy of model ${modelId} accepts measurement ${measurement} now.`,
      `Governance: ${set}`,
    );
  const gpus = evidence.gpus.length;
  if (gpus < terms.gpus)
    throw new PolicyError(
      `It asks for ${terms.gpus} GPUs, and ${gpus} are attested.`,
      "Set executor.attestation.gpus.",
    );
  const assurance = gpus === 0 ? 2 : 3;
  if (assurance < terms.minAssurance)
    throw new PolicyError(
      `It asks for assurance ${terms.minAssurance}; evidence of ${gpus} GPUs gives ${assurance}.`,
      "Set executor.attestation.gpus, or ask governance for other terms.",
    );
  for (const { report } of evidence.gpus) {
    const firmware = firmwareOf(report, chosen);
    const args = [terms.firmwareSet, firmware] as const;
    if (BigInt(await read(context, "sessions", "firmwareOf", args, { address: contracts.sessions })) <= now)
      throw new PolicyError(
        `Its set ${terms.firmwareSet} does not accept GPU firmware ${firmware} now.`,
        `Governance: otr enclave firmware accept ${terms.firmwareSet} ${firmware}. The id depends on executor.attestation.gpuMeasurements, too.`,
      );
  }
  return BigInt(terms.lifetime === 0 || keyLifetime < terms.lifetime ? keyLifetime : terms.lifetime);
}

/** @throws PinnedRootError if GPUs lead to another root, NotInstalledError if the chain takes no evidence of GPUs */
async function checkGpuRoots(context: OtrContext, { gpus }: AttestationContracts, machine: Machine): Promise<void> {
  if (machine.gpus.chains.length === 0) return;
  if (gpus === undefined) throw new NotInstalledError("verifier of GPU reports (NvidiaVerifier)");
  const address = gpus.nvidiaCertificates;
  const root = await read(context, "nvidiaCertificates", "ROOT", [], { address });
  for (const chain of machine.gpus.chains) {
    const last = chain.at(-1);
    const got = last === undefined ? "none" : keccak256(last.der);
    if (got !== root) throw new PinnedRootError("NVIDIA", root, got);
  }
}

/** Until when the chain would take the quote, seconds since 1970: asked before a session is paid for. @throws EnclaveProofError if it refuses */
async function tried(context: OtrContext, { dcap }: { dcap: Address }, quote: Uint8Array, aux: Hex): Promise<bigint> {
  const args = [toHex(withoutCertificates(quote)), aux] as const;
  const claims = await read(context, "dcap", "verify", args, { address: dcap }).catch((error: unknown) => {
    throw error instanceof ContractRevertError
      ? new EnclaveProofError("the processor's quote", hintOf(error.errorName), error)
      : error;
  });
  return claims.notAfter;
}
