import type { Abi, Address } from "viem";
import { ABIS } from "../chain/abis.ts";
import { type BatchDraws, type DrawTerms, getBatchDraws } from "../chain/actions/draws.ts";
import { sameAddress } from "../chain/client.ts";
import { openReceipt } from "../chain/committed.ts";
import type { EventArgs, OtrContext } from "../chain/context.ts";
import { SqliteCursorStore } from "../chain/sqlite.ts";
import { type Clock, systemClock } from "../chain/time.ts";
import { Watcher } from "../chain/watch.ts";
import type { Prover } from "../circuits/claim-prover.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Logger } from "../config/logger.ts";
import { gauge, type Metric } from "../metrics/metric.ts";
import { Attempts } from "../spotcheck/attempts.ts";
import { DrawAnswerer, type ProofStore, type ProvableModel, type StripProgress } from "../spotcheck/draw-answerer.ts";
import { strips } from "../spotcheck/draws.ts";
import { JointProofs, type ProofPart, transactionsDue } from "../spotcheck/joint-proofs.ts";
import { type OpenBatch, OpenDraws, unknownBatch } from "../spotcheck/open-draws.ts";
import { RoundCourier } from "../spotcheck/round-courier.ts";
import type { RoundOptions } from "../spotcheck/rounds.ts";
import type { Database } from "../store/database.ts";
import type { DisputeResponder, EvidenceSource } from "./ports.ts";

/** How the responder to draws works. */
export interface DrawResponderOptions {
  /** Its sender is the executor or one of its delegates; a `Transactor`, so that nothing is posted twice. */
  readonly context: OtrContext;
  /** Whose batches these are. */
  readonly executor: Address;
  /** The executor's database: its migrations contain `CHAIN_SQL`, `OPEN_DRAWS_SQL`, proofs of draws and the table of receipts that were committed alone. */
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

/** A strip, as `batch:strip`, that waits for proofs, or has some to be sent. */
interface StripIn<K extends StripProgress["kind"]> {
  readonly strip: string;
  readonly progress: Extract<StripProgress, { kind: K }>;
}

/** Strips of a batch that are not over, and whether one of them could not be looked at. */
interface FoundStrips {
  readonly found: readonly { readonly strip: string; readonly progress: StripProgress }[];
  readonly failed: boolean;
}

/** What was posted may vanish with a reorganisation that nobody saw: the batch is looked at so often within a turn. */
const LOOKS_A_TURN = 4n;

/**
 * Answers the draws of this executor's batches: brings rounds to the chain, posts steps and states at once, and makes proofs, those of the next
 * deadline first. They are sent together, since that costs less, but wait for company no longer than half a turn. After `kill -9` it goes on
 * where it was.
 */
export class DrawResponder implements DisputeResponder {
  readonly #o: DrawResponderOptions & { readonly clock: Clock; readonly pollMs: number };
  readonly #answerer: DrawAnswerer;
  readonly #joint: JointProofs;
  readonly #stop = new AbortController();
  readonly #attempts: Attempts;
  readonly #open: OpenDraws;
  readonly #courier: RoundCourier;
  /** Strips that are answered or missed, so that they are not asked for again while others of their batch are. */
  readonly #over = new Set<string>();
  #loop: Promise<void> = Promise.resolve();
  #nextDeadline: bigint | undefined;
  #missed = 0;

