import { type Client, createClient, custom, type EIP1193RequestFn } from "viem";
import type { DatabaseHooks } from "../../store/database.ts";
import type { ChainClient } from "../client.ts";

/** What every deed of a killed daemon ends with. */
export class KilledError extends Error {}

/**
 * A daemon's life in a test. It counts what outlasts the daemon, writes to its store and transactions handed to the node, and ends the
 * life right after one of them: from then on nothing is written and the chain does not hear the daemon any more, as after `kill -9`.
 */
export class Lifeline implements DatabaseHooks {
  steps = 0;
  readonly #end: number;
  readonly #death = new AbortController();

  /** @param end Number of the step that is the last. */
  constructor(end = Number.POSITIVE_INFINITY) {
    this.#end = end;
  }

  /** Fires when the life ends. */
  get death(): AbortSignal {
    return this.#death.signal;
  }

  beforeWrite = (): void => this.#alive();

  afterWrite = (): void => {
    if (++this.steps < this.#end) return;
    this.#death.abort();
    this.#alive();
  };

  /** A client that is cut off when the life ends. */
  client(uncut: ChainClient): ChainClient {
    const { chain, pollingInterval } = uncut;
    const request: EIP1193RequestFn = async (args) => {
      this.#alive();
      const result = await (uncut.request as EIP1193RequestFn)(args);
      this.#alive();
      if (args.method === "eth_sendRawTransaction") this.afterWrite();
      return result as never;
    };
    const cut = custom({ request }, { retryCount: 0 });
    return createClient({ chain, transport: cut, pollingInterval }) as Client as ChainClient;
  }

  #alive(): void {
    if (this.death.aborted) throw new KilledError("killed by the test");
  }
}
