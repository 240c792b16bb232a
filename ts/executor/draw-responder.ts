import type { Abi, Address } from "viem";
import { zeroAddress } from "viem";
import { getBlockNumber } from "viem/actions";
import { ABIS } from "../chain/abis.ts";
import { type BatchDraws, type DrawTerms, getBatchDraws, getDrawTerms } from "../chain/actions/draws.ts";
import { getRules } from "../chain/actions/rules.ts";
import { sameAddress } from "../chain/client.ts";
import { openReceipt } from "../chain/committed.ts";
import { type EventArgs, type OtrContext, read } from "../chain/context.ts";
import { ContractRevertError, NoSenderError } from "../chain/errors.ts";
import { SqliteCursorStore } from "../chain/sqlite.ts";
import { type Clock, systemClock } from "../chain/time.ts";
import { type WatchedLog, Watcher } from "../chain/watch.ts";
import type { Prover } from "../circuits/claim-prover.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Logger } from "../config/logger.ts";
import { gauge, type Metric } from "../metrics/metric.ts";
import { DrawAnswerer, type ProofStore, type ProvableModel, type StripProgress } from "../spotcheck/draw-answerer.ts";
import { strips } from "../spotcheck/draws.ts";
import { deliveryOf, type RoundOptions, untilDue } from "../spotcheck/rounds.ts";
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

/** A strip, as `batch:strip`, that waits for proofs. */
interface ProofsWanted {
  readonly strip: string;
  readonly progress: Extract<StripProgress, { kind: "proofs" }>;
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
  /** Strips that are answered or missed, so that they are not asked for again while others of their batch are. */
  readonly #over = new Set<string>();
  /** Until when (milliseconds) nothing can happen to a batch: its rounds are not due before. */
  readonly #quiet = new Map<bigint, number>();
  readonly #paused = new Map<string, number>();
  #loop: Promise<void> = Promise.resolve();
  #nextDeadline: bigint | undefined;
  #missed = 0;

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
      gauge("otr_draws_missed", "Draws that this process has seen pass unanswered: each convicts.", this.#missed),
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
    // A proof under way is given up: those that are finished are on disk.
    this.#o.prover.close();
    await this.#loop;
  }

