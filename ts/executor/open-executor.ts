import type { LocalAccount } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { CollectorService, collectorSettings } from "../chain/collector.ts";
import type { OtrContext } from "../chain/context.ts";
import type { Deployment } from "../chain/deployment.ts";
import { DueStore } from "../chain/due-store.ts";
import { ExecutorPort } from "../chain/executor-port.ts";
import { GameStore } from "../chain/game-store.ts";
import { SqliteCursorStore, SqliteIntentStore } from "../chain/sqlite.ts";
import { systemClock } from "../chain/time.ts";
import { Transactor, type TransactorOptions } from "../chain/transactor.ts";
import { CommandProver, committedFiles, ProcessProver, type Prover } from "../circuits/claim-prover.ts";
import { fromHex, type Hex } from "../commit/bytes.ts";
import { weiOf } from "../config/amounts.ts";
import type { Logger } from "../config/logger.ts";
import type { Config } from "../config/schema.ts";
import type { ModelSource } from "../dispute/answer.ts";
import type { ReadyModel } from "../dispute/load-models.ts";
import { AttestationService } from "../enclave/attestation-report.ts";
import { openSource } from "../enclave/open-source.ts";
import type { Engine } from "../engine/types.ts";
import { ChainPulse } from "../metrics/chain-pulse.ts";
import { TransactionLog } from "../metrics/transaction-log.ts";
import { provableModels } from "../spotcheck/provable-model.ts";
import { Database, type DatabaseHooks } from "../store/database.ts";
import { ExecutorStore } from "../store/executor-store.ts";
import { CrossCheck } from "./cross-check.ts";
import { DemandResponder } from "./demand-responder.ts";
import { DrawResponder } from "./draw-responder.ts";
import { SoftwareEnclave } from "./enclave.ts";
import { Executor } from "./executor.ts";
import { KeyKeeper } from "./key-keeper.ts";
import type { Offer } from "./offer.ts";
import { OnChainRequests } from "./on-chain-requests.ts";
import { accountSigner } from "./operator.ts";
import type { Random } from "./ports.ts";
import { Provability } from "./provability.ts";
import { softwareProver } from "./register-software-enclave.ts";
import { Responder } from "./responder.ts";
import { sessionProver } from "./session-prover.ts";

/** Blocks on a batch until it is no longer looked after: a reorganisation of 64 blocks must not lose it. */
const SETTLED_BLOCKS = 65;

/** Milliseconds that the start waits for the registration of keys. */
const REGISTRATION_MS = 30_000;

/** What an executor over a chain is opened with. */
export interface OpenExecutorOptions {
  readonly client: ChainClient;
  readonly deployment: Pick<Deployment, "addresses">;
  readonly account: LocalAccount;
  readonly models: readonly ReadyModel[];
  readonly source: ModelSource;
  readonly config: Pick<Config, "executor" | "collector" | "rpc" | "fromBlock" | "cacheDir">;
  /** Database file. */
  readonly path: string;
  /**
   * Root of development evidence: registers software enclaves where no source of evidence is configured. Left out, their keys must be
   * registered some other way.
   */
  readonly devRoot?: LocalAccount | undefined;
  readonly transactions?: Partial<TransactorOptions>;
  /** Milliseconds between two looks at the keys' registrations. */
  readonly keyPollMs?: number;
  /** Milliseconds that the start waits for them. */
  readonly registrationMs?: number;
  /** Milliseconds between two looks at what only metrics need. */
  readonly pulseMs?: number;
  readonly random: Random;
  /** Engines of another backend, by model: see `CrossCheck`. */
  readonly crossCheckEngines?: ReadonlyMap<Hex, Engine>;
  /** Tests end the daemon in them. */
  readonly hooks?: DatabaseHooks;
  readonly log: Logger;
}

/**
 * Puts an executor together: database, transactor, enclaves (registered, if the registry lets them), chain port, responder. It is not
 * started.
 */
