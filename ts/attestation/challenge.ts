import { type Address, encodeAbiParameters, type Hex, keccak256 } from "viem";
import { tag, toHex } from "../commit/bytes.ts";

/** The key to be registered, as `EnclaveRegistry` takes it. */
export interface SessionRegistration {
  readonly executor: Address;
  readonly modelId: Hex;
  readonly enclaveKey: Address;
  readonly encryptionKeyHash: Hex;
}

/** What a session's challenge is made of. */
export interface SessionChallenge {
  readonly chainId: number;
  readonly registry: Address;
  readonly registration: SessionRegistration;
  readonly sessions: Address;
  readonly policyId: Hex;
  readonly anchor: Hex;
}

/** What the challenge of a registration in one transaction is made of. */
export interface RegistrationChallenge {
  readonly chainId: number;
  readonly registry: Address;
  readonly registration: SessionRegistration;
  /** When the registration that is renewed ends, seconds since 1970; 0 of a new key. */
  readonly expiresAt: number;
}

/**
 * What an enclave key agrees to when it signs the hash. Whoever signs makes the hash itself: the same key signs receipts, which are 32 bytes as
 * well, and the chain that an enclave sees is the one that its host shows it.
 */
export type Challenge = SessionChallenge | RegistrationChallenge;

const WORD = { type: "bytes32" } as const;
const NUMBER = { type: "uint256" } as const;
const ADDRESS = { type: "address" } as const;
const REGISTRATION = [ADDRESS, WORD, ADDRESS, WORD] as const;

/** The hash of a challenge, as `challengeOf` of `EnclaveSessions` or of `EnclaveRegistry`. */
export function challengeHash(challenge: Challenge): Hex {
  const { registry, registration } = challenge;
  const { executor, modelId, enclaveKey, encryptionKeyHash } = registration;
  const chainId = BigInt(challenge.chainId);
  const words = [executor, modelId, enclaveKey, encryptionKeyHash] as const;
  return keccak256(
    "anchor" in challenge
      ? encodeAbiParameters(
          [WORD, NUMBER, ADDRESS, ADDRESS, ...REGISTRATION, WORD, WORD],
          [
            toHex(tag("OTR/session/1")),
            chainId,
            registry,
            challenge.sessions,
            ...words,
            challenge.policyId,
            challenge.anchor,
          ],
        )
      : encodeAbiParameters(
          [WORD, NUMBER, ADDRESS, ...REGISTRATION, NUMBER],
          [toHex(tag("OTR/ev/1")), chainId, registry, ...words, BigInt(challenge.expiresAt)],
        ),
  );
}