  /** Everything that takes no proof, then the proofs of the nearest deadline. @returns Whether there was something to prove. */
  async #pass(evidence: EvidenceSource): Promise<boolean> {
    const wanted: ProofsWanted[] = [];
    for (const batch of this.#owed()) {
      if (this.#stop.signal.aborted) return false;
      if (this.#o.clock.now() < (this.#quiet.get(batch.batchId) ?? 0)) continue;
      await this.#attempt(
        `batch:${batch.batchId}`,
        async () => void wanted.push(...(await this.#look(evidence, batch))),
      );
    }
    const [next] = wanted.sort((a, b) => (a.progress.deadline < b.progress.deadline ? -1 : 1));
    this.#nextDeadline = next?.progress.deadline;
    if (next === undefined || this.#stop.signal.aborted) return false;
    return this.#attempt(`proofs:${next.strip}`, async () => {
      if ((await next.progress.prove()) === "missed") this.#miss(next.strip);
    });
  }

  /** Takes a batch as far as it goes without proofs, and brings the rounds that it waits for. @returns Its strips that want proofs. */
  async #look(evidence: EvidenceSource, batch: OwedBatch): Promise<ProofsWanted[]> {
    const { context } = this.#o;
    const terms = await this.#termsOf(batch.court);
    const draws = await getBatchDraws(context, batch.court, batch.batchId).catch(unknownBatch);
    // Settled, or dropped as a duplicate: nothing is owed.
    if (draws === undefined || draws.settled) {
      await this.#settle(batch);
      return [];
    }
    const found = draws.drawn === 0 ? [] : await this.#strips(evidence, batch, terms, draws);
    const wanted = found.flatMap(({ strip, progress }) => (progress.kind === "proofs" ? [{ strip, progress }] : []));
    const rounds = new Set(found.flatMap(({ progress }) => (progress.kind === "waits" ? [progress.round] : [])));
    if (draws.drawn === 0) rounds.add(draws.round);
    let wait = Number.POSITIVE_INFINITY;
    for (const round of rounds) wait = Math.min(wait, await this.#deliver(terms.randomness, round));
    const waitsOnly = rounds.size > 0 && found.every(({ progress }) => progress.kind === "waits");
    if (waitsOnly && wait > 0) this.#quiet.set(batch.batchId, this.#o.clock.now() + wait);
    return wanted;
  }

  /** Takes every strip of a batch as far as it goes without proofs. */
  async #strips(evidence: EvidenceSource, batch: OwedBatch, terms: DrawTerms, draws: BatchDraws) {
    const { batchId, root, count } = batch;
    const hashes = evidence.leaves(root) ?? this.#single(batchId) ?? [];
    const found: { readonly strip: string; readonly progress: StripProgress }[] = [];
    const otherRounds = (receiptHash: Hex) => this.#otherRounds(evidence, batch, receiptHash);
    for (let strip = 0; strip < strips(count, terms.stride); strip++) {
      const key = `${batchId}:${strip}`;
      if (this.#over.has(key) || this.#stop.signal.aborted) continue;
      await this.#attempt(`strip:${key}`, async () => {
        const at = (index: number) => {
          const bundle = hashes[index] === undefined ? undefined : evidence.bundle(hashes[index]);
          return bundle && { bundle, committed: openReceipt(batchId, bundle.receipt, hashes, index) };
        };
        const wanted = { batchId, strip, draws, at, otherRounds };
        const progress = await this.#answerer.advance(terms, wanted);
        if (progress.kind === "answered") this.#over.add(key);
        else if (progress.kind === "missed") this.#miss(key);
        else found.push({ strip: key, progress });
      });
    }
    return found;
  }

  /** Rounds that draw from other batches with this receipt: the one that this executor made of it, and those of which it is the only one. */
  async #otherRounds(evidence: EvidenceSource, batch: OwedBatch, receiptHash: Hex): Promise<bigint[]> {
    const { context, database } = this.#o;
    const sql = `SELECT batch_id FROM draws WHERE court = ? AND batch_id <> ?
      AND (root = ? OR batch_id IN (SELECT batch_id FROM singles WHERE receipt_hash = ?))`;
    const [own, root] = [batch.batchId.toString(), evidence.batchRoot(receiptHash) ?? null];
    const rounds: bigint[] = [];
    for (const row of database.all(sql, batch.court, own, root, receiptHash)) {
      const draws = await getBatchDraws(context, batch.court, BigInt(String(row.batch_id))).catch(unknownBatch);
      if (draws !== undefined) rounds.push(draws.round);
    }
    return rounds;
  }

  /** Brings a round to the chain if it is due. @returns Milliseconds until it is; 0 once it is. */
  async #deliver(randomness: Address, round: bigint): Promise<number> {
    const { context, log, rounds = {} } = this.#o;
    const left = await untilDue(context, randomness, round);
    if (left > 0n) return Number(left) * 1000;
    await this.#attempt(`round:${randomness}:${round}`, async () => {
      const call = await deliveryOf(context, randomness, round, rounds);
      if (call === undefined) return;
      if (context.sender === undefined) throw new NoSenderError(call.name);
      const { gasUsed } = await context.sender.send(call);
      log.info({ round, call: call.name, gas: gasUsed }, "round delivered");
    });
    return 0;
  }

  /** Nothing helps any more: the court takes no answer. */
  #miss(strip: string): void {
    this.#over.add(strip);
    this.#missed++;
    this.#o.log.fatal({ strip }, "a draw was missed: it convicts");
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
      if (!this.#stop.signal.aborted) log.error({ what: key, err }, "a draw is not answered yet");
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
        this.#over.clear();
        this.#quiet.clear();
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
    // Gone with a reorganisation since the log was read.
    if (rules === 0) return;
    const { spotChecks } = await getRules(context, rules);
    if (sameAddress(spotChecks, zeroAddress)) return;
    const sql = "INSERT INTO draws VALUES (?, ?, ?, ?, ?, NULL) ON CONFLICT (batch_id) DO NOTHING";
    database.run(sql, batchId.toString(), spotChecks, root, Number(count), Number(blockNumber));
  }
}

/** A batch that was dropped as a duplicate is known no more. */
function unknownBatch(error: unknown): undefined {
  if (!(error instanceof ContractRevertError && error.errorName === "UnknownBatch")) throw error;
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
