import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { getAddress } from "viem";
import type { ApiBackend, ChatReceipt, ServedModel } from "../api/backend.ts";
import { type ApiServerOptions, createApiServer } from "../api/server.ts";
import type { Clock } from "../chain/time.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Domain } from "../commit/typed-data.ts";
import type { Logger } from "../config/logger.ts";
import type { AttestationService } from "../enclave/attestation-report.ts";
import type { Health, ReadinessCheck } from "../metrics/health-server.ts";
import { counter, gauge, gaugeBy, type Metric } from "../metrics/metric.ts";
import type { PromptModel } from "../sdk/prompt-model.ts";
import type { ExecutorStore } from "../store/executor-store.ts";
import { Answerer } from "./answerer.ts";
import { Batcher } from "./batcher.ts";
import type { CrossCheck } from "./cross-check.ts";
import type { Enclave } from "./enclave.ts";
import { requireHistory } from "./history.ts";
import type {
  ChainPort,
  DisputeResponder,
  EvidenceSource,
  OperatorSigner,
  ProvabilityPort,
  Random,
  RequestServer,
} from "./ports.ts";
import { ReceiptIssuer, type TermsPolicy } from "./receipts.ts";
import { StandingMonitor } from "./standing.ts";

/** One model and the enclave that runs it. */
export interface Served {
  readonly model: PromptModel;
  readonly enclave: Enclave;
}

/** Everything that an executor is made of. Times in milliseconds unless the name says otherwise. */
export interface ExecutorOptions {
  readonly domain: Domain;
  readonly served: readonly Served[];
  readonly operator: OperatorSigner;
  readonly chain: ChainPort;
  /** Answer games and demands, and collect what is due; left out, somebody else must. */
  readonly responders?: readonly DisputeResponder[];
  /** Serves requests of contracts; left out, nobody does. */
  readonly requests?: RequestServer;
  /** Runs as long as the executor does. */
  readonly upkeep?: readonly Upkeep[];
  /** Numbers of the parts around it. */
  readonly metrics?: () => readonly Metric[];
  /** Owned from here on: `stop` closes it. */
  readonly store: ExecutorStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly terms: TermsPolicy;
  readonly limits?: {
    /** Answers made at a time. */
    readonly maxRunning?: number;
    /** Answers that wait for their turn at most. */
    readonly maxWaiting?: number;
  };
  readonly batches?: {
    readonly intervalMs?: number;
    readonly maxReceipts?: number;
    readonly confirmations?: number;
    readonly pollMs?: number;
    readonly maxBackoffMs?: number;
  };
  /** Whether what may be drawn can be proven; left out, everything counts as provable. */
  readonly provability?: ProvabilityPort;
  /** Evidence of the machine, for clients that ask for it. */
  readonly attestation?: AttestationService;
  /** Serve although the chain has batches of this executor that the store does not know. */
  readonly acceptUnknownBatches?: boolean;
  /** Computes a share of the answers again before they are committed. */
  readonly crossCheck?: CrossCheck;
  /** Between two looks at the executor's standing. */
  readonly standingPollMs?: number;
  /** Settled answers are forgotten after this long. */
  readonly retentionMs?: number;
  readonly http?: Pick<ApiServerOptions, "apiKeys" | "bodyLimit" | "defaultMaxOut" | "heartbeatMs">;
}

/** Work in the background. */
export interface Upkeep {
  start(): void;
  /** Resolves when nothing is half done. */
  stop(): Promise<void>;
}

const CLOSE_GRACE_MS = 1000;
const PRUNE_EVERY_MS = 3600 * 1000;
/** Longer than any game under the default rules: 7 days of window and 34 turns of a day. */
const RETENTION_MS = 90 * 24 * 3600 * 1000;

/**
 * An executor: HTTP server, enclaves, receipts, batches, and the answers to games. It keeps serving while the chain is away, as long as
 * its receipts can still be committed in time, and whatever it has signed is on disk.
 */
