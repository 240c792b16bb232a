import type { Abi, Address } from "viem";
import { zeroAddress } from "viem";
import { getBlockNumber } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import { type BatchDraws, type DrawTerms, getBatchDraws, getDrawTerms } from "../chain/actions/draws.ts";
import { getRules } from "../chain/actions/rules.ts";
import { sameAddress } from "../chain/client.ts";
import { openReceipt } from "../chain/committed.ts";
import { type EventArgs, type OtrContext, read } from "../chain/context.ts";
import { NoSenderError } from "../chain/errors.ts";
import { SqliteCursorStore } from "../chain/sqlite.ts";
import { type Clock, systemClock } from "../chain/time.ts";
import { type WatchedLog, Watcher } from "../chain/watch.ts";
import type { Prover } from "../circuits/claim-prover.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Logger } from "../config/logger.ts";
import { gauge, type Metric } from "../metrics/metric.ts";
import { DrawAnswerer, type ProofStore, type ProvableModel, type StripProgress } from "../spotcheck/draw-answerer.ts";
import { strips } from "../spotcheck/draws.ts";
import { deliveryOf, type RoundOptions } from "../spotcheck/rounds.ts";
import type { Database, SqlRow } from "../store/database.ts";
import type { DisputeResponder, EvidenceSource } from "./ports.ts";

/** How the responder to draws works. */
export interface DrawResponderOptions {
  /** Its sender is the executor or one of its delegates; a `Transactor`, so that nothing is posted twice. */
  readonly context: OtrContext;
  /** Whose batches these are. */
  readonly executor: Address;
  /** The executor's database: its migrations contain `CHAIN_SQL`, `DRAWS_SQL` and the table of receipts that were committed alone. */
  readonly database: Database;
  readonly log: Logger;
  readonly prover: Prover;
  models(modelId: Hex): Promise<ProvableModel | undefined>;
  readonly rounds?: RoundOptions;
  /** First block that can hold a batch: the deployment's. */
  readonly fromBlock: bigint;
  readonly clock?: Clock;
  /** Milliseconds between two looks at the chain. */
  readonly pollMs?: number;
  /** Blocks per log query at most. */
  readonly maxRange?: bigint;
  /** Milliseconds that an endpoint's machines may lag behind each other. */
  readonly lagMs?: number;
}

interface OwedBatch {
  readonly batchId: bigint;
  readonly court: Address;
  readonly root: Hex;
  readonly count: number;
}

/** Between two attempts at what failed. */
const RETRY_MS = 5000;
/** What one node says of its head may be behind what another one knew by so many blocks. */
const LAG_BLOCKS = 64;

/**
 * Answers the draws of this executor's batches: brings rounds to the chain, posts steps and states at once, and makes proofs, those of the next
 * deadline first. After `kill -9` it goes on where it was.
 */
export class DrawResponder implements DisputeResponder {
  readonly #o: DrawResponderOptions & { readonly clock: Clock; readonly pollMs: number };
  readonly #answerer: DrawAnswerer;
  readonly #stop = new AbortController();
  readonly #terms = new Map<Address, DrawTerms>();
  /** Strips that are answered, so that they are not asked for again while others of their batch are not. */
  readonly #answered = new Set<string>();
  readonly #paused = new Map<string, number>();
  #loop: Promise<void> = Promise.resolve();
  #nextDeadline: bigint | undefined;

  constructor(options: DrawResponderOptions) {
    this.#o = { clock: systemClock, pollMs: 1000, ...options };
    const { context, prover, log } = this.#o;
    const models = (modelId: Hex) => this.#o.models(modelId);
    this.#answerer = new DrawAnswerer({ context, prover, log, models, proofs: proofStore(this.#o.database) });
  }

  metrics(): Metric[] {
    const open = this.#owed().length;
    const deadline = this.#nextDeadline;
    return [
      gauge("otr_draws_open_batches", "Batches whose draws are not settled.", open),
      ...(deadline === undefined
        ? []
        : [
            gauge(
              "otr_draws_next_deadline_timestamp_seconds",
              "By when the next drawn element must be proven, in seconds since 1970.",
              Number(deadline),
            ),
          ]),
    ];
  }

