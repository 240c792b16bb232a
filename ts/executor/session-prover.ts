import { type Address, keccak256 } from "viem";
import { proveEnclave } from "../chain/actions/prove-enclave.ts";
import type { OtrContext } from "../chain/context.ts";
import type { Logger } from "../config/logger.ts";
import type { Config } from "../config/schema.ts";
import { readCollateral } from "../enclave/collateral-file.ts";
import type { EvidenceSource } from "../enclave/source.ts";
import type { ProveKey } from "./key-keeper.ts";

/** What keys are proved with. */
export interface SessionProverOptions {
  readonly executor: Address;
  readonly source: EvidenceSource;
  readonly config: Pick<Config, "rpc"> & { readonly executor: Pick<Config["executor"], "attestation"> };
  readonly log: Logger;
}

/** Proves keys in sessions, with evidence of the machine. */
export function sessionProver(context: OtrContext, { executor, source, config, log }: SessionProverOptions): ProveKey {
  const { collateral, gpuMeasurements } = config.executor.attestation;
  return async (enclave, { renew = false }) => {
    const { address: enclaveKey, modelId } = enclave;
    const { transactions, gas } = await proveEnclave(context, {
      // A software enclave has no encryption key.
      registration: { executor, modelId, enclaveKey, encryptionKeyHash: keccak256("0x") },
      ...{ source, renew },
      consent: (challenge) => enclave.consent(challenge),
      chosen: BigInt(gpuMeasurements),
      maxRange: BigInt(config.rpc.maxBlockRange),
      ...(collateral === undefined ? {} : { collateral: readCollateral(collateral) }),
      onSent: (name, { transactionHash: hash, gasUsed }) => log.info({ name, hash, gas: gasUsed }, "enclave key: sent"),
    });
    log.info({ key: enclaveKey, transactions, gas }, "enclave key proved");
  };
}
