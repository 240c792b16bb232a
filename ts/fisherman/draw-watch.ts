import { type Address, keccak256, toHex } from "viem";
import {
  type BatchDraws,
  countCall,
  type DrawTerms,
  getProofsRound,
  getStrip,
  missedCall,
  type StripDraw,
} from "../chain/actions/draws.ts";
import { type OtrContext, read } from "../chain/context.ts";
import { ContractRevertError, NoSenderError } from "../chain/errors.ts";
import type { Call } from "../chain/sender.ts";
import type { Clock } from "../chain/time.ts";
import type { Logger } from "../config/logger.ts";
import type { Config } from "../config/schema.ts";
import { counter, gauge, type Metric } from "../metrics/metric.ts";
import { Attempts } from "../spotcheck/attempts.ts";
import { strips } from "../spotcheck/draws.ts";
import { type Looked, type OpenBatch, OpenDraws } from "../spotcheck/open-draws.ts";
import { RoundCourier } from "../spotcheck/round-courier.ts";
import { type RoundOptions, roundValue } from "../spotcheck/rounds.ts";
import type { Database } from "../store/database.ts";
import type { FishermanStore } from "./store.ts";

export interface DrawWatchOptions {
  /** Without a sender it only reports. */
  readonly context: OtrContext;
  readonly database: Database;
  readonly store: FishermanStore;
  readonly settings: Config["fisherman"];
  readonly clock: Clock;
  readonly log: Logger;
  readonly rounds?: RoundOptions | undefined;
}

/** Until what could not be done is tried again, in seconds by the chain's clock: the sequencer was out, or a beacon is silent. */
const AGAIN_S = 60n;
/** Until a missed draw is looked at again that this fisherman may only report. */
const REPORTED_S = 3600n;

/**
 * Sees to it that draws are answered, whoever's they are: brings rounds that nobody has brought, counts strips that are proven, and convicts
 * whoever lets a deadline pass. It needs no model and no bundle. Nothing on the chain is lost if it comes late.
 */
export class DrawWatch {
  readonly open: OpenDraws;
  readonly #o: DrawWatchOptions;
  readonly #courier: RoundCourier;
  readonly #signal = new AbortController();
  /** Missed draws that were reported already. */
  readonly #reported = new Set<bigint>();
  #convicted = 0;