export class Executor implements Health {
  readonly #options: ExecutorOptions;
  readonly #answerer: Answerer;
  readonly #issuer: ReceiptIssuer;
  readonly #standing: StandingMonitor;
  readonly #batcher: Batcher;
  readonly #server: FastifyInstance;
  #prunedAt = 0;
  #stopping: Promise<void> | undefined;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    const { domain, served, operator, chain, store, clock, random, log, terms, limits, batches } = options;
    const enclaves = served.map(({ enclave }) => enclave);
    const { maxRunning = 4, maxWaiting = 64 } = limits ?? {};
    this.#standing = new StandingMonitor({
      chain,
      enclaves,
      store,
      clock,
      log,
      pollMs: options.standingPollMs ?? 5000,
      requireHistory: () => this.#requireHistory(),
      distrusts: (modelId) => options.crossCheck?.distrusts(modelId) ?? false,
      provability: options.provability,
      maxSilenceMs: terms.commitWithinSeconds * 1000,
    });
    this.#issuer = new ReceiptIssuer({
      store,
      domain,
      operator,
      clock,
      log,
      terms,
      onQueued: () => this.#batcher.notify(),
    });
    this.#answerer = new Answerer({
      enclaves,
      issuer: this.#issuer,
      standing: this.#standing,
      store,
      random,
      log,
      maxRunning,
      maxWaiting,
    });
    this.#batcher = new Batcher({
      store,
      chain,
      clock,
      log,
      intervalMs: batches?.intervalMs ?? 10_000,
      maxReceipts: batches?.maxReceipts ?? 1000,
      confirmations: batches?.confirmations ?? 12,
      pollMs: batches?.pollMs ?? 1000,
      maxBackoffMs: batches?.maxBackoffMs ?? 60_000,
      prepare: async () => {
        this.#prune();
        await options.crossCheck?.pass();
      },
      complete: () => this.#issuer.completeAttested(),
      onCommitted: () => this.#standing.refresh(),
    });
    this.#server = createApiServer({ ...options.http, backend: this.#backend(), clock, random, log });
  }

  /**
   * Takes up what an earlier process left, and listens. Resolves to the server's URL.
   *
   * @throws UnprovableModelError, VerifierMismatchError, CircuitKeyError if it could not answer for what the rules draw. Where it has answers to
   *   defend, it starts all the same and takes no requests.
   * @throws DatabaseOutdatedError if the chain knows more of this executor than the database. While the chain is away nothing is served.
   */
  async start(listen: { host: string; port: number }): Promise<string> {
    const { store, log, responders = [], requests, upkeep = [] } = this.#options;
    await this.#standing.refresh();
    this.#standing.requireWhole();
    if (Object.keys(store.counts().answers).length === 0) this.#standing.requireProvable();
    const lost = store.loseSealed();
    if (lost > 0) log.warn({ answers: lost }, "answers were lost with the enclave that made them");
    this.#standing.start();
    this.#batcher.start();
    for (const work of upkeep) work.start();
    const evidence: EvidenceSource = {
      bundle: (receiptHash) => store.bundle(receiptHash),
      leaves: (root) => store.leaves(root),
      batchRoot: (receiptHash) => store.batchRootOf(receiptHash),
    };
    for (const responder of responders) await responder.start(evidence);
    await requests?.start({ begin: (order) => this.#answerer.begin(order) });
    await this.#server.listen(listen);
    const { address, port, family } = this.#server.server.address() as AddressInfo;
    const url = `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
    log.info({ url, executor: this.#options.operator.address }, "serving");
    return url;
  }

  /**
   * Ends in order: takes nothing new, lets answers finish until the deadline, cancels the rest (what was emitted gets its receipt), puts all
   * receipts in batches on disk and tries to commit them until the deadline, and closes the database.
   */
  stop(deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMs);
    return this.#stopping;
  }

  /** Whether it would take a request now. */
  readiness(): ReadinessCheck[] {
    const { store, served } = this.#options;
    const checks: ReadinessCheck[] = served.map(({ model, enclave }) => {
      const refusal = this.#standing.refusal(enclave, this.#answerer.active);
      const name = `standing.${model.name}`;
      return refusal === undefined ? { name } : { name, problem: `${refusal.reason}: ${refusal.detail}` };
    });
    checks.push(this.#stopping === undefined ? { name: "serving" } : { name: "serving", problem: "shutting_down" });
    try {
      store.check();
      checks.push({ name: "store" });
    } catch {
      checks.push({ name: "store", problem: "the database cannot be read" });
    }
    return checks;
  }

  /** An operator's numbers. */
  metrics(): Metric[] {
    const { store, metrics, crossCheck } = this.#options;
    const { answers, batches } = store.counts();
    const ready = this.readiness().every(({ problem }) => problem === undefined);
    return [
      gauge("otr_ready", "1 if a request would be taken.", ready ? 1 : 0),
      gauge("otr_answers_running", "Answers in the making or waiting.", this.#answerer.active),
      gaugeBy("otr_answers", "Answers in the store, by state.", "state", answers),
      gaugeBy("otr_batches", "Batches in the store, by state.", "state", batches),
      gauge("otr_store_bytes", "Size of the database.", store.bytes()),
      ...(crossCheck === undefined
        ? []
        : [counter("otr_cross_checks_total", "Answers computed again on another backend.", crossCheck.checked)]),
      ...(metrics?.() ?? []),
    ];
  }

  async #stop(deadlineMs: number): Promise<void> {
    const { chain, store, served, responders = [], requests, upkeep = [], clock, log } = this.#options;
    const deadline = new AbortController();
    const timeUp = clock.sleep(deadlineMs, deadline.signal);
    log.info({ active: this.#answerer.active }, "stopping");
    this.#answerer.close();
    const requesting = requests?.stop();
    const closed = this.#server.close();
    await Promise.race([this.#answerer.idle(), timeUp]);
    this.#answerer.cancelAll();
    await this.#answerer.idle();
    // Streams end by themselves now; a client that does not read its end must not hold up the rest.
    await Promise.race([closed, clock.sleep(CLOSE_GRACE_MS, deadline.signal)]);
    this.#server.server.closeAllConnections();
    await closed;
    const flushed = Promise.all([this.#batcher.stop(), this.#standing.stop()]).then(() => this.#batcher.flush());
    const ended = [...upkeep, ...responders].map((part) => part.stop());
    const settled = Promise.all([flushed, requesting, ...ended]);
    await Promise.race([settled, timeUp]);
    deadline.abort();
    await chain.close();
    await settled;
    for (const { enclave } of served) await enclave.close();
    this.#options.crossCheck?.close();
    const { count } = store.queue();
    const open = store.batchesIn("intent").length;
    store.close();
    log.info({ queuedReceipts: count, openBatches: open }, "stopped");
  }

  /** Now and then. */
  #prune(): void {
    const { store, clock, log, retentionMs = RETENTION_MS } = this.#options;
    if (clock.now() - this.#prunedAt < PRUNE_EVERY_MS) return;
    this.#prunedAt = clock.now();
    const answers = store.prune(this.#prunedAt - retentionMs);
    if (answers > 0) log.info({ answers }, "settled answers forgotten");
  }

  async #requireHistory(): Promise<void> {
    const { chain, store, clock, terms, acceptUnknownBatches, retentionMs = RETENTION_MS } = this.#options;
    if (acceptUnknownBatches) return;
    await requireHistory({ chain, store, clock, retentionMs, commitSeconds: terms.lifetimeSeconds });
  }

  #backend(): ApiBackend {
    const { domain, operator, served, store } = this.#options;
    const models: ServedModel[] = served.map(({ model, enclave }) => ({
      name: model.name,
      modelId: model.modelId,
      manifest: model.manifest,
      stopTokens: model.stopTokens,
      tokenizer: model.tokenizer,
      enclaveKey: enclave.address,
      enclavePublicKey: enclave.publicKey,
    }));
    return {
      domain,
      executor: operator.address,
      models,
      begin: (order, idempotency) => this.#answerer.begin(order, idempotency),
      resume: (key) => this.#answerer.resume(key),
      isSpent: (requestHash) => this.#answerer.isSpent(requestHash),
      receiptOf: (chatId) => this.#receiptOf(chatId),
      batch: (root) => {
        const batch = store.batch(root);
        return batch && { count: batch.count, bundles: (from, limit) => store.bundlesOf(root, from, limit) };
      },
      signExchange: (chatId, modelId, text) => this.#signExchange(chatId, modelId, text),
      exchangeOf: (chatId) => store.exchangeOf(chatId),
      ...(this.#options.attestation === undefined ? {} : { attestation: this.#options.attestation }),
      readiness: () => this.readiness(),
    };
  }

  async #signExchange(chatId: string, modelId: Hex, text: string): Promise<void> {
    const { served, store } = this.#options;
    const { enclave } = served.find(({ model }) => model.modelId === modelId)!;
    const signature = await enclave.signText(text);
    store.addExchange(chatId, { text, signature, signing_address: getAddress(enclave.address) });
  }

  #receiptOf(chatId: string): ChatReceipt {
    const { store } = this.#options;
    const requestHash = store.requestOfChat(chatId);
    if (requestHash === undefined) return { state: "unknown" };
    const answer = store.answerOf(requestHash);
    const bundle = answer && store.bundleOf(answer);
    if (bundle !== undefined) return { state: "signed", bundle, batchRoot: answer?.batchRoot };
    const pending = answer?.state === "attested" || this.#answerer.isActive(requestHash);
    return { state: pending ? "pending" : "gone" };
  }
}
