import type { Abi, Address, Hex } from "viem";
import { getBlock } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import { getBatch } from "../chain/actions/batch.ts";
import { getRules } from "../chain/actions/rules.ts";
import { sameAddress } from "../chain/client.ts";
import { Collector, collectorSettings } from "../chain/collector.ts";
import type { EventArgs, OtrContext } from "../chain/context.ts";
import { DueStore } from "../chain/due-store.ts";
import { GameContracts } from "../chain/game-contracts.ts";
import { GameStore } from "../chain/game-store.ts";
import type { PostedAnswer } from "../chain/posted-answer.ts";
import { SqliteCursorStore } from "../chain/sqlite.ts";
import { type Clock, systemClock } from "../chain/time.ts";
import { type WatchedLog, Watcher } from "../chain/watch.ts";
import { type Domain, hashReceipt } from "../commit/typed-data.ts";
import type { Logger } from "../config/logger.ts";
import { type Config, configSchema } from "../config/schema.ts";
import type { ModelSource } from "../dispute/answer.ts";
import { gauge, gaugeBy, type Metric } from "../metrics/metric.ts";
import type { Database } from "../store/database.ts";
import { CaseStore, isSigned } from "./case-store.ts";
import {
  type BatchItem,
  checkItem,
  downloadBatch,
  invalid,
  postedBundle,
  receiptOf,
  type Verdict,
} from "./check-batch.ts";
import { Demands } from "./demands.ts";
import { Disputes, disputeOf, EVIDENCE_MS } from "./disputes.ts";
import { DrawWatch } from "./draw-watch.ts";
import { BundleError, UnstableReplayError } from "./errors.ts";
import { Frauds } from "./frauds.ts";
import { HandedBundles } from "./handed-bundles.ts";
import { FishermanStore, type WatchedBatch } from "./store.ts";
import type { SuspectSource } from "./suspects.ts";
import { findTwice } from "./twice.ts";

/** What a fisherman is made of. */
export interface FishermanOptions {
  /** Its sender pays the bonds; a `Transactor`, so that nothing is sent twice. Without a sender it only reports. */
  readonly context: OtrContext;
  readonly models: ModelSource;
  /** What may have made answers instead of the models that they name: makes games shorter. */
  readonly suspects?: SuspectSource | undefined;
  /** From `openFishermanDatabase`. */
  readonly database: Database;
  readonly settings: Config["fisherman"];
  readonly log: Logger;
  /** First block to read: the deployment's. */
  readonly fromBlock: bigint;
  /** Milliseconds between two looks at the chain. */
  readonly pollMs?: number;
  readonly confirmations?: number;
  /** See `WatcherOptions`. */
  readonly lagMs?: number;
  /** Blocks per log query at most. */
  readonly maxRange?: bigint;
  readonly clock?: Clock;
  readonly fetch?: typeof fetch;
  /** How what is due is collected; by default as the configuration's defaults say. */
  readonly collector?: Config["collector"];
}

/** A leaf of a batch with its opening. */
interface Leaf {
  readonly receiptHash: Hex;
  readonly index: number;
  readonly siblings: readonly Hex[];
}

/** Longest pause between two looks at a batch that is not served. */
const MAX_PAUSE_MS = 3600 * 1000;

/**
 * Re-executes what executors commit and disputes what is wrong. All it knows is in its database, and all of that can be had again from
 * the chain and the executors. Each step is written down before the next: killed at any point, it goes on from there; without its
 * database it takes its open games up again as their openings are read.
 */
export class Fisherman {
  /** Newest block that was read. */
  #seen = 0n;
  readonly #o: FishermanOptions & { readonly clock: Clock; readonly pollMs: number };
  readonly #store: FishermanStore;
  readonly #games: GameStore;
  readonly #cases: CaseStore;
  readonly #dues: DueStore;
  readonly #disputes: Disputes | undefined;
  readonly #frauds: Frauds | undefined;
  readonly #demands: Demands;
  readonly #draws: DrawWatch;
  /** Whether any rules so far have draws. */
  #anyDraws = false;
  readonly #collector: Collector | undefined;
  readonly #domain: Domain;
  readonly #handed: HandedBundles | undefined;
  #unstable = 0;

