import { join } from "node:path";
import type { Hex } from "viem";
import { type LocalAccount, parseEther, parseEventLogs } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { getBlock, getBlockNumber, getLogs, getTransactionReceipt } from "viem/actions";
import { randomFault } from "../../adversary/random-fault.ts";
import { ABIS } from "../../chain/abis.ts";
import type { ChainClient } from "../../chain/client.ts";
import { CHAIN_SQL } from "../../chain/sqlite.ts";
import { KilledError, Lifeline } from "../../chain/testing/lifeline.ts";
import { systemClock } from "../../chain/time.ts";
import type { TransactorOptions } from "../../chain/transactor.ts";
import { prng } from "../../compiler/prng.ts";
import { silentLogger } from "../../config/logger.ts";
import { configSchema } from "../../config/schema.ts";
import type { ModelSource } from "../../dispute/answer.ts";
import type { Engine } from "../../engine/types.ts";
import { Responder } from "../../executor/responder.ts";
import type { Bundle } from "../../sdk/bundle.ts";
import { Database } from "../../store/database.ts";
import { type OpenFisherman, openFisherman } from "../open-fisherman.ts";
import type { SuspectSource } from "../suspects.ts";
import type { Actor, Scene } from "./scene.ts";

/** Milliseconds between two looks of any daemon. */
const POLL_MS = 10;

/** How a fisherman of a test differs from any other. */
export interface FishOptions {
  /** Name of its database file. */
  readonly file?: string;
  readonly account?: LocalAccount;
  readonly life?: Lifeline;
  readonly client?: ChainClient;
  readonly models?: ModelSource;
  readonly suspects?: SuspectSource;
  readonly settings?: Record<string, unknown>;
  /** Blocks that the watcher stays behind. */
  readonly confirmations?: number;
  readonly transactions?: Partial<TransactorOptions>;
}

/** A fisherman at work. */
export interface Fishing extends OpenFisherman {
  readonly account: LocalAccount;
  /** Ends it in order, or waits until a killed one is gone. */
  stop(): Promise<void>;
}

/** A transaction of one account as the chain has it. */
export interface Sent {
  readonly to: string | null;
  readonly input: Hex;
  readonly nonce: number;
  readonly status: "success" | "reverted";
}

/** Starts daemons of a scene, and stops those that a test leaves running. */
export class Crew {
  readonly #scene: Scene;
  readonly #folder: string;
  readonly #stops: (() => Promise<void>)[] = [];

  constructor(scene: Scene, folder: string) {
    this.#scene = scene;
    this.#folder = folder;
  }

  async close(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }

  models(engine: Engine = this.#scene.engine): ModelSource {
    const { model } = this.#scene;
    const playable = { engine, disputed: model, contextLength: model.program.contextLength };
    return async (modelId) => (modelId === model.modelId ? playable : undefined);
  }

  /** A funded account. */
  async account(): Promise<LocalAccount> {
    const account = privateKeyToAccount(generatePrivateKey());
    await this.#scene.chain.setBalance({ address: account.address, value: parseEther("10") });
    return account;
  }

