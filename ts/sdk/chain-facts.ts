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
  /** Free stake that a commit must leave: gas of challengers is repaid from it. */
  readonly reserve: bigint;
  /** Stake that a committed receipt locks. */
  readonly lockPerReceipt: bigint;
  /** Seconds from signature to expiry that the executor's exit delay covers at most. */
  readonly expiryCap: bigint;
  /** What the requester of a reverted receipt is paid of that lock. The burnt part, at least half, and the challenger's share never count. */
  readonly coverage: bigint;
  /**
   * The batch of one in which somebody committed the receipt, if the facts were asked for a receipt and there is such a batch. `scarce`: the
   * executor's stake was taken, so that nothing is locked for the receipt and its requester is paid nothing.
   */
  readonly single?: { readonly batchId: bigint; readonly scarce: boolean };
  /** The rules are in refund mode: verdicts pay nobody any more. */
  readonly refunding: boolean;
  /** Machine that the rules' judge decides about. */
  readonly machineVersion: number;
  /** The model's whole program has passed the validator: without that no receipt of it ever stands. */
  readonly modelUsable: boolean;
}

/** What facts are about. With `receiptHash` they say, too, whether that receipt was committed by itself, and what is locked for it. */
export type FactsSubject = Pick<ChainFacts, "executor" | "enclaveKey" | "modelId"> & { readonly receiptHash?: Hex };

/** Where the facts come from. Ask while the answer streams: they only have to be fresh, not of the last block. */
export interface ChainFactsSource {
  facts(subject: FactsSubject): Promise<ChainFacts>;
}