  constructor(options: FishermanOptions) {
    this.#o = { clock: systemClock, pollMs: 1000, ...options };
    const { context, models, database, settings, log, clock } = this.#o;
    this.#store = new FishermanStore(database);
    this.#games = new GameStore(database);
    this.#domain = { chainId: context.client.chain.id, rollup: context.addresses.rollup };
    const { bundlesDir } = settings;
    this.#handed = bundlesDir === undefined ? undefined : new HandedBundles(bundlesDir, this.#domain, log);
    this.#cases = new CaseStore(database);
    this.#dues = new DueStore(database);
    const [store, cases, dues] = [this.#store, this.#cases, this.#dues];
    const onConvicted = (_batchId: bigint, executor: Address) => {
      const { rollup } = context.addresses;
      dues.add({ kind: "reward", address: rollup, key: executor, block: this.#seen });
    };
    const judge = (answer: PostedAnswer) => this.#judgePosted(answer);
    const rounds = { drandUrls: settings.draws.drandUrls };
    this.#draws = new DrawWatch({ context, database, store, settings, clock, log, rounds });
    this.#demands = new Demands({ context, store, cases, dues, settings, clock, log, judge, onConvicted });
    if (context.sender === undefined) return;
    this.#collector = new Collector({
      ...collectorSettings(this.#o.collector ?? configSchema.parse({}).collector, context.sender.address),
      ...{ context, clock, log, store: dues, role: "challenger" },
    });
    if (!settings.dispute) return;
    const shared = { context, models, store, clock, log, onConvicted };
    const frauds = new Frauds({ ...shared, cases, evidenceMs: EVIDENCE_MS });
    this.#frauds = frauds;
    this.#disputes = new Disputes({
      ...shared,
      suspects: this.#o.suspects,
      games: this.#games,
      maxGames: settings.maxGames,
      retryMs: settings.retrySeconds * 1000,
      accused: (executor) => frauds.accuses(executor),
    });
  }

  /** What it concluded so far. */
  get store(): FishermanStore {
    return this.#store;
  }

  /** The games it plays or played. */
  get games(): GameStore {
    return this.#games;
  }