  /** Starts a fisherman. */
  async fish(options: FishOptions = {}): Promise<Fishing> {
    const { client, deployment } = this.#scene;
    const { file = "fisherman.sqlite", life = new Lifeline(), account = await this.account() } = options;
    const opened = openFisherman({
      client: life.client(options.client ?? client),
      deployment,
      account,
      models: options.models ?? this.models(),
      ...(options.suspects === undefined ? {} : { suspects: options.suspects }),
      config: configSchema.parse({
        // Tests make chains shorter.
        rpc: { pollMs: POLL_MS, lagSeconds: 0, confirmations: options.confirmations ?? 0 },
        fisherman: { retrySeconds: 1, downloadAttempts: 2, ...options.settings },
        collector: { everySeconds: 0.05 },
      }),
      path: join(this.#folder, file),
      transactions: { pollMs: POLL_MS, ...options.transactions },
      pulseMs: POLL_MS,
      hooks: life,
      log: silentLogger(),
    });
    const stop = new AbortController();
    const done = opened.run(AbortSignal.any([stop.signal, life.death])).catch((error: unknown) => {
      if (!life.death.aborted && !(error instanceof KilledError)) throw error;
    });
    const end = once(async () => {
      stop.abort();
      await done;
    });
    this.#stops.push(end);
    return { ...opened, account, stop: end };
  }

  /** Starts an executor's responder over what it signed. @returns How to stop it. */
  async respond(executor: Actor, items: readonly Bundle[], engine?: Engine): Promise<() => Promise<void>> {
    const database = Database.open(":memory:", { applicationId: 2, migrations: [CHAIN_SQL] });
    const responder = new Responder({
      context: executor.context,
      executor: executor.address,
      models: this.models(engine),
      database,
      log: silentLogger(),
      fromBlock: 0n,
      pollMs: POLL_MS,
    });
    const byHash = new Map(items.map((item) => [item.receiptHash, item]));
    await responder.start({ bundle: (hash) => byHash.get(hash) });
    const stop = once(async () => {
      await responder.stop();
      database.close();
    });
    this.#stops.push(stop);
    return stop;
  }

  /** An answer with one wrong record, and the engine that made it. */
  async lie(executor: Hex, seed = 5): Promise<{ item: Bundle; liar: Engine }> {
    const { model, ask } = this.#scene;
    const { request, input, outputs, records, liar } = await randomFault([model], "rescale", prng(seed), ask);
    return { item: this.#scene.item(executor, { request, input }, outputs, records), liar };
  }

  /** What the vault paid out to an account, once it did: a look lets some of the air gap pass. */
  async paid(account: Hex): Promise<bigint | undefined> {
    const { client, deployment, chain } = this.#scene;
    const logs = await getLogs(client, { address: deployment.addresses.vault, fromBlock: 0n });
    const [claimed] = parseEventLogs({ abi: ABIS.vault, logs, eventName: "Claimed", args: { account } });
    if (claimed === undefined) {
      await chain.increaseTime({ seconds: 600 });
      await chain.mine({ blocks: 1 });
    }
    return claimed?.args.amount;
  }

  /** All transactions of an account after a block, in order. */
  async sentBy(address: Hex, after = 0n): Promise<Sent[]> {
    const { client } = this.#scene;
    const head = await getBlockNumber(client, { cacheTime: 0 });
    const sent: Sent[] = [];
    for (let blockNumber = after + 1n; blockNumber <= head; blockNumber++) {
      const { transactions } = await getBlock(client, { blockNumber, includeTransactions: true });
      for (const { from, to, input, nonce, hash } of transactions) {
        if (from.toLowerCase() !== address.toLowerCase()) continue;
        const { status } = await getTransactionReceipt(client, { hash });
        sent.push({ to, input, nonce, status });
      }
    }
    return sent;
  }
}

/**
 * Mines what is in the pool a little later, as real chains do, so that a daemon can die while its transaction waits. Each block is the
 * outcome of a transaction: a chain that stands still has no blocks that daemons would write down.
 */
export class SlowMiner {
  /** Nothing is mined as long as this holds. */
  paused = false;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(scene: Scene, delayMs = 15) {
    const { chain } = scene;
    this.#done = (async () => {
      await chain.setAutomine(false);
      while (!this.#stop.signal.aborted) {
        await systemClock.sleep(delayMs, this.#stop.signal);
        if (!this.paused && (await chain.getTxpoolStatus()).pending > 0)
          await scene.withoutBlocks(() => chain.mine({ blocks: 1 }));
      }
      await chain.setAutomine(true);
    })();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

/** Polls until the value is there. @throws UntilError after a minute, so that a test that hangs says where */
export async function until<T>(
  value: () => T | undefined | false | Promise<T | undefined | false>,
  ms = 60_000,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const now = await value();
    if (now !== undefined && now !== false) return now;
    if (Date.now() > end) throw new UntilError(`not within ${ms} ms: ${value}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export class UntilError extends Error {}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}
