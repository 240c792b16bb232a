import type { Hex } from "../commit/bytes.ts";

/** What the chain says of an executor and one of its enclave keys, at one block. Amounts in wei, times in seconds since 1970. */
export interface ChainFacts {
  readonly executor: Hex;
  readonly enclaveKey: Hex;
  readonly modelId: Hex;
  readonly blockNumber: bigint;
  readonly blockTime: bigint;
  /** The key is registered for this executor and model, not revoked and not expired. */
  readonly keyActive: boolean;
  readonly exiting: boolean;
  readonly suspended: boolean;
  /** Stake that no receipt locks: without it a receipt cannot be committed. */
  readonly freeStake: bigint;
  /** Stake that a committed receipt locks. */
  readonly lockPerReceipt: bigint;
  /** Seconds from signature to expiry that the executor's exit delay covers at most. */
  readonly expiryCap: bigint;
  /** What the requester of a reverted receipt can be paid from that lock, given the key's assurance. */
  readonly coverage: bigint;
}

/** Where the facts come from. Ask while the answer streams: they only have to be fresh, not of the last block. */
export interface ChainFactsSource {
  facts(subject: Pick<ChainFacts, "executor" | "enclaveKey" | "modelId">): Promise<ChainFacts>;
}
