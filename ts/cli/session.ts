import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { LocalAccount } from "viem";
import { getCode } from "viem/actions";
import { type ChainClient, connect } from "../chain/client.ts";
import { type Deployment, deploymentPath, readDeployment } from "../chain/deployment.ts";
import { DrySender } from "../chain/dry-sender.ts";
import { DeploymentError } from "../chain/errors.ts";
import { MemoryIntentStore } from "../chain/intent.ts";
import { type OtrActions, otrActions } from "../chain/otr-actions.ts";
import type { Sender } from "../chain/sender.ts";
import { Transactor, type TransactorOptions } from "../chain/transactor.ts";
import { cacheFolder } from "../commit/cache-folder.ts";
import { weiOf } from "../config/amounts.ts";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { loadAccount } from "../config/secrets.ts";
import { createOutput, type Output, type Streams } from "./output.ts";

/** Options that every command takes. */
export interface GlobalOptions {
  readonly config?: string;
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/** What commands share: configuration, output, and connections made when they are first asked for. */
export class Session {
  readonly loaded: LoadedConfig;
  readonly output: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  #client: Promise<ChainClient> | undefined;

  constructor(options: GlobalOptions, environment: Readonly<Record<string, string | undefined>>, streams: Streams) {
    this.environment = environment;
    const file = options.config ?? environment.OTR_CONFIG;
    this.loaded = loadConfig({ file, environment, flags: options.set ?? [] });
    this.output = createOutput(options.json ?? false, streams);
  }

  get config(): Config {
    return this.loaded.config;
  }

  /** Where what can be made again is kept. */
  get cacheDir(): string {
    return this.config.cacheDir ?? cacheFolder(this.environment);
  }

  /** Connects once. */
  client(): Promise<ChainClient> {
    const { url, chainId, timeoutMs, pollMs } = this.config.rpc;
    this.#client ??= connect({ url, timeoutMs, pollMs, ...(chainId === undefined ? {} : { chainId }) });
    return this.#client;
  }

  async deployment(): Promise<Deployment> {
    const client = await this.client();
    const { chain } = client;
    const path = this.config.deployment ?? deploymentPath(chain.id);
    const deployment = readDeployment(path);
    // A development chain that was started anew keeps nothing of what its file names.
    if ((await getCode(client, { address: deployment.addresses.rollup })) === undefined)
      throw new DeploymentError(path, `there is no contract at its addresses on chain ${chain.id}`);
    return deployment;
  }

  account(): LocalAccount {
    return loadAccount(this.config.account, this.environment);
  }

  /** Actions that only read. */
  async reader(): Promise<OtrActions> {
    const { addresses } = await this.deployment();
    return otrActions({ addresses })(await this.client());
  }

  /** Actions that send with the configured account, one command long. @param dryRun Only simulates. */
  async writer(dryRun = false): Promise<OtrActions> {
    const [client, { addresses }] = [await this.client(), await this.deployment()];
    return otrActions({ addresses, sender: await this.sender(dryRun) })(client);
  }

  /** What sends them, for calls to contracts that no deployment names. */
  async sender(dryRun = false): Promise<Sender> {
    const client = await this.client();
    if (dryRun) return new DrySender(client, this.account());
    return new Transactor({ client, account: this.account(), store: new MemoryIntentStore(), ...this.transactions() });
  }

  /** How transactors are to work. */
  transactions(): Partial<TransactorOptions> {
    const { replaceAfterSeconds, timeoutSeconds, feeLimitGwei, confirmations } = this.config.transactions;
    return {
      pollMs: Math.min(this.config.rpc.pollMs, 2000),
      replaceAfterMs: replaceAfterSeconds * 1000,
      sendTimeoutMs: timeoutSeconds * 1000,
      feeLimit: weiOf(feeLimitGwei, "gwei"),
      confirmations,
    };
  }

  /** A file in the data folder, which is made if needed and closed to others. */
  dataFile(name: string): string {
    mkdirSync(this.config.dataDir, { recursive: true, mode: 0o700 });
    return join(this.config.dataDir, name);
  }
}

/** The operating system's randomness. */
export function random(bytes: number): Uint8Array {
  return Uint8Array.from(randomBytes(bytes));
}

/** A signal that fires at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function shutdownSignal(note: (line: string) => void): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    note("stopping; once more to stop at once");
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}
