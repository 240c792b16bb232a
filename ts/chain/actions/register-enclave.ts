import { type Address, type Hex, type TransactionReceipt, zeroHash } from "viem";
import { getChainId } from "viem/actions";
import { challengeHash, type RegistrationChallenge, type SessionRegistration } from "../../attestation/challenge.ts";
import { reportData } from "../../attestation/gpu-evidence.ts";
import { type OtrContext, read, write } from "../context.ts";

/** Which key is to serve for whom. */
export type EnclaveRegistration = SessionRegistration;

/** A registration with its proof. */
export interface RegisterEnclaveParameters {
  readonly registration: EnclaveRegistration;
  /** Kind of the evidence, as its verifier names it. */
  readonly kind: Hex;
  readonly evidence: Hex;
  /** Hints for the verifier. */
  readonly aux?: Hex;
  /** The enclave key's signature over the challenge: 65 bytes, over the 32 bytes as they are. */
  readonly enclaveSignature: Hex;
  /** Names the deed for senders that remember. */
  readonly id?: string;
}

/** What evidence (`rd0`) and enclave key (`challengeHash` of `challenge`) must prove for a registration. */
export async function getEnclaveChallenge(
  context: OtrContext,
  registration: EnclaveRegistration,
): Promise<{ challenge: RegistrationChallenge; rd0: Hex }> {
  const { client, addresses } = context;
  const { expiresAt } = await read(context, "enclaves", "enclaveOf", [registration.enclaveKey]);
  const challenge = { chainId: await getChainId(client), registry: addresses.enclaves, registration, expiresAt };
  return { challenge, rd0: reportData(challengeHash(challenge), [], zeroHash) };
}

/** Registers or renews an enclave key. */
export function registerEnclave(
  context: OtrContext,
  parameters: RegisterEnclaveParameters,
): Promise<TransactionReceipt> {
  const { registration, kind, evidence, aux, enclaveSignature, id } = parameters;
  const proof = { kind, evidence, aux: aux ?? "0x" } as const;
  const options = id === undefined ? {} : { id };
  return write(context, "enclaves", "register", [registration, proof, enclaveSignature], options);
}

/** Whether a key may vouch for executor and model now. */
export function isEnclaveActive(
  context: OtrContext,
  parameters: { enclaveKey: Address; executor: Address; modelId: Hex },
): Promise<boolean> {
  const { enclaveKey, executor, modelId } = parameters;
  return read(context, "enclaves", "isActive", [enclaveKey, executor, modelId]);
}

/** When a key was first registered, when its registration ends, and when it was revoked: seconds since 1970, 0 for never. */
export async function enclaveRegistration(
  context: OtrContext,
  enclaveKey: Address,
): Promise<Readonly<Record<"registeredAt" | "expiresAt" | "revokedAt", bigint>>> {
  const { registeredAt, expiresAt, revokedAt } = await read(context, "enclaves", "enclaveOf", [enclaveKey]);
  return { registeredAt: BigInt(registeredAt), expiresAt: BigInt(expiresAt), revokedAt: BigInt(revokedAt) };
}

/** Revokes a key for good. */
export function revokeEnclave(context: OtrContext, enclaveKey: Address): Promise<TransactionReceipt> {
  return write(context, "enclaves", "revoke", [enclaveKey]);
}
