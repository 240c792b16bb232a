import type { LocalAccount } from "viem";
import type { ChainClient } from "../chain/client.ts";
import type { Deployment } from "../chain/deployment.ts";
import { SqliteCursorStore, SqliteIntentStore } from "../chain/sqlite.ts";
import { systemClock } from "../chain/time.ts";
import { Transactor, type TransactorOptions } from "../chain/transactor.ts";
import type { Logger } from "../config/logger.ts";
import type { Config } from "../config/schema.ts";
import type { ModelSource } from "../dispute/answer.ts";
import { ChainPulse } from "../metrics/chain-pulse.ts";
import type { Health } from "../metrics/health-server.ts";
import { TransactionLog } from "../metrics/transaction-log.ts";
import type { Database, DatabaseHooks } from "../store/database.ts";
import { Fisherman } from "./fisherman.ts";
import { openFishermanDatabase } from "./store.ts";
import type { SuspectSource } from "./suspects.ts";

/** What a fisherman over a chain is opened with. */
export interface OpenFishermanOptions {
  readonly client: ChainClient;
  readonly deployment: Pick<Deployment, "addresses">;
  /** Pays bonds and gas. Left out, it only reports. */
  readonly account?: LocalAccount | undefined;
  readonly models: ModelSource;
  /** What may have made answers instead of the models that they name. */
  readonly suspects?: SuspectSource;
  readonly config: Pick<Config, "fisherman" | "collector" | "rpc" | "fromBlock">;
  /** Database file. */
  readonly path: string;
  readonly transactions?: Partial<TransactorOptions>;
  /** Milliseconds between two looks at what only metrics need. */
  readonly pulseMs?: number;
  /** Tests end the daemon in them. */
  readonly hooks?: DatabaseHooks;
  readonly log: Logger;
}

/** A fisherman with everything it owns. */
export interface OpenFisherman {
  readonly fisherman: Fisherman;
  readonly database: Database;
  /** For its operator. */
  readonly health: Health;
  /** Works until the signal fires, then closes sender and database. */
  run(signal: AbortSignal): Promise<void>;
}

/** Puts a fisherman together: database, transactor, daemon. */
export function openFisherman(options: OpenFishermanOptions): OpenFisherman {
  const { client, deployment, account, models, config, log } = options;
  const { addresses } = deployment;
  const database = openFishermanDatabase(options.path, options.hooks);
  const store = new SqliteIntentStore(database);
  const transactions = new TransactionLog(log);
  const onEvent = transactions.note;
  const sender = account && new Transactor({ client, account, store, onEvent, ...options.transactions });
  const context = { client, addresses, sender };
  const fisherman = new Fisherman({
    context,
    models,
    suspects: options.suspects,
    database,
    settings: config.fisherman,
    collector: config.collector,
    log,
    fromBlock: BigInt(config.fromBlock),
    pollMs: config.rpc.pollMs,
    confirmations: config.rpc.confirmations,
    lagMs: config.rpc.lagSeconds * 1000,
    maxRange: BigInt(config.rpc.maxBlockRange),
  });
  const pulse = new ChainPulse({
    context,
    account: account?.address,
    games: fisherman.games,
    role: "challenger",
    cursors: new SqliteCursorStore(database),
    watcher: "fisherman",
    clock: systemClock,
    log,
    ...(options.pulseMs === undefined ? {} : { pollMs: options.pulseMs }),
  });
  return {
    fisherman,
    database,
    health: {
      readiness: () => pulse.readiness(),
      metrics: () => [...fisherman.metrics(), ...pulse.metrics(), ...transactions.metrics()],
    },
    async run(signal) {
      const resumed = sender
        ?.resume()
        .catch((err: unknown) => log.warn({ err }, "earlier transactions are not settled"));
      const close = () => void sender?.close();
      signal.addEventListener("abort", close, { once: true });
      try {
        pulse.start();
        await fisherman.run(signal);
      } finally {
        await pulse.stop();
        await sender?.close();
        await resumed;
        database.close();
      }
    },
  };
}