  /** An operator's numbers. */
  metrics(): Metric[] {
    const { verdicts, disputes, batches } = this.#store.counts();
    const known = { valid: 0, invalid: 0, unavailable: 0 };
    const unstable = "Receipts on which two computations of this machine differed, since the start.";
    const outcomes = this.#games.outcomes();
    return [
      gaugeBy("otr_verdicts", "Receipts in the store, by verdict.", "verdict", { ...known, ...verdicts }),
      gaugeBy("otr_disputes", "Receipts in the store, by state of dispute.", "state", disputes),
      gaugeBy("otr_batches", "Batches in the store, by status.", "status", batches),
      gaugeBy("otr_games_over", "Games that are over, by outcome.", "outcome", outcomes),
      { name: "otr_unstable_total", help: unstable, type: "counter", samples: [{ value: this.#unstable }] },
      gauge("otr_store_bytes", "Size of the database.", this.#store.bytes()),
      ...this.#draws.metrics(),
    ];
  }

  /** Works until the signal fires; resolves when nothing is half done. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, pollMs } = this.#o;
    log.info({ rollup: this.#domain.rollup, account: this.#o.context.sender?.address }, "watching");
    const watcher = this.#watcher();
    const loop = async (name: string, step: () => Promise<unknown>) => {
      while (!signal.aborted) {
        try {
          await step();
        } catch (err) {
          log.warn({ err, loop: name }, "step failed; tried again");
        }
        await clock.sleep(pollMs, signal);
      }
    };
    // Checking a batch may take minutes, turns have deadlines: neither waits for the other.
    const loops = [loop("watch", () => watcher.sync(signal)), loop("check", () => this.#checkDue(signal))];
    const [disputes, frauds, collector] = [this.#disputes, this.#frauds, this.#collector];
    if (disputes !== undefined) loops.push(loop("dispute", () => disputes.tick()));
    if (frauds !== undefined) loops.push(loop("frauds", () => frauds.tick()));
    loops.push(loop("demands", () => this.#demands.tick()));
    loops.push(loop("draws", () => this.#draws.tick(signal)));
    if (collector !== undefined) loops.push(collector.run(signal));
    await Promise.all(loops);
  }

  /** Receipts, proofs and demands. */
  get cases(): CaseStore {
    return this.#cases;
  }

  /** What it collects. */
  get dues(): DueStore {
    return this.#dues;
  }

  #watcher(): Watcher {
    const { context, fromBlock, clock, confirmations, lagMs, maxRange, database, log } = this.#o;
    const contracts = new GameContracts(context);
    return new Watcher({
      client: context.client,
      name: "fisherman",
      store: new SqliteCursorStore(database),
      addresses: async () => {
        const draws = await contracts.spotChecks();
        this.#anyDraws = draws.length > 0;
        const courts = [...(await contracts.list()), ...(await contracts.availability()), ...draws];
        return [context.addresses.rollup, context.addresses.vault, ...courts];
      },
      abi: [...ABIS.rollup, ...ABIS.vault, ...ABIS.game, ...ABIS.availability, ...ABIS.spotChecks] as Abi,
      fromBlock,
      clock,
      ...(confirmations === undefined ? {} : { confirmations }),
      ...(lagMs === undefined ? {} : { lagMs }),
      ...(maxRange === undefined ? {} : { maxRange }),
      onRange: (logs, head) => {
        this.#seen = head.number;
        this.#draws.open.sawBlock(head);
        this.#store.transaction(() => {
          for (const event of logs) this.#note(event);
        });
      },
      onRewind: (block) => {
        log.warn({ block }, "reorganisation");
        this.#store.transaction(() => {
          this.#games.rewind(block);
          this.#dues.rewind(block);
          this.#cases.rewind(block);
          this.#store.rewind(block);
          this.#draws.open.rewind(block);
        });
      },
    });
  }

  #note({ eventName, args, address, blockNumber }: WatchedLog): void {
    const { settings, context, log } = this.#o;
    if (eventName === "EndpointSet") {
      const { executor, url } = args as EventArgs<"vault", "EndpointSet">;
      this.#store.addEndpoint(executor, blockNumber, url);
    } else if (eventName === "BatchCommitted") {
      const committed = args as EventArgs<"rollup", "BatchCommitted">;
      const { batchId, executor, root, count } = committed;
      const wanted = settings.executors.map((address) => address.toLowerCase());
      if (wanted.length > 0 && !wanted.includes(executor.toLowerCase())) return;
      this.#store.addBatch({ id: batchId, executor, root, count: Number(count), block: blockNumber });
      if (this.#anyDraws) this.#draws.open.note(committed, blockNumber);
    } else if (eventName === "GameOpened" && context.sender !== undefined) {
      const { gameId, receiptHash, batchId, challenger } = args as EventArgs<"game", "GameOpened">;
      if (!sameAddress(challenger, context.sender.address)) return;
      this.#dues.add({ kind: "game", address, key: gameId.toString(), block: blockNumber });
      if (this.#games.get(gameId) !== undefined) return;
      this.#games.add({ address, gameId, receiptHash, batchId, openedAt: blockNumber });
      const verdict = this.#store.verdict(receiptHash, batchId);
      if (verdict !== undefined) this.#store.saveVerdict({ ...verdict, dispute: "open", gameId });
      log.info({ game: gameId, receipt: receiptHash }, "own game found on the chain");
    } else if (eventName === "DrawMissed" && context.sender !== undefined) {
      const { batchId, by } = args as EventArgs<"spotChecks", "DrawMissed">;
      if (sameAddress(by, context.sender.address))
        this.#dues.add({ kind: "draw", address, key: batchId.toString(), block: blockNumber });
    } else if (eventName === "Demanded") {
      const { batchId, index, demander } = args as EventArgs<"availability", "Demanded">;
      // Whoever demanded it: the answer is there for all.
      if (this.#store.batch(batchId) === undefined) return;
      this.#cases.addDemand({ availability: address, batchId, index: Number(index), block: blockNumber });
      if (context.sender !== undefined && sameAddress(demander, context.sender.address))
        this.#dues.add({ kind: "demand", address, key: `${batchId}:${index}`, block: blockNumber });
    }
  }

  /** A receipt that could not be judged is looked at again once its content was handed over. */
  #takeUpHanded(): void {
    for (const receiptHash of this.#handed?.takeUp() ?? []) {
      const known = this.#store.verdict(receiptHash);
      if (known?.verdict === "unavailable") this.#store.checkAgain(known.batchId);
    }
  }

  async #checkDue(signal: AbortSignal): Promise<void> {
    this.#takeUpHanded();
    for (;;) {
      const batch = this.#store.nextBatch(this.#o.clock.now());
      if (batch === undefined || signal.aborted) return;
      try {
        await this.#checkBatch(batch, signal);
      } catch (err) {
        // A batch that cannot be checked, whatever is wrong with it, must not keep others from being checked.
        if (!signal.aborted) this.#postpone(batch, err);
      }
    }
  }

  async #checkBatch(batch: WatchedBatch, signal: AbortSignal): Promise<void> {
    const { log, settings, fetch: get } = this.#o;
    if (batch.status === "unavailable" && (await this.#isClosed(batch)))
      return this.#store.checkFailed(batch.id, "unavailable", batch.reason ?? "the window has closed", undefined);
    const { downloadTimeoutMs: timeoutMs, maxBundleBytes: maxBytes } = settings;
    const options = { timeoutMs, maxBytes, signal, ...(get === undefined ? {} : { fetch: get }) };
    const downloaded = await downloadBatch(this.#domain, batch, this.#store.endpoint(batch.executor), options);
    let failure: unknown;
    for (const [index, item] of downloaded.items.entries()) {
      if (signal.aborted) return;
      const known = this.#store.verdict(downloaded.hashes[index], batch.id);
      if (known !== undefined && known.verdict !== "unavailable") continue;
      const leaf = { receiptHash: downloaded.hashes[index], index, siblings: downloaded.siblings(index) };
      try {
        const handed = "bundle" in item ? undefined : this.#handed?.get(leaf.receiptHash);
        const conclusion = await this.#judge(batch, leaf, handed === undefined ? item : { bundle: handed });
        if (conclusion.obstacle === "content") failure ??= new BundleError(downloaded.url, conclusion.reason!);
        if (conclusion.obstacle === "unstable") this.#unstable++;
        if (conclusion.obstacle === "unstable") failure ??= new UnstableReplayError(leaf.receiptHash);
      } catch (err) {
        log.error({ batch: batch.id, receipt: downloaded.hashes[index], err }, "receipt not checked");
        failure ??= err;
      }
    }
    if (failure !== undefined) throw failure;
    this.#store.batchChecked(batch.id);
    log.info({ batch: batch.id, receipts: batch.count }, "batch checked");
  }

  /** Whether no game can be opened on the batch's receipts any more. */
  async #isClosed({ id, root }: WatchedBatch): Promise<boolean> {
    const { context } = this.#o;
    const batch = await getBatch(context, id);
    // Not there: the watcher will hear of the reorganisation.
    if (batch?.root !== root) return false;
    const { challengeWindow } = await getRules(context, batch.rules);
    const { timestamp } = await getBlock(context.client);
    return timestamp >= batch.committedAt + challengeWindow;
  }

  /** An executor that serves nothing now may do so later, when it hopes that nobody looks any more. */
  #postpone(batch: WatchedBatch, err: unknown): void {
    const { settings, clock, log } = this.#o;
    const beyond = batch.attempts + 1 - settings.downloadAttempts;
    const reason = (err instanceof Error ? err.message : String(err)).replaceAll("\n", " ");
    const pause = Math.min(settings.retrySeconds * 1000 * 2 ** Math.max(0, beyond), MAX_PAUSE_MS);
    this.#store.checkFailed(batch.id, beyond < 0 ? "new" : "unavailable", reason, clock.now() + pause);
    const entry = { batch: batch.id, executor: batch.executor, err };
    log[beyond === 0 ? "error" : "warn"](entry, beyond < 0 ? "batch not checked yet" : "batch unavailable");
  }

  /** Judges what an executor posted on the chain. */
  async #judgePosted({ committed, request, input }: PostedAnswer): Promise<void> {
    const { batchId, index, siblings, receipt } = committed;
    const batch = this.#store.batch(batchId);
    if (batch === undefined) return;
    const receiptHash = hashReceipt(this.#domain, receipt);
    const posted = () => postedBundle(this.#domain, receiptHash, committed.receipt, request, input);
    const bundle = (request.confidential ? this.#handed?.get(receiptHash) : undefined) ?? posted();
    await this.#judge(batch, { receiptHash, index, siblings }, { bundle });
  }

  /** Checks one leaf, beside the other receipts of its executor and by itself, and writes the verdict down. */
  async #judge(batch: WatchedBatch, leaf: Leaf, item: BatchItem): Promise<Verdict> {
    const receipt = receiptOf(item);
    const { enclaveSignature, operatorSignature } = "bundle" in item ? item.bundle : item.head;
    const seen = { ...leaf, batchId: batch.id, receipt, enclaveSignature, operatorSignature };
    // Anybody may put another executor's receipt into a batch of its own: that is nobody's word unless it is signed.
    const own = sameAddress(receipt.executor, batch.executor);
    if (own || isSigned(seen)) this.#cases.addReceipt(seen);
    const twice = own ? findTwice(this.#cases, seen) : undefined;
    if (twice !== undefined) {
      const conclusion = invalid(twice);
      this.#conclude(batch, leaf, item, conclusion);
      return conclusion;
    }
    const conclusion = await checkItem(this.#domain, this.#o.models, item);
    this.#conclude(batch, leaf, item, conclusion);
    const { settings } = this.#o;
    const confidential = conclusion.obstacle === "confidential" && settings.demandConfidential;
    if (conclusion.obstacle === "content" || confidential) this.#cases.wantDemand(batch.id, leaf.index);
    return conclusion;
  }

  /** Writes the verdict down, with what a dispute will need. */
  #conclude(batch: WatchedBatch, leaf: Leaf, item: BatchItem, conclusion: Verdict): void {
    const { log } = this.#o;
    const { verdict, fault, reason, obstacle } = conclusion;
    const { receiptHash, index, siblings } = leaf;
    const provable = fault !== undefined && ("bundle" in item || fault.kind === "twice");
    const disputed = provable && this.#disputes !== undefined;
    const disputeReason = fault === undefined || disputed ? undefined : "this fisherman only reports";
    const written = this.#store.transaction(() => {
      // A reorganisation may have taken the batch away, or put another in its place, while this one was checked.
      if (this.#store.batch(batch.id)?.root !== batch.root) return false;
      if (disputed && "bundle" in item)
        this.#store.saveEvidence(receiptHash, batch.id, { bundle: item.bundle, siblings });
      const game = this.#games.on(receiptHash).find(({ batchId }) => batchId === batch.id);
      const none = { dispute: disputed ? "wanted" : "none", gameId: undefined, disputeReason } as const;
      const stored = { receiptHash, batchId: batch.id, index, verdict, fault, reason };
      this.#store.saveVerdict({ ...stored, ...(game === undefined ? none : disputeOf(game)) });
      return true;
    });
    if (!written) return;
    const entry = { batch: batch.id, index, receipt: receiptHash, executor: batch.executor, verdict, fault, reason };
    const level = obstacle === "unstable" ? "error" : verdict === "valid" ? "debug" : "warn";
    log[level]({ ...entry, ...(disputeReason === undefined ? {} : { disputeReason }) }, "receipt checked");
  }
}
