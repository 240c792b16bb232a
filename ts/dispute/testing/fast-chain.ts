import {
  createTestClient,
  type Hex,
  http,
  numberToHex,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import { call, getBlock, getTransactionReceipt } from "viem/actions";
import type { ChainClient } from "../../chain/client.ts";
import { decodeRevert } from "../../chain/revert.ts";
import type { Call, Sender } from "../../chain/sender.ts";

/** Gas limit of every transaction: near the cap of EIP-7825. What is used does not depend on it. */
const GAS = 16_000_000n;

/** A local chain driven as fast as it goes: no simulation, no estimate, no signature, no polling. One transaction, one block. */
export class FastChain {
  readonly #client: ChainClient;

  private constructor(client: ChainClient) {
    this.#client = client;
  }

  static async over(client: ChainClient): Promise<FastChain> {
    const chain = new FastChain(client);
    await client.request({ method: "anvil_autoImpersonateAccount", params: [true] } as never);
    return chain;
  }

  /** A sender for an address that needs no key. @throws ContractRevertError if the transaction is mined and reverts */
  sender(address: Hex): Sender {
    const client = this.#client;
    return {
      address,
      async send(request: Call) {
        const { to, data, value } = request;
        const hash = await client.request({
          method: "eth_sendTransaction",
          params: [{ from: address, to, data, value: numberToHex(value), gas: numberToHex(GAS) }],
        });
        const receipt = await receiptOf(client, hash);
        if (receipt.status === "success") return receipt;
        // The block before: what the transaction changed is reverted, but the time of its own block may matter.
        const replay = call(client, { account: address, to, data, value, gas: GAS });
        throw await replay.then(
          () => new Error(`${request.name} reverted when mined, and not when repeated`),
          (error: unknown) => decodeRevert(error, request),
        );
      },
    };
  }

  async fund(address: Hex, value: bigint): Promise<void> {
    await this.#controls.setBalance({ address, value });
  }

  /** Seconds since 1970 of the newest block. */
  async now(): Promise<bigint> {
    return (await getBlock(this.#client)).timestamp;
  }

  /** The next block comes at this time. */
  async nextBlockAt(timestamp: bigint): Promise<void> {
    await this.#controls.setNextBlockTimestamp({ timestamp });
  }

  /** Lets time pass. */
  async wait(seconds: bigint): Promise<void> {
    await this.nextBlockAt((await this.now()) + seconds);
    await this.#controls.mine({ blocks: 1 });
  }

  /** Remembers the chain as it is. */
  snapshot(): Promise<Hex> {
    return this.#controls.snapshot();
  }

  /** Takes the chain back to where it was. */
  async revert(id: Hex): Promise<void> {
    await this.#controls.revert({ id });
  }

  get #controls() {
    const { chain } = this.#client;
    return createTestClient({ mode: "anvil", chain, transport: http(chain.rpcUrls.default.http[0]) });
  }
}

/** The receipt: its block is made right after the transaction was taken. */
async function receiptOf(client: ChainClient, hash: Hex): Promise<TransactionReceipt> {
  for (;;) {
    try {
      return await getTransactionReceipt(client, { hash });
    } catch (error) {
      if (!(error instanceof TransactionReceiptNotFoundError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}
