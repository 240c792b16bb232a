import { keccak256, type LocalAccount, type TransactionReceipt } from "viem";
import { getBlock } from "viem/actions";
import { getEnclaveChallenge, isEnclaveActive, registerEnclave } from "../chain/actions/register-enclave.ts";
import type { OtrContext } from "../chain/context.ts";
import { DEV_KIND, devEvidence, SOFTWARE_MEASUREMENT } from "../chain/dev-evidence.ts";
import type { Hex } from "../commit/bytes.ts";
import type { SoftwareEnclave } from "./enclave.ts";
import type { ProveKey } from "./key-keeper.ts";

/** Seconds that evidence of a software enclave holds: the registry shortens it to its own lifetime of keys. */
const EVIDENCE_SECONDS = 30n * 24n * 3600n;

/** A software enclave and who vouches for it. */
export interface RegisterSoftwareEnclaveParameters {
  readonly enclave: Pick<SoftwareEnclave, "address" | "modelId" | "consent">;
  readonly executor: Hex;
  /** Root of development evidence. */
  readonly devRoot: Pick<LocalAccount, "sign">;
  /** Seconds since 1970 until which the evidence holds. */
  readonly notAfter: bigint;
  readonly measurement?: Hex;
  /** Proves a key anew that is active, and so lengthens its registration. */
  readonly renew?: boolean;
  /** Names the deed for senders that remember. */
  readonly id?: string;
}

/**
 * Registers a software enclave's key with development evidence, unless it is active already. The registry must accept such evidence,
 * and a policy must accept the measurement for the model.
 */
export async function registerSoftwareEnclave(
  context: OtrContext,
  parameters: RegisterSoftwareEnclaveParameters,
): Promise<TransactionReceipt | undefined> {
  const { enclave, executor, devRoot, notAfter, measurement = SOFTWARE_MEASUREMENT, renew = false, id } = parameters;
  const { address: enclaveKey, modelId } = enclave;
  if (!renew && (await isEnclaveActive(context, { enclaveKey, executor, modelId }))) return undefined;
  // A software enclave has no encryption key.
  const registration = { executor, modelId, enclaveKey, encryptionKeyHash: keccak256("0x") };
  const { challenge, rd0 } = await getEnclaveChallenge(context, registration);
  const deviceId = keccak256(enclaveKey);
  const evidence = await devEvidence({ root: devRoot, measurement, rd0, notAfter, deviceId });
  const enclaveSignature = await enclave.consent(challenge);
  return registerEnclave(context, {
    registration,
    kind: DEV_KIND,
    evidence,
    enclaveSignature,
    ...(id === undefined ? {} : { id }),
  });
}

/** Proves keys with development evidence, in one transaction each. */
export function softwareProver(
  context: OtrContext,
  proofs: Pick<RegisterSoftwareEnclaveParameters, "executor" | "devRoot">,
): ProveKey {
  return async (enclave, deed) => {
    const { timestamp } = await getBlock(context.client);
    await registerSoftwareEnclave(context, { enclave, ...proofs, notAfter: timestamp + EVIDENCE_SECONDS, ...deed });
  };
}
