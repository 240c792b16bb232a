import { getBlock } from "viem/actions";
import { type BatchState, getBatch } from "../chain/actions/batch.ts";
import { closeDemand, demandData, getDemand, timeoutDemand } from "../chain/actions/demand.ts";
import { getRules, type RulesState } from "../chain/actions/rules.ts";
import { sameAddress } from "../chain/client.ts";
import { type OtrContext, read } from "../chain/context.ts";
import type { DueStore } from "../chain/due-store.ts";
import { ContractRevertError } from "../chain/errors.ts";
import { loadPostedAnswer, type PostedAnswer } from "../chain/posted-answer.ts";
import type { Clock } from "../chain/time.ts";
import { weiOf } from "../config/amounts.ts";
import type { Logger } from "../config/logger.ts";
import type { Config } from "../config/schema.ts";
import type { CaseStore, TrackedDemand } from "./case-store.ts";
import type { FishermanStore } from "./store.ts";

/** What demands for data need. */
export interface DemandsOptions {
  readonly context: OtrContext;
  readonly store: FishermanStore;
  readonly cases: CaseStore;
  readonly dues: DueStore;
  readonly settings: Config["fisherman"];
  readonly clock: Clock;
  readonly log: Logger;
  /** Judges what was posted, as what is downloaded. */
  readonly judge: (answer: PostedAnswer) => Promise<void>;
  readonly onConvicted: (batchId: bigint, executor: `0x${string}`) => void;
}

/** Between two attempts at a demand that failed. */
const RETRY_MS = 10_000;
/** Until a batch is looked at again on which no demand can be made: mostly it is too late for ever. */
const CLOSED_MS = 600_000;

/** Demands on the chain what executors do not serve: they post it there, or are convicted. */
export class Demands {
  readonly #o: DemandsOptions;
  readonly #paused = new Map<string, number>();
  /** Batches on which no demand can be made: milliseconds since 1970 before which nobody asks again. */
  #closed = new Map<bigint, number>();

  constructor(options: DemandsOptions) {
    this.#o = options;
  }

  /** One round: makes demands that are due, and follows those that were made. */
  async tick(): Promise<void> {
    const { context, cases, settings } = this.#o;
    if (settings.demands && context.sender !== undefined) await this.#demandWithheld();
    for (const demand of cases.demands("open")) await this.#guarded(demand, () => this.#follow(demand));
    for (const demand of cases.demands("answered")) await this.#guarded(demand, () => this.#judge(demand));
  }

