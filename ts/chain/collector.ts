import type { Address } from "viem";
import { getBlock, getBlockNumber } from "viem/actions";
import { weiOf } from "../config/amounts.ts";
import type { Logger } from "../config/logger.ts";
import type { Config } from "../config/schema.ts";
import { getBatch, releaseBatch } from "./actions/batch.ts";
import { claim } from "./actions/claim.ts";
import { getDemand, payOutDemand } from "./actions/demand.ts";
import { repayMissed } from "./actions/draws.ts";
import { getPayout } from "./actions/payout.ts";
import { getRules } from "./actions/rules.ts";
import { getConviction, payOutGame, payReward, rewardDueAt } from "./actions/settle-game.ts";
import { sameAddress } from "./client.ts";
import { type OtrContext, read } from "./context.ts";
import { type Due, type DueStore, LAG_BLOCKS } from "./due-store.ts";
import { ContractRevertError, NoSenderError } from "./errors.ts";
import { loadGame } from "./game-log.ts";
import { getGame } from "./game-state.ts";
import type { Clock } from "./time.ts";

/** How a collector works. */
export interface CollectorOptions {
  /** Its sender pays the gas; a `Transactor`, so that nothing is sent twice. */
  readonly context: OtrContext;
  readonly store: DueStore;
  /** Whose money it looks after: bonds of a challenger, or what an executor earns by answering. */
  readonly role: "challenger" | "executor";
  /** Milliseconds between two looks. */
  readonly everyMs: number;
  /** Where claims go; undefined leaves them in the vault. */
  readonly claimTo: Address | undefined;
  /** Less is left in the vault, in wei. */
  readonly minClaim: bigint;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The configuration's part in `CollectorOptions`. */
export function collectorSettings(
  { everySeconds, claim, claimTo, minClaimEther }: Config["collector"],
  account: Address,
): Pick<CollectorOptions, "everyMs" | "claimTo" | "minClaim"> {
  const to = claim ? (claimTo ?? account) : undefined;
  return { everyMs: everySeconds * 1000, claimTo: to, minClaim: weiOf(minClaimEther) };
}

/** `Batch.openGames` of a batch whose locks are gone. */
const RELEASED = 65_535;
/** Seconds until something is looked at again that waits for others. */
const AGAIN_S = 600n;

/** When to look again, or how it ended. */
type Outcome = { readonly later: bigint } | { readonly result: string };

/**
 * Brings home what is due: bonds and gas of ended games and demands, challengers' shares, locks of settled batches, and what the vault owes.
 * It asks the chain before each step and names each deed, so that it can be killed and started at any point.
 */
export class Collector {
  readonly #o: CollectorOptions;
  constructor(options: CollectorOptions) {
    this.#o = options;
  }

  /** Works until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, everyMs, log } = this.#o;
    while (!signal.aborted) {
      try {
        await this.tick();
      } catch (err) {
        if (!signal.aborted) log.warn({ err }, "nothing collected");
      }
      await clock.sleep(everyMs, signal);
    }
  }

  /** One round: everything that is due, then the claim. */
  async tick(): Promise<void> {
    const { context, store, log } = this.#o;
    const { timestamp, number } = await getBlock(context.client);
    for (const due of store.due(timestamp)) {
      try {
        const outcome = await this.#collect(due, timestamp, number);
        if ("later" in outcome) store.postpone(due, outcome.later);
        else {
          store.settle(due, outcome.result, await getBlockNumber(context.client, { cacheTime: 0 }));
          log.info({ ...due, result: outcome.result }, "settled");
        }
      } catch (err) {
        store.postpone(due, laterBy(err, timestamp) ?? timestamp + 5n);
        log[err instanceof ContractRevertError ? "debug" : "warn"]({ ...due, err }, "not collected yet");
      }
    }
    await this.#claim();
  }

  /** Takes what the vault owes to this account. @returns Wei. */
  async #claim(): Promise<bigint> {
    const { context, store, claimTo, minClaim, log } = this.#o;
    const account = context.sender?.address;
    if (account === undefined) throw new NoSenderError("vault.claim");
    if (claimTo === undefined) return 0n;
    const owed = await read(context, "vault", "claimableOf", [account]);
    if (owed === 0n || owed < minClaim) return 0n;
    // While a claim is under way the chain still shows it as owed: under the same id it is joined, not repeated.
    const amount = await claim(context, { to: claimTo, id: `claim:${store.claims()}` });
    if (amount > 0n) log.info({ wei: amount, to: claimTo }, "claimed");
    return amount;
  }

