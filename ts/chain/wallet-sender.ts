import type { Account, Chain, Client, Transport } from "viem";
import { call, estimateGas, sendTransaction, waitForTransactionReceipt } from "viem/actions";
import { TransactionRevertedError } from "./errors.ts";
import { gasLimitOf } from "./gas.ts";
import { decodeRevert } from "./revert.ts";
import type { Call, Sender } from "./sender.ts";

/**
 * A sender without memory over a viem client that has an account: for command lines and tests. Daemons use a `Transactor`.
 *
 * @param pollMs Milliseconds between two looks for the receipt.
 */
export function walletSender(client: Client<Transport, Chain, Account>, pollMs = client.pollingInterval): Sender {
  return {
    address: client.account.address,
    async send(request: Call) {
      const { to, data, value, name } = request;
      let gas: bigint;
      try {
        await call(client, { account: client.account, to, data, value });
        gas = gasLimitOf(await estimateGas(client, { account: client.account, to, data, value }));
      } catch (error) {
        throw decodeRevert(error, request);
      }
      const hash = await sendTransaction(client, { to, data, value, gas });
      const receipt = await waitForTransactionReceipt(client, { hash, pollingInterval: pollMs });
      if (receipt.status !== "success") throw new TransactionRevertedError(name, hash);
      return receipt;
    },
  };
}
