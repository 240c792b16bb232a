import type { Abi, Address, Hex, TransactionReceipt } from "viem";

/** A state-changing call, encoded. */
export interface Call {
  readonly to: Address;
  readonly data: Hex;
  /** Wei sent along. */
  readonly value: bigint;
  /** For decoding custom errors. */
  readonly abi: Abi;
  /** For messages, e.g. `rollup.commitBatch`. */
  readonly name: string;
}

/** How a call is sent. */
export interface SendOptions {
  /**
   * Names the deed, for senders that remember: the same id is never carried out twice, not even after a crash. Without it
   * every call is a deed of its own.
   */
  readonly id?: string;
}

/** Whatever brings calls onto the chain: a wallet client, or the transactor of a daemon. */
export interface Sender {
  readonly address: Address;
  /**
   * Simulates, sends and waits until the transaction is in a block.
   * @throws ContractRevertError if the simulation reverts (nothing is sent).
   * @throws TransactionRevertedError if it was mined and reverted.
   */
  send(call: Call, options?: SendOptions): Promise<TransactionReceipt>;
}