  #collect(due: Due, now: bigint, head: bigint): Promise<Outcome> {
    switch (due.kind) {
      case "game":
        return this.#game(due, now);
      case "demand":
        return this.#demand(due, now);
      case "reward":
        return this.#reward(due, now);
      case "draw":
        return this.#draw(due, now, head);
      case "batch":
        return this.#batch(due, now, head);
    }
  }

  async #game(due: Due, now: bigint): Promise<Outcome> {
    const { context, role } = this.#o;
    const game = { address: due.address, gameId: BigInt(due.key) };
    const state = await getGame(context, game);
    const { phase } = state;
    if (phase === "None") return { later: now + AGAIN_S };
    if (phase === "Paid") return { result: "paid" };
    if (phase !== "Won" && phase !== "Lost" && phase !== "Moot") return { later: now };
    const { subject } = await loadGame(context, game, due.block);
    const { dueAt, refunds } = await getPayout(context, { batchId: subject.batchId, verdictAt: state.deadline });
    // In refund mode bonds go back to challengers, whoever won.
    const earner = phase === "Lost" && !refunds ? "executor" : "challenger";
    if (earner !== role) return { result: `nothing to earn: ${phase}` };
    if (now < dueAt) return { later: dueAt };
    await payOutGame(context, { ...game, openedAt: due.block, id: `payout:game:${due.key}` });
    return { result: `paid: ${phase}` };
  }

  async #demand(due: Due, now: bigint): Promise<Outcome> {
    const { context, role } = this.#o;
    const [batchId, index] = due.key.split(":");
    const key = { availability: due.address, batchId: BigInt(batchId!), index: Number(index) };
    const demand = await getDemand(context, key);
    if (demand.state === "none" || demand.state === "open") return { later: now };
    if (demand.state === "paid") return { result: "paid" };
    const { dueAt, refunds } = await getPayout(context, { batchId: key.batchId, verdictAt: demand.deadline });
    const earner = demand.state === "answered" && !refunds ? "executor" : "challenger";
    if (earner !== role) return { result: `nothing to earn: ${demand.state}` };
    if (now < dueAt) return { later: dueAt };
    await payOutDemand(context, { ...key, id: `payout:demand:${due.key}` });
    return { result: `paid: ${demand.state}` };
  }

  async #reward(due: Due, now: bigint): Promise<Outcome> {
    const { context } = this.#o;
    const executor = due.key as Address;
    const conviction = await getConviction(context, executor);
    if (conviction === undefined) return { later: now + AGAIN_S };
    if (!sameAddress(conviction.challenger, context.sender!.address))
      return { result: `an earlier case of ${conviction.challenger} earns the share` };
    if (conviction.batchId === 0n) return { result: "paid" };
    const { refunds } = await getPayout(context, { batchId: conviction.batchId, verdictAt: 0n });
    if (refunds) return { result: "refund mode: no share" };
    const dueAt = await rewardDueAt(context, executor);
    if (dueAt === undefined) return { result: "paid" };
    if (now < dueAt) return { later: dueAt };
    await payReward(context, { executor, id: `reward:${executor}` });
    return { result: "paid" };
  }

  async #draw(due: Due, now: bigint, head: bigint): Promise<Outcome> {
    const { context } = this.#o;
    const batchId = BigInt(due.key);
    const { refunds } = await getPayout(context, { batchId, verdictAt: 0n });
    if (refunds) return { result: "refund mode: no gas" };
    try {
      await repayMissed(context, due.address, batchId, `repay:draw:${batchId}`);
      return { result: "paid" };
    } catch (err) {
      if (!(err instanceof ContractRevertError) || err.errorName !== "NothingToRepay") throw err;
      // Anybody may have paid it. A node that lags does not know of a young one yet.
      return head - due.block > LAG_BLOCKS ? { result: "paid" } : { later: now + AGAIN_S };
    }
  }

  async #batch(due: Due, now: bigint, head: bigint): Promise<Outcome> {
    const { context } = this.#o;
    const batchId = BigInt(due.key);
    const batch = await getBatch(context, batchId);
    // A node that lags does not know of a young one yet.
    if (batch === undefined) return head - due.block > LAG_BLOCKS ? { result: "dropped" } : { later: now + AGAIN_S };
    if (batch.openGames === RELEASED) return { result: "released" };
    const { challengeWindow } = await getRules(context, batch.rules);
    const windowEnd = batch.committedAt + challengeWindow;
    if (now < windowEnd) return { later: windowEnd };
    if (batch.openGames > 0) return { later: now + AGAIN_S };
    await releaseBatch(context, { batchId, id: `release:${batchId}` });
    return { result: "released" };
  }
}

/** The moment that a refusal names, or when to ask again. */
function laterBy(err: unknown, now: bigint): bigint | undefined {
  if (!(err instanceof ContractRevertError)) return undefined;
  const { errorName, errorArgs } = err;
  if (errorName === "NotDue" || errorName === "ClaimsOpen") return BigInt(errorArgs[0] as number);
  if (errorName === "BatchUnsettled") return BigInt(errorArgs[1] as number);
  // Nobody knows when what was drawn will be answered.
  if (errorName === "DrawsUnsettled") return now + AGAIN_S;
  return undefined;
}

/** A collector as part of a daemon that starts and stops its parts. */
export class CollectorService {
  readonly #collector: Collector;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: CollectorOptions) {
    this.#collector = new Collector(options);
  }

  async start(): Promise<void> {
    this.#loop = this.#collector.run(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }
}