  async start(evidence: EvidenceSource): Promise<void> {
    const { clock, log, pollMs } = this.#o;
    const watcher = this.#watcher();
    this.#loop = (async () => {
      while (!this.#stop.signal.aborted) {
        // What is known is answered even if nothing new can be read: deadlines do not wait.
        await watcher.sync(this.#stop.signal).catch((err: unknown) => log.warn({ err }, "new batches cannot be read"));
        const busy = await this.#pass(evidence).catch((err: unknown) => {
          log.warn({ err }, "draws cannot be answered");
          return false;
        });
        if (!busy) await clock.sleep(pollMs, this.#stop.signal);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    this.#o.prover.close();
  }

  /** Everything that takes no proof, then the proofs of the nearest deadline. @returns Whether there was something to prove. */
  async #pass(evidence: EvidenceSource): Promise<boolean> {
    let next: Extract<StripProgress, { kind: "proofs" }> | undefined;
    const rounds = new Map<string, { randomness: Address; round: bigint }>();
    for (const batch of this.#owed()) {
      if (this.#stop.signal.aborted) return false;
      await this.#attempt(`batch:${batch.batchId}`, async () => {
        const terms = await this.#termsOf(batch.court);
        const draws = await getBatchDraws(this.#o.context, batch.court, batch.batchId);
        if (draws.settled) return this.#settle(batch);
        const wants = (round: bigint) =>
          rounds.set(`${terms.randomness}:${round}`, { randomness: terms.randomness, round });
        if (draws.drawn === 0) return void wants(draws.round);
        for (const progress of await this.#strips(evidence, batch, terms, draws)) {
          if (progress.kind === "waits") wants(progress.round);
          if (progress.kind === "proofs" && (next === undefined || progress.deadline < next.deadline)) next = progress;
        }
      });
    }
    for (const { randomness, round } of rounds.values()) {
      await this.#attempt(`round:${randomness}:${round}`, () => this.#deliver(randomness, round));
    }
    const found: Extract<StripProgress, { kind: "proofs" }> | undefined = next;
    this.#nextDeadline = found?.deadline;
    if (found === undefined || this.#stop.signal.aborted) return false;
    return this.#attempt(`proofs:${found.deadline}`, () => found.prove());
  }

  /** Takes every strip of a batch as far as it goes without proofs. */
  async #strips(evidence: EvidenceSource, batch: OwedBatch, terms: DrawTerms, draws: BatchDraws) {
    const { batchId, root, count } = batch;
    const hashes = evidence.leaves(root) ?? this.#single(batchId) ?? [];
    const found: StripProgress[] = [];
    for (let strip = 0; strip < strips(count, terms.stride); strip++) {
      const key = `${batchId}:${strip}`;
      if (this.#answered.has(key) || this.#stop.signal.aborted) continue;
      await this.#attempt(`strip:${key}`, async () => {
        const otherRounds = await this.#otherRounds(evidence, batch, hashes);
        const at = (index: number) => {
          const bundle = hashes[index] === undefined ? undefined : evidence.bundle(hashes[index]);
          return bundle && { bundle, committed: openReceipt(batchId, bundle.receipt, hashes, index) };
        };
        const wanted = { batchId, strip, draws, at, otherRounds };
        const progress = await this.#answerer.advance(terms, wanted);
        if (progress.kind === "answered") this.#answered.add(key);
        else found.push(progress);
      });
    }
    return found;
  }

  /** Rounds of other batches that hold a receipt of this one, which only a batch of one can. */
  async #otherRounds(evidence: EvidenceSource, batch: OwedBatch, hashes: readonly Hex[]): Promise<bigint[]> {
    const others = new Map<string, Address>();
    for (const hash of hashes) {
      const sql = "SELECT draws.batch_id, draws.court FROM singles JOIN draws USING (batch_id) WHERE receipt_hash = ?";
      for (const row of this.#o.database.all(sql, hash)) others.set(String(row.batch_id), row.court as Address);
    }
    const [only] = hashes;
    const root = hashes.length === 1 && only !== undefined ? evidence.batchRoot(only) : undefined;
    if (root !== undefined) {
      const sql = "SELECT batch_id, court FROM draws WHERE root = ?";
      for (const row of this.#o.database.all(sql, root)) others.set(String(row.batch_id), row.court as Address);
    }
    others.delete(batch.batchId.toString());
    const rounds: bigint[] = [];
    for (const [batchId, court] of others) {
      if (!sameAddress(court, batch.court)) continue;
      rounds.push((await getBatchDraws(this.#o.context, court, BigInt(batchId))).round);
    }
    return rounds;
  }

  async #deliver(randomness: Address, round: bigint): Promise<void> {
    const { context, log, rounds = {} } = this.#o;
    const call = await deliveryOf(context, randomness, round, rounds);
    if (call === undefined) return;
    if (context.sender === undefined) throw new NoSenderError(call.name);
    const { gasUsed } = await context.sender.send(call);
    log.info({ round, call: call.name, gas: gasUsed }, "round delivered");
  }

  /** Does something unless it failed a moment ago. @returns Whether it was done. */
  async #attempt(key: string, deed: () => Promise<void>): Promise<boolean> {
    const { clock, log } = this.#o;
    if (clock.now() < (this.#paused.get(key) ?? 0)) return false;
    try {
      await deed();
      this.#paused.delete(key);
      return true;
    } catch (err) {
      this.#paused.set(key, clock.now() + RETRY_MS);
      log.error({ what: key, err }, "a draw is not answered yet");
      return false;
    }
  }

  #owed(): OwedBatch[] {
    const sql = "SELECT * FROM draws WHERE settled IS NULL ORDER BY block, batch_id";
    return this.#o.database.all(sql).map(owedOf);
  }

  async #settle({ batchId }: OwedBatch): Promise<void> {
    const head = await getBlockNumber(this.#o.context.client);
    this.#o.database.run("UPDATE draws SET settled = ? WHERE batch_id = ?", head, batchId.toString());
    this.#o.log.info({ batch: batchId }, "draws of a batch settled");
  }

  async #termsOf(court: Address): Promise<DrawTerms> {
    const known = this.#terms.get(court);
    if (known !== undefined) return known;
    const terms = await getDrawTerms(this.#o.context, court);
    this.#terms.set(court, terms);
    return terms;
  }

  #single(batchId: bigint): readonly Hex[] | undefined {
    const row = this.#o.database.get("SELECT receipt_hash FROM singles WHERE batch_id = ?", batchId.toString());
    return row && [row.receipt_hash as Hex];
  }

  #watcher(): Watcher {
    const { context, fromBlock, clock, maxRange, lagMs, database, log } = this.#o;
    return new Watcher({
      client: context.client,
      name: "draws",
      store: new SqliteCursorStore(database),
      addresses: async () => [context.addresses.rollup],
      abi: ABIS.rollup as Abi,
      fromBlock,
      clock,
      ...(maxRange === undefined ? {} : { maxRange }),
      ...(lagMs === undefined ? {} : { lagMs }),
      onRange: async (logs) => {
        for (const event of logs) await this.#note(event);
      },
      onRewind: (block) => {
        log.warn({ block }, "reorganisation");
        this.#answered.clear();
        database.transaction(() => {
          database.run("DELETE FROM draws WHERE block > ?", Number(block));
          database.run("UPDATE draws SET settled = NULL WHERE settled > ?", Math.max(0, Number(block) - LAG_BLOCKS));
        });
      },
    });
  }

  async #note({ eventName, args, blockNumber }: WatchedLog): Promise<void> {
    if (eventName !== "BatchCommitted") return;
    const { batchId, executor, root, count } = args as EventArgs<"rollup", "BatchCommitted">;
    const { context, database } = this.#o;
    if (!sameAddress(executor, this.#o.executor)) return;
    const { rules } = await read(context, "rollup", "batchOf", [batchId]);
    // A duplicate that was dropped owes nothing.
    if (rules === 0) return;
    const { spotChecks } = await getRules(context, rules);
    if (sameAddress(spotChecks, zeroAddress)) return;
    const sql = "INSERT INTO draws VALUES (?, ?, ?, ?, ?, NULL) ON CONFLICT (batch_id) DO NOTHING";
    database.run(sql, batchId.toString(), spotChecks, root, Number(count), Number(blockNumber));
  }
}

function proofStore(database: Database): ProofStore {
  return {
    get: (key) => database.get("SELECT proof FROM draw_proofs WHERE key = ?", key)?.proof as Uint8Array | undefined,
    put: (key, claim, proof) => {
      database.run("INSERT OR REPLACE INTO draw_proofs VALUES (?, ?, ?)", key, claim, proof);
    },
    drop: (claim) => {
      database.run("DELETE FROM draw_proofs WHERE claim = ?", claim);
    },
  };
}

function owedOf(row: SqlRow): OwedBatch {
  return {
    batchId: BigInt(String(row.batch_id)),
    court: row.court as Address,
    root: row.root as Hex,
    count: Number(row.count),
  };
}