  async #guarded(demand: TrackedDemand, step: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#o;
    const key = `${demand.batchId}:${demand.index}`;
    if (clock.now() < (this.#paused.get(key) ?? 0)) return;
    try {
      await step();
    } catch (err) {
      this.#paused.set(key, clock.now() + RETRY_MS);
      log.warn({ batch: demand.batchId, index: demand.index, err }, "demand waits");
    }
  }

  async #demandWithheld(): Promise<void> {
    const { store, cases, settings, clock } = this.#o;
    const withheld = store.withheld();
    const stillClosed = withheld.filter(({ id }) => clock.now() < (this.#closed.get(id) ?? 0));
    this.#closed = new Map(stillClosed.map(({ id }) => [id, this.#closed.get(id)!]));
    // A batch of which nothing came is demanded leaf by leaf, as far as bonds at risk allow.
    for (const batch of withheld) {
      if (this.#closed.has(batch.id)) continue;
      if (cases.demands("open").length + cases.demands("wanted").length >= settings.maxDemands) break;
      const known = store.verdicts(batch.id) > 0;
      const index = known ? undefined : cases.firstUndemanded(batch.id, batch.count);
      if (index === undefined) continue;
      if ((await this.#terms(batch.id)) === undefined) this.#closed.set(batch.id, clock.now() + CLOSED_MS);
      else cases.wantDemand(batch.id, index);
    }
    for (const wanted of cases.demands("wanted")) {
      if (cases.demands("open").length >= settings.maxDemands) return;
      await this.#guarded(wanted, () => this.#demand(wanted));
    }
  }

  /** What a demand on a batch costs now; undefined if it is too early or too late for one, or it costs too much. */
  async #terms(batchId: bigint): Promise<{ batch: BatchState; rules: RulesState } | "later" | undefined> {
    const { context, settings } = this.#o;
    const batch = await getBatch(context, batchId);
    if (batch === undefined) return undefined;
    const rules = await getRules(context, batch.rules);
    const { timestamp } = await getBlock(context.client);
    const tooLate = timestamp >= batch.committedAt + rules.challengeWindow / 2n;
    const convicted = (await read(context, "vault", "convictedAt", [batch.executor])) !== 0;
    if (tooLate || convicted || rules.demandBond > weiOf(settings.maxDemandBondEther)) return undefined;
    return timestamp < batch.committedAt + BigInt(settings.demandAfterSeconds) ? "later" : { batch, rules };
  }

  async #demand({ batchId, index }: TrackedDemand): Promise<void> {
    const { context, store, cases, dues, log } = this.#o;
    const verdict = store.verdictAt(batchId, index)?.verdict;
    const settled = verdict === "valid" || verdict === "invalid" || store.batch(batchId) === undefined;
    const terms = settled ? undefined : await this.#terms(batchId);
    if (terms === undefined) return cases.dropWanted(batchId, index);
    if (terms === "later") return;
    const { rules, batch } = terms;
    const { availability } = rules;
    try {
      const id = `demand:${batchId}:${index}`;
      const { blockNumber, deadline } = await demandData(context, { rules, batchId, index, id });
      store.transaction(() => {
        cases.addDemand({ availability, batchId, index, block: blockNumber });
        dues.add({ kind: "demand", address: availability, key: `${batchId}:${index}`, block: blockNumber });
      });
      log.warn({ batch: batchId, index, executor: batch.executor, bond: rules.demandBond, deadline }, "data demanded");
    } catch (err) {
      // Somebody else was first: the watcher brings that demand. Or the executor was convicted meanwhile.
      if (!(err instanceof ContractRevertError) || err.errorName !== "NotDemandable") throw err;
      cases.dropWanted(batchId, index);
    }
  }

  async #follow(demand: TrackedDemand): Promise<void> {
    const { context, cases, log, onConvicted } = this.#o;
    const { batchId, index, availability } = demand;
    const { state, demander, openedAt, deadline } = await getDemand(context, demand);
    const over = (status: "answered" | "over", answer?: `0x${string}`) =>
      cases.saveDemand({ batchId, index, status, answer });
    if (state === "none") return;
    if (state !== "open") {
      // Whoever was paid for it, an answer stays readable.
      const answer = await loadPostedAnswer(context, demand, demand.block);
      return answer === undefined ? over("over") : over("answered", answer.hash);
    }
    const sender = context.sender?.address;
    if (sender === undefined || !sameAddress(demander, sender)) return;
    const batch = await getBatch(context, batchId);
    if (batch === undefined) return;
    const convictedAt = await read(context, "vault", "convictedAt", [batch.executor]);
    const key = { availability, batchId, index };
    if (convictedAt !== 0) {
      const conviction = await read(context, "rollup", "convictionOf", [batch.executor]);
      // A demand that was made before the winning case may still earn the share: it goes on.
      if (openedAt >= BigInt(conviction.openedAt)) {
        await closeDemand(context, { ...key, id: `close:demand:${batchId}:${index}` });
        return over("over");
      }
    }
    if ((await getBlock(context.client)).timestamp < deadline) return;
    await timeoutDemand(context, { ...key, id: `timeout:demand:${batchId}:${index}` });
    log.warn({ batch: batchId, index, executor: batch.executor }, "demand not answered: the executor is convicted");
    onConvicted(batchId, batch.executor);
    over("over");
  }

  async #judge(demand: TrackedDemand): Promise<void> {
    const { context, cases, judge } = this.#o;
    const answer = await loadPostedAnswer(context, demand, demand.block);
    if (answer === undefined) return cases.saveDemand({ ...demand, status: "open", answer: undefined });
    await judge(answer);
    cases.saveDemand({ ...demand, status: "over" });
  }
}
