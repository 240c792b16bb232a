import type { Clock } from "../chain/time.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Request } from "../commit/typed-data.ts";
import type { Logger } from "../config/logger.ts";
import { BaseError } from "../errors.ts";
import type { ExecutorStore } from "../store/executor-store.ts";
import type { Enclave } from "./enclave.ts";
import {
  DatabaseOutdatedError,
  NotServingError,
  type NotServingReason,
  PromptTooLongError,
  TooLongToProveError,
} from "./errors.ts";
import type { ChainPort, ExecutorStanding, ProvabilityPort } from "./ports.ts";

export interface StandingMonitorOptions {
  readonly chain: ChainPort;
  readonly enclaves: readonly Enclave[];
  readonly store: ExecutorStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Between two looks at the chain, in milliseconds. */
  readonly pollMs: number;
  /** Holds the database against the chain, once. @throws DatabaseOutdatedError */
  readonly requireHistory: () => Promise<void>;
  /** Whether an answer of this model is in doubt. */
  readonly distrusts: (modelId: Hex) => boolean;
  /** Left out, everything counts as provable. */
  readonly provability?: ProvabilityPort | undefined;
  /** After this long without an answer from the chain no new work is taken, in milliseconds. */
  readonly maxSilenceMs: number;
}

/** Errors that say that something cannot be proven. */
const UNPROVABLE: ReadonlySet<string> = new Set(["executor.unprovable", "executor.verifier", "circuit.key"]);

/** Receipts for which the free stake is still enough when the operator is warned. */
const LOW_RECEIPTS = 100n;

type Known = {
  readonly standing: ExecutorStanding;
  readonly at: number;
  /** At how many positions everything can be proven, if the rules draw; or why nothing can. */
  readonly provable: number | BaseError;
};

/** Keeps what the chain says of this executor, and refuses work that it could not stand for. */
export class StandingMonitor {
  readonly #options: StandingMonitorOptions;
  readonly #known = new Map<Hex, Known>();
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #isLow = false;
  /** What is known of the database: nothing yet, that it is whole, or what it lacks. */
  #history: "unknown" | "whole" | DatabaseOutdatedError = "unknown";