  constructor(options: DrawWatchOptions) {
    this.#o = options;
    const { context, database, clock, log, rounds } = options;
    const attempts = new Attempts({ clock, log, signal: this.#signal.signal, message: "draws not looked at" });
    this.open = new OpenDraws({ context, database, attempts, clock, log });
    this.#courier = new RoundCourier({ context, attempts, log, rounds });
  }

  metrics(): Metric[] {
    return [
      gauge("otr_draws_open_batches", "Batches whose draws are not settled.", this.open.open),
      counter("otr_draws_convictions_total", "Executors convicted by this process for a missed draw.", this.#convicted),
      counter("otr_draws_rounds_delivered_total", "Rounds brought to the chain.", this.#courier.delivered),
    ];
  }

  /** One round: everything of which something has become due. */
  async tick(signal: AbortSignal): Promise<void> {
    if (signal.aborted) this.#signal.abort();
    await this.open.pass(signal, (batch, terms, draws, now) => this.#look(batch, terms, draws, now));
  }

  async #look(batch: OpenBatch, terms: DrawTerms, draws: BatchDraws, now: bigint): Promise<Looked> {
    const { context } = this.#o;
    const { randomness } = terms;
    // A known round of which nothing is drawn settles.
    if (draws.drawn === 0) return this.#waitFor(batch, terms, draws.round, now, 0);
    const at = { address: randomness };
    const delivered = await read(context, "randomness", "deliveredAt", [draws.round], at);
    const turnEnd = BigInt(delivered) + terms.turnDuration;
    // All strips have this turn at least: none of them is asked for before.
    if (now < turnEnd) return turnEnd;
    return (await this.#isConvicted(batch)) ? "over" : this.#strips(batch, terms, now);
  }

  /** Looks at every strip, until one was missed: that convicts for all of them. */
  async #strips(batch: OpenBatch, terms: DrawTerms, now: bigint): Promise<Looked> {
    const { context, settings } = this.#o;
    const looks: Looked[] = [];
    const rounds = new Map<bigint, Looked>();
    for (let strip = 0; strip < strips(batch.count, terms.stride); strip++) {
      const draw = await getStrip(context, terms.court, batch.batchId, strip);
      if (draw.state === "proven" && settings.draws.deliver && context.sender !== undefined) {
        await this.#send(countCall(terms.court, batch.batchId, strip), `count:${batch.batchId}:${strip}`);
        looks.push("soon");
      } else if (draw.state === "drawn" || draw.state === "posted") {
        const look = await this.#strip(batch, terms, strip, draw, rounds, now);
        if (look === "over") return "over";
        looks.push(look);
      }
    }
    return earliest(looks) ?? now + REPORTED_S;
  }

  async #strip(
    batch: OpenBatch,
    terms: DrawTerms,
    strip: number,
    { state, claimId, deadline }: StripDraw,
    rounds: Map<bigint, Looked>,
    now: bigint,
  ): Promise<Looked> {
    if (deadline <= now) return this.#convict(batch, terms.court, strip, now);
    if (state === "drawn") return deadline;
    const round = await getProofsRound(this.#o.context, terms.court, claimId);
    if ((await roundValue(this.#o.context, terms.randomness, round)) !== undefined) return deadline;
    // Many strips wait for one round.
    const look = rounds.get(round) ?? (await this.#waitFor(batch, terms, round, now, strip));
    rounds.set(round, look);
    return look;
  }

  /** A round that nobody has brought yet: this fisherman does when it is its turn, or convicts when nobody did in time. */
  async #waitFor(batch: OpenBatch, terms: DrawTerms, round: bigint, now: bigint, strip: number): Promise<Looked> {
    const { context, settings } = this.#o;
    const { randomness, roundTimeout, court } = terms;
    const dueAt = await this.#courier.dueAt(randomness, round);
    const deadline = dueAt + roundTimeout;
    const delivers = settings.draws.deliver && context.sender !== undefined;
    const own = delivers ? dueAt + this.#delay(round, roundTimeout) : deadline;
    if (now < own) return own;
    if (await this.#isConvicted(batch)) return "over";
    if (now >= deadline) return this.#convict(batch, court, strip, now);
    const done = await this.#courier.deliver(randomness, round);
    return done ? "soon" : earliest([deadline, now + AGAIN_S])!;
  }

  /**
   * Seconds after a round is due until this fisherman brings it: each waits for another time, so that few pay for what one does. Never more
   * than half of the timeout: it shall convict nobody for a round that it could have brought.
   */
  #delay(round: bigint, roundTimeout: bigint): bigint {
    const { context, settings } = this.#o;
    const after = BigInt(settings.draws.deliverAfterSeconds);
    const place = after === 0n ? 0n : BigInt(keccak256(toHex(`${context.sender?.address}:${round}`))) % after;
    const delay = after + place;
    return delay < roundTimeout / 2n ? delay : roundTimeout / 2n;
  }

  async #convict(batch: OpenBatch, court: Address, strip: number, now: bigint): Promise<Looked> {
    const { context, settings, log } = this.#o;
    const { batchId } = batch;
    const executor = this.#o.store.batch(batchId)?.executor;
    if (context.sender === undefined || !settings.dispute || !settings.draws.convict) {
      if (!this.#reported.has(batchId)) log.warn({ batch: batchId, strip, executor }, "a draw was missed");
      this.#reported.add(batchId);
      return now + REPORTED_S;
    }
    try {
      // Nobody earns by a missed draw, so that no executor misses its own for the share: only gas comes back, later.
      const { gasUsed } = await this.#send(missedCall(court, batchId, strip), `missed:${batchId}`);
      this.#convicted++;
      log.warn({ batch: batchId, strip, executor, gas: gasUsed }, "a draw was missed: the executor is convicted");
      return "over";
    } catch (err) {
      if (!(err instanceof ContractRevertError)) throw err;
      // Another one was first; the rules are given up; or the sequencer was out, which moves deadlines.
      if (err.errorName === "Suspended" || err.errorName === "RefundMode") return "over";
      if (err.errorName === "NotMissed") return now + AGAIN_S;
      throw err;
    }
  }

  /** Nothing more becomes of the batches of a convicted executor. */
  async #isConvicted({ batchId }: OpenBatch): Promise<boolean> {
    const executor = this.#o.store.batch(batchId)?.executor;
    return executor !== undefined && (await read(this.#o.context, "vault", "convictedAt", [executor])) !== 0;
  }

  #send(call: Call, id: string) {
    const { sender } = this.#o.context;
    if (sender === undefined) throw new NoSenderError(call.name);
    return sender.send(call, { id });
  }
}

/** The look that comes first; undefined of none. */
function earliest(looks: readonly Looked[]): Looked | undefined {
  const rank = (look: Looked) => (look === "soon" ? -1n : look === "over" ? 2n ** 63n : look);
  return looks.reduce<Looked | undefined>((a, b) => (a === undefined || rank(b) < rank(a) ? b : a), undefined);
}
