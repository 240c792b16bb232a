import type { Abi } from "viem";
import {
  availabilityAbi,
  dcapVerifierAbi,
  disputeGameAbi,
  elementVerifierAbi,
  enclaveRegistryAbi,
  enclaveSessionsAbi,
  fallbackRandomnessAbi,
  fraudProofsAbi,
  iEvidenceVerifierAbi,
  iJudgeAbi,
  intelCertificatesAbi,
  intelCollateralAbi,
  iProgramValidatorAbi,
  iRandomnessAbi,
  modelRegistryAbi,
  nvidiaCertificatesAbi,
  nvidiaOcspAbi,
  nvidiaVerifierAbi,
  otrRequestsAbi,
  otrRollupAbi,
  spotChecksAbi,
  stakeVaultAbi,
} from "./generated.ts";

/** ABI of each deployed contract, by its name in `Addresses`. */
export const ABIS = {
  rollup: otrRollupAbi,
  vault: stakeVaultAbi,
  models: modelRegistryAbi,
  enclaves: enclaveRegistryAbi,
  game: disputeGameAbi,
  frauds: fraudProofsAbi,
  availability: availabilityAbi,
  requests: otrRequestsAbi,
  spotChecks: spotChecksAbi,
  randomness: fallbackRandomnessAbi,
  elementVerifier: elementVerifierAbi,
  sessions: enclaveSessionsAbi,
  dcap: dcapVerifierAbi,
  intelCertificates: intelCertificatesAbi,
  intelCollateral: intelCollateralAbi,
  nvidia: nvidiaVerifierAbi,
  nvidiaCertificates: nvidiaCertificatesAbi,
  nvidiaOcsp: nvidiaOcspAbi,
} as const;

/** Name of a contract that actions talk to. */
export type ContractName = keyof typeof ABIS;

/** Contracts that only the rules of a batch name, or the registry of enclave keys, if at all: actions are told their address. */
export type NamedOnChain =
  | ("spotChecks" | "randomness" | "elementVerifier")
  | ("sessions" | "dcap" | "intelCertificates" | "intelCollateral" | "nvidia" | "nvidiaCertificates" | "nvidiaOcsp");

/**
 * Every custom error of the protocol: a call may revert with an error of a contract further down. One entry per
 * signature, so that decoding is unambiguous.
 */
export const errorsAbi: Abi = distinctErrors([
  otrRollupAbi,
  otrRequestsAbi,
  stakeVaultAbi,
  modelRegistryAbi,
  enclaveRegistryAbi,
  disputeGameAbi,
  fraudProofsAbi,
  availabilityAbi,
  spotChecksAbi,
  elementVerifierAbi,
  fallbackRandomnessAbi,
  iRandomnessAbi,
  iJudgeAbi,
  iProgramValidatorAbi,
  iEvidenceVerifierAbi,
  enclaveSessionsAbi,
  dcapVerifierAbi,
  intelCertificatesAbi,
  intelCollateralAbi,
  nvidiaVerifierAbi,
  nvidiaCertificatesAbi,
  nvidiaOcspAbi,
]);

function distinctErrors(abis: readonly Abi[]): Abi {
  const found = new Map<string, Abi[number]>();
  for (const item of abis.flat())
    if (item.type === "error") found.set(`${item.name}(${item.inputs.map((input) => input.type)})`, item);
  return [...found.values()];
}