  constructor(options: StandingMonitorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  /** @throws DatabaseOutdatedError if the chain has shown that the database is. */
  requireWhole(): void {
    if (this.#history instanceof DatabaseOutdatedError) throw this.#history;
  }

  /** Asks the chain now; a failure is logged and leaves what was known. */
  async refresh(): Promise<void> {
    const { chain, enclaves, clock, log } = this.#options;
    if (this.#history === "unknown") await this.#compareHistory();
    for (const { address, modelId } of enclaves) {
      try {
        const standing = await chain.standing(address, modelId);
        const provable = await this.#provable(standing, modelId);
        const before = this.#known.get(address)?.provable;
        if (typeof provable !== "number" && (before === undefined || typeof before === "number"))
          log.error({ err: provable }, "what the rules draw could not be answered for");
        this.#known.set(address, { standing, at: clock.now(), provable });
        this.#warn(standing);
      } catch (err) {
        log.warn({ err }, "the chain does not answer");
      }
    }
  }

  /** @throws UnprovableModelError, VerifierMismatchError, CircuitKeyError if what the rules draw could not be answered for. */
  requireProvable(): void {
    for (const { provable } of this.#known.values()) if (typeof provable !== "number") throw provable;
  }

  /** Last known standing of an enclave's key. */
  standing(enclave: Enclave): ExecutorStanding | undefined {
    return this.#known.get(enclave.address)?.standing;
  }

  /** Why an enclave's next request would be refused; undefined if it would be taken. `active`: answers in the making. */
  refusal(enclave: Enclave, active: number): { reason: NotServingReason; detail: string } | undefined {
    const { clock, maxSilenceMs, store } = this.#options;
    const known = this.#known.get(enclave.address);
    if (this.#history instanceof DatabaseOutdatedError)
      return { reason: "database_outdated", detail: this.#history.metaMessages.join(" ") };
    if (this.#options.distrusts(enclave.modelId))
      return { reason: "quarantined", detail: "Use another executor, until this one's operator has looked into it." };
    if (known === undefined || this.#history === "unknown")
      return { reason: "chain_unreachable", detail: "The chain has not answered since the start." };
    const { standing, at, provable } = known;
    if (standing.suspended) return { reason: "executor_suspended", detail: "It was convicted; use another executor." };
    if (standing.exiting) return { reason: "executor_exiting", detail: "Use another executor." };
    if (!standing.keyActive) return { reason: "enclave_key_inactive", detail: `Enclave key: ${enclave.address}` };
    if (typeof provable !== "number") return { reason: "unprovable", detail: provable.metaMessages.join(" ") };
    const silence = clock.now() - at;
    // Beyond this, receipts could not be committed in the time that they promise.
    if (silence > maxSilenceMs)
      return { reason: "chain_unreachable", detail: `Last answer ${Math.round(silence / 1000)} s ago.` };
    const { freeStake, lockPerReceipt, reserve } = standing;
    const receipts = BigInt(store.uncommitted() + active + 1);
    const needed = reserve + lockPerReceipt * receipts;
    // A commit must leave the reserve free, else the contract refuses the whole batch.
    if (freeStake < needed)
      return {
        reason: "insufficient_stake",
        detail: `Needed: ${needed} wei (${receipts} receipts and the reserve of ${reserve} wei), free: ${freeStake} wei.`,
      };
    return undefined;
  }

  /**
   * @throws PromptTooLongError, TooLongToProveError if nobody should answer such a request.
   * @throws NotServingError if a further request would be refused.
   */
  admit(enclave: Enclave, active: number, request: Pick<Request, "nIn" | "maxOut" | "confidential">): void {
    const known = this.#known.get(enclave.address);
    const { nIn, maxOut, confidential } = request;
    if (known !== undefined && !confidential) {
      const { promptLimit } = known.standing;
      if (nIn > promptLimit) throw new PromptTooLongError(nIn, promptLimit);
      // The last token is none that a step reads.
      const positions = nIn + maxOut - 1;
      if (typeof known.provable === "number" && positions > known.provable)
        throw new TooLongToProveError(positions, known.provable);
    }
    const refusal = this.refusal(enclave, active);
    if (refusal !== undefined) throw new NotServingError(refusal.reason, refusal.detail);
  }

  /** @throws what keeps the answer from being known, e.g. a chain that is silent */
  async #provable({ drawCourt }: ExecutorStanding, modelId: Hex): Promise<number | BaseError> {
    const { provability } = this.#options;
    if (provability === undefined || drawCourt === undefined) return Number.POSITIVE_INFINITY;
    try {
      return await provability.positions(drawCourt, modelId);
    } catch (err) {
      if (!(err instanceof BaseError) || !UNPROVABLE.has(err.code)) throw err;
      return err;
    }
  }

  async #compareHistory(): Promise<void> {
    const { requireHistory, log } = this.#options;
    try {
      await requireHistory();
      this.#history = "whole";
    } catch (err) {
      if (err instanceof DatabaseOutdatedError) this.#history = err;
      log[err instanceof DatabaseOutdatedError ? "error" : "warn"](
        { err },
        "the database is not compared with the chain",
      );
    }
  }

  /** Warns once while the stake runs low, before work is refused. */
  #warn({ freeStake, reserve, lockPerReceipt }: ExecutorStanding): void {
    const { store, log } = this.#options;
    const queued = BigInt(store.uncommitted());
    const room = freeStake > reserve ? (freeStake - reserve) / lockPerReceipt - queued : -queued;
    const low = room < LOW_RECEIPTS;
    if (low && !this.#isLow)
      log.warn({ freeStake, reserve, lockPerReceipt, receiptsLeft: room }, "free stake runs low");
    this.#isLow = low;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.refresh();
      await this.#options.clock.sleep(this.#options.pollMs, this.#stop.signal);
    }
  }
}
