/** Gas that one transaction may have at most (EIP-7825). */
export const TRANSACTION_GAS_CAP = 16_777_216n;

/** Gas limit for an estimate: a fifth more, since state may change until the transaction is mined, within the cap. */
export function gasLimitOf(estimate: bigint): bigint {
  const limit = estimate + estimate / 5n;
  return limit > TRANSACTION_GAS_CAP && estimate <= TRANSACTION_GAS_CAP ? TRANSACTION_GAS_CAP : limit;
}

/** Fees of one transaction, in wei per gas. */
export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/**
 * Fees of a replacement: at least a quarter more than before (nodes ask for 10%), at least what the chain asks now, and at most
 * `limit`. Undefined when the limit leaves no room for a valid replacement.
 */
export function raiseFees(before: Fees, now: Fees, limit: bigint): Fees | undefined {
  const raise = (old: bigint, current: bigint) => {
    const more = old + old / 4n + 1n;
    return more > current ? more : current;
  };
  const maxFeePerGas = raise(before.maxFeePerGas, now.maxFeePerGas);
  const maxPriorityFeePerGas = raise(before.maxPriorityFeePerGas, now.maxPriorityFeePerGas);
  const capped = maxFeePerGas > limit ? limit : maxFeePerGas;
  if (capped * 10n < before.maxFeePerGas * 11n || maxPriorityFeePerGas > capped) return undefined;
  return { maxFeePerGas: capped, maxPriorityFeePerGas };
}