  constructor(options: DrawResponderOptions) {
    this.#o = { clock: systemClock, pollMs: 1000, ...options };
    const { context, prover, log, clock, database, rounds } = this.#o;
    const models = (modelId: Hex) => this.#o.models(modelId);
    this.#answerer = new DrawAnswerer({ context, prover, log, models, proofs: proofStore(database) });
    this.#joint = new JointProofs({ context, log });
    const attempts = new Attempts({ clock, log, signal: this.#stop.signal, message: "a draw is not answered yet" });
    this.#attempts = attempts;
    this.#open = new OpenDraws({ context, database, attempts, clock, log });
    this.#courier = new RoundCourier({ context, attempts, log, rounds });
  }

  metrics(): Metric[] {
    const deadline = this.#nextDeadline;
    return [
      gauge("otr_draws_open_batches", "Batches whose draws are not settled.", this.#open.open),
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
    const wanted: StripIn<"proofs">[] = [];
    const ready: StripIn<"ready">[] = [];
    /** Courts of strips whose round has just come: there may be proofs to make in the next pass. */
    const drawnNow = new Set<Address>();
    await this.#open.pass(this.#stop.signal, async (batch, terms, draws, now) => {
      const nothing: FoundStrips = { found: [], failed: false };
      const { found, failed } = draws.drawn === 0 ? nothing : await this.#strips(evidence, batch, terms, draws);
      for (const { strip, progress } of found) {
        if (progress.kind === "proofs") wanted.push({ strip, progress });
        else if (progress.kind === "ready") ready.push({ strip, progress });
      }
      const rounds = new Set(found.flatMap(({ progress }) => (progress.kind === "waits" ? [progress.round] : [])));
      if (draws.drawn === 0) rounds.add(draws.round);
      let next: bigint | undefined;
      for (const round of rounds) {
        const dueAt = await this.#courier.dueAt(terms.randomness, round);
        if (dueAt <= now) {
          await this.#courier.deliver(terms.randomness, round);
          if (found.length > 0) drawnNow.add(terms.court);
        }
        if (next === undefined || dueAt < next) next = dueAt;
      }
      const waitsOnly = !failed && found.every(({ progress }) => progress.kind === "waits");
      if (next === undefined || !waitsOnly || next <= now) return "soon";
      const look = now + terms.turnDuration / LOOKS_A_TURN;
      return draws.drawn > 0 && look < next ? look : next;
    });
    wanted.sort((a, b) => (a.progress.deadline < b.progress.deadline ? -1 : 1));
    const deadlines = [...wanted, ...ready].map(({ progress }) => progress.deadline);
    [this.#nextDeadline] = deadlines.sort((a, b) => (a < b ? -1 : 1));
    const waiting = new Waiting(ready);
    const more = (court: Address) => wanted.some(({ progress }) => progress.court === court) || drawnNow.has(court);
    await this.#sendDue(waiting, more);
    for (const { strip, progress } of wanted) {
      if (this.#stop.signal.aborted) return false;
      const prove = () => this.#beside(progress.prove(), () => this.#sendDue(waiting, more));
      if (await this.#attempts.attempt(`proofs:${strip}`, prove)) return true;
    }
    return false;
  }

  /** Sends those proofs that need not, or must not, wait for others. */
  async #sendDue(waiting: Waiting, more: (court: Address) => boolean): Promise<void> {
    if (waiting.parts.length === 0 || this.#stop.signal.aborted) return;
    const { timestamp: now } = await this.#open.now();
    const alone = (part: ProofPart) => this.#joint.isAlone(part);
    for (const parts of transactionsDue(waiting.parts, { now, more, alone })) {
      await this.#attempts.attempt(`send:${parts[0]!.claimId}`, async () => {
        const { proven, over } = await this.#joint.send(parts);
        this.#answerer.proven(proven);
        for (const part of over) for (const strip of waiting.stripsOf(part)) this.#miss(strip);
        waiting.remove(parts);
      });
    }
  }

  /** While a proof is made, which may take long or never end, deadlines of others do not wait. */
  async #beside(proving: Promise<void>, meanwhile: () => Promise<void>): Promise<void> {
    const { clock, pollMs } = this.#o;
    const over = new AbortController();
    const end = () => over.abort();
    proving.then(end, end);
    while (!over.signal.aborted) {
      await clock.sleep(pollMs, over.signal);
      if (!over.signal.aborted)
        await meanwhile().catch((err: unknown) => this.#o.log.warn({ err }, "time is not known"));
    }
    await proving;
  }

  /** Takes every strip of a batch as far as it goes without proofs. */
  async #strips(evidence: EvidenceSource, batch: OpenBatch, terms: DrawTerms, draws: BatchDraws): Promise<FoundStrips> {
    const { batchId, root, count } = batch;
    const hashes = evidence.leaves(root) ?? this.#single(batchId) ?? [];
    const found: FoundStrips["found"][number][] = [];
    let failed = false;
    const otherRounds = (receiptHash: Hex) => this.#otherRounds(evidence, batch, receiptHash);
    for (let strip = 0; strip < strips(count, terms.stride); strip++) {
      const key = `${batchId}:${strip}`;
      if (this.#over.has(key) || this.#stop.signal.aborted) continue;
      const done = await this.#attempts.attempt(`strip:${key}`, async () => {
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
      failed ||= !done;
    }
    return { found, failed };
  }

  /** Rounds that draw from other batches with this receipt: the one that this executor made of it, and those of which it is the only one. */
  async #otherRounds(evidence: EvidenceSource, batch: OpenBatch, receiptHash: Hex): Promise<bigint[]> {
    const { context, database } = this.#o;
    const sql = `SELECT batch_id FROM draws WHERE (court = ? OR court IS NULL) AND batch_id <> ?
      AND (root = ? OR batch_id IN (SELECT batch_id FROM singles WHERE receipt_hash = ?))`;
    const [own, root] = [batch.batchId.toString(), evidence.batchRoot(receiptHash) ?? null];
    const rounds: bigint[] = [];
    for (const row of database.all(sql, batch.court, own, root, receiptHash)) {
      const draws = await getBatchDraws(context, batch.court, BigInt(String(row.batch_id))).catch(unknownBatch);
      if (draws !== undefined) rounds.push(draws.round);
    }
    return rounds;
  }

  /** Nothing helps any more: the court takes no answer. */
  #miss(strip: string): void {
    this.#over.add(strip);
    this.#missed++;
    this.#o.log.fatal({ strip }, "a draw was missed: it convicts");
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
      onRange: (logs, head) => {
        this.#open.sawBlock(head);
        for (const { eventName, args, blockNumber } of logs) {
          if (eventName !== "BatchCommitted") continue;
          const batch = args as EventArgs<"rollup", "BatchCommitted">;
          if (sameAddress(batch.executor, this.#o.executor)) this.#open.note(batch, blockNumber);
        }
      },
      onRewind: (block) => {
        log.warn({ block }, "reorganisation");
        this.#over.clear();
        this.#open.rewind(block);
      },
    });
  }
}

/** Proofs that are ready. Strips that one claim answers have the same. */
class Waiting {
  readonly #strips: readonly StripIn<"ready">[];
  readonly #parts: ProofPart[] = [];

  constructor(strips: readonly StripIn<"ready">[]) {
    this.#strips = strips;
    const claims = new Set<Hex>();
    for (const { progress } of strips) {
      const [first] = progress.parts;
      if (first === undefined || claims.has(first.claimId)) continue;
      claims.add(first.claimId);
      this.#parts.push(...progress.parts);
    }
  }

  get parts(): readonly ProofPart[] {
    return this.#parts;
  }

  stripsOf({ claimId }: ProofPart): string[] {
    return this.#strips
      .filter(({ progress }) => progress.parts.some((part) => part.claimId === claimId))
      .map(({ strip }) => strip);
  }

  remove(sent: readonly ProofPart[]): void {
    for (const part of sent) this.#parts.splice(this.#parts.indexOf(part), 1);
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
