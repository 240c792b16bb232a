import type { CaseStore, SeenReceipt } from "./case-store.ts";
import type { Fault } from "./verify.ts";

/**
 * Looks for a receipt that cannot be true beside this one. Every receipt that was seen can bear witness: it is a leaf of a batch on the
 * chain, or bears both signatures. The one that is looked at is accused, for its window is the younger one.
 */
export function findTwice(store: CaseStore, { receipt, receiptHash }: SeenReceipt): Fault | undefined {
  const [sameRequest] = store.sameRequest(receipt, receiptHash);
  if (sameRequest !== undefined) return { kind: "twice", subject: "request", other: sameRequest.receiptHash };
  const [sameSeq] = store.sameSeq(receipt, receiptHash);
  if (sameSeq !== undefined) return { kind: "twice", subject: "seq", other: sameSeq.receiptHash };
  return undefined;
}