export async function openExecutor(options: OpenExecutorOptions): Promise<Executor> {
  const { client, deployment, account, models, config, log, random, devRoot } = options;
  const { addresses } = deployment;
  const domain = { chainId: client.chain.id, rollup: addresses.rollup.toLowerCase() as Hex };
  const { attestation } = config.executor;
  const modelIds = models.map(({ loaded }) => loaded.modelId);
  const configuration = guestConfiguration(domain, modelIds);
  // The gate comes before any key, and before anything that would have to be closed again.
  const evidence = await openSource(attestation, { configuration });
  const database = Database.open(options.path, ExecutorStore.schema, options.hooks);
  const transactions = new TransactionLog(log);
  const intents = { store: new SqliteIntentStore(database), onEvent: transactions.note };
  const sender = new Transactor({ client, account, ...intents, ...options.transactions });
  const context: OtrContext & { readonly sender: Transactor } = { client, addresses, sender };
  // What an earlier process left in the pool is followed in the background; asking for it again joins in.
  sender.resume().catch((err: unknown) => log.warn({ err }, "earlier transactions are not settled"));
  const served = models.map(({ engine, loaded: model }) => {
    const { modelId, manifest } = model;
    return { model, enclave: new SoftwareEnclave({ engine, modelId, manifest, domain, random }) };
  });
  const enclaves = served.map(({ enclave }) => enclave);
  const polls = options.keyPollMs === undefined ? {} : { pollMs: options.keyPollMs };
  const executor = account.address;
  const prove =
    evidence === undefined
      ? devRoot && softwareProver(context, { executor, devRoot })
      : sessionProver(context, { executor, source: evidence, config, log });
  const keys = prove && new KeyKeeper({ context, enclaves, prove, clock: systemClock, log, ...polls });
  // Nobody can be served before, but games must not wait for longer.
  if (keys !== undefined) {
    const patience = new AbortController();
    await Promise.race([keys.pass(), systemClock.sleep(options.registrationMs ?? REGISTRATION_MS, patience.signal)]);
    patience.abort();
  }
  const chain = { context, executor, fromBlock: BigInt(config.fromBlock) };
  const reading = { maxRange: BigInt(config.rpc.maxBlockRange), lagMs: config.rpc.lagSeconds * 1000 };
  const answering = { ...chain, ...reading, database, log, pollMs: config.rpc.pollMs };
  const port = new ExecutorPort({ ...chain, ...reading });
  const store = new ExecutorStore(database, domain, systemClock.now);
  const offer = offerOf(config.executor.requests);
  const confirmations = Math.max(1, config.rpc.confirmations);
  const pulse = new ChainPulse({
    context,
    account: executor,
    games: new GameStore(database),
    role: "executor",
    cursors: new SqliteCursorStore(database),
    watcher: "responder",
    clock: systemClock,
    log,
    ...(options.pulseMs === undefined ? {} : { pollMs: options.pulseMs }),
  });
  const requests =
    offer &&
    new OnChainRequests({
      ...reading,
      context,
      fromBlock: chain.fromBlock,
      chain: port,
      domain,
      modelIds,
      offer,
      database,
      answers: store,
      log,
      pollMs: config.rpc.pollMs,
      confirmations,
    });
  const draws = new DrawResponder({
    ...answering,
    prover: proverOf(config),
    models: provableModels(models, config.cacheDir),
    rounds: { drandUrls: config.executor.draws.drandUrls },
  });
  return new Executor({
    domain,
    served,
    operator: accountSigner(account),
    chain: port,
    responders: [
      new Responder({ ...answering, models: options.source }),
      new DemandResponder(answering),
      draws,
      new CollectorService({
        ...collectorSettings(config.collector, account.address),
        ...{ context, clock: systemClock, log, store: new DueStore(database), role: "executor" },
      }),
    ],
    ...(requests === undefined ? {} : { requests }),
    ...(options.crossCheckEngines === undefined
      ? {}
      : {
          crossCheck: new CrossCheck({
            store,
            engines: options.crossCheckEngines,
            share: config.executor.crossCheck.share,
            log,
          }),
        }),
    ...(evidence === undefined
      ? {}
      : {
          attestation: new AttestationService({
            ...{ source: evidence, domain, executor: executor.toLowerCase() as Hex },
            ...(attestation.tlsFingerprint && { tlsFingerprint: fromHex(`0x${attestation.tlsFingerprint}`) }),
          }),
        }),
    acceptUnknownBatches: config.executor.acceptUnknownBatches,
    provability: new Provability({
      context,
      programs: new Map(models.map(({ loaded }) => [loaded.modelId, loaded.program])),
      cacheDir: config.cacheDir,
    }),
    store,
    upkeep: keys === undefined ? [pulse] : [pulse, keys],
    metrics: () => [
      ...pulse.metrics(),
      ...transactions.metrics(),
      ...(keys?.metrics() ?? []),
      ...(requests?.metrics() ?? []),
      ...draws.metrics(),
    ],
    clock: systemClock,
    random,
    log,
    terms: {
      commitWithinSeconds: config.executor.commitSeconds,
      lifetimeSeconds: config.executor.expirySeconds,
    },
    batches: {
      intervalMs: config.executor.batchSeconds * 1000,
      maxReceipts: config.executor.batchReceipts,
      confirmations: Math.max(SETTLED_BLOCKS, config.rpc.confirmations),
      pollMs: config.rpc.pollMs,
    },
  });
}

/** What a guest is started with, as text: a development source's measurement commits to it. */
export function guestConfiguration(domain: { chainId: number; rollup: Hex }, modelIds: readonly Hex[]): string {
  const { chainId, rollup } = domain;
  return JSON.stringify({ kind: "otr", chainId, rollup: rollup.toLowerCase(), models: modelIds });
}

/** Who makes proofs: snarkjs, or a program of the operator's. */
function proverOf({ executor, cacheDir }: OpenExecutorOptions["config"]): Prover {
  const files = committedFiles(cacheDir);
  const [program, ...leading] = executor.draws.prover ?? [];
  return program === undefined ? new ProcessProver(files) : new CommandProver([program, ...leading], files);
}

/** What requests of contracts cost; undefined if they are not served. */
function offerOf(prices: Config["executor"]["requests"]): Offer | undefined {
  const { gweiPerOutputToken, gweiPerInputToken, gweiPerRequest, gweiPerCallbackGas, marginSeconds } = prices;
  if (gweiPerOutputToken === undefined) return undefined;
  const wei = (gwei: number) => weiOf(gwei, "gwei");
  return {
    perOutputToken: wei(gweiPerOutputToken),
    perInputToken: wei(gweiPerInputToken),
    perRequest: wei(gweiPerRequest),
    perCallbackGas: wei(gweiPerCallbackGas),
    marginSeconds,
  };
}
