import { recoverSigner } from "../sdk/recover-signer.ts";
import type { CaseStore, SeenReceipt } from "./case-store.ts";
import type { Fault } from "./verify.ts";

/** Two receipts that contradict each other: the one to convict, and what shows it. */
export interface Twice {
  readonly accused: SeenReceipt;
  readonly fault: Extract<Fault, { kind: "twice" }>;
}

/**
 * Looks for a receipt that cannot be true beside this one. A court takes the other receipt by its signatures, so of the two the one whose
 * signatures hold bears witness against the other.
 */
export function findTwice(store: CaseStore, seen: SeenReceipt): Twice | undefined {
  const { receipt, receiptHash } = seen;
  const candidates = [
    ...store.sameRequest(receipt, receiptHash).map((other) => ({ other, subject: "request" as const })),
    ...store.sameSeq(receipt, receiptHash).map((other) => ({ other, subject: "seq" as const })),
  ];
  for (const { other, subject } of candidates) {
    if (isSigned(other)) return { accused: seen, fault: { kind: "twice", subject, other: other.receiptHash } };
    if (isSigned(seen)) return { accused: other, fault: { kind: "twice", subject, other: receiptHash } };
  }
  return undefined;
}

/** An operator that is a contract signs otherwise: the court asks it, so only the enclave's signature is judged here. */
function isSigned({ receipt, receiptHash, enclaveSignature }: SeenReceipt): boolean {
  return recoverSigner(receiptHash, enclaveSignature)?.toLowerCase() === receipt.enclaveKey.toLowerCase();
}
