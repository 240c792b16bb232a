import type { Account, Address, TransactionReceipt } from "viem";
import { estimateGas, call as ethCall } from "viem/actions";
import { BaseError } from "../errors.ts";
import type { ChainClient } from "./client.ts";
import { decodeRevert } from "./revert.ts";
import type { Call, Sender } from "./sender.ts";

/** A call was simulated and not sent: this is how far a dry run goes. */
export class DryRunError extends BaseError {
  readonly call: Call;
  readonly gas: bigint;

  constructor(call: Call, gas: bigint) {
    super(`${call.name} would succeed, and was not sent.`, { code: "chain.dry-run" });
    this.call = call;
    this.gas = gas;
  }
}

/** Simulates calls in the name of an account and sends nothing. */
export class DrySender implements Sender {
  readonly #client: ChainClient;
  readonly address: Address;

  constructor(client: ChainClient, account: Pick<Account, "address">) {
    this.#client = client;
    this.address = account.address;
  }

  /** @throws DryRunError if the call would succeed, ContractRevertError if not. */
  async send(call: Call): Promise<TransactionReceipt> {
    const { to, data, value } = call;
    const request = { account: this.address, to, data, value };
    let gas: bigint;
    try {
      await ethCall(this.#client, request);
      gas = await estimateGas(this.#client, request);
    } catch (error) {
      throw decodeRevert(error, call);
    }
    throw new DryRunError(call, gas);
  }
}
