import type { LocalAccount } from "viem";
import type { Hex } from "../commit/bytes.ts";
import { type Domain, type Receipt, receiptTypedData } from "../commit/typed-data.ts";
import type { OperatorSigner } from "./ports.ts";

/** An operator signer over a viem account (a key file, a keystore or a remote signer behind `toAccount`). */
export function accountSigner(account: Pick<LocalAccount, "address" | "signTypedData">): OperatorSigner {
  return {
    address: account.address.toLowerCase() as Hex,
    signReceipt: (domain: Domain, receipt: Receipt) => account.signTypedData(receiptTypedData(domain, receipt)),
  };
}
