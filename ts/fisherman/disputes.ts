import type { Address } from "viem";
import { mayChallenge, openGame, openTraceGame } from "../chain/actions/open-game.ts";
import { getRules } from "../chain/actions/rules.ts";
import { statusOf } from "../chain/actions/status-of.ts";
import { type OtrContext, read } from "../chain/context.ts";
import { ContractRevertError } from "../chain/errors.ts";
import { GamePlayer } from "../chain/game-player.ts";
import type { GameOutcome } from "../chain/game-state.ts";
import type { GameStore, TrackedGame } from "../chain/game-store.ts";
import type { Clock } from "../chain/time.ts";
import { openRecord } from "../commit/batch.ts";
import type { Logger } from "../config/logger.ts";
import type { ModelSource } from "../dispute/answer.ts";
import { MindCache } from "../dispute/mind-cache.ts";
import { challengerMind, hiddenAnswerMind } from "../dispute/minds.ts";
import { EvidenceGoneError } from "./errors.ts";
import { isOneShot } from "./proof.ts";
import type { Evidence, FishermanStore, StoredVerdict } from "./store.ts";
import type { SuspectSource } from "./suspects.ts";
import { leadsToTrace } from "./verify.ts";

/** What the fisherman's disputes need. */
export interface DisputesOptions {
  readonly context: OtrContext;
  readonly models: ModelSource;
  /** Left out, nothing is suspected: every game is walked to its end. */
  readonly suspects?: SuspectSource | undefined;
  readonly store: FishermanStore;
  readonly games: GameStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Own games open at a time: bounds the bonds at risk. */
  readonly maxGames: number;
  /** Whether something cheaper than a game is under way against an executor. */
  readonly accused: (executor: string) => boolean;
  readonly onConvicted: (batchId: bigint, executor: Address) => void;
  /** Between two attempts to open a game, e.g. while the account lacks the bond. */
  readonly retryMs: number;
}

/** Evidence outlives its dispute by this: longer than any reorganisation that a watcher survives. */
export const EVIDENCE_MS = 24 * 3600 * 1000;

/** Opens games on wrong records, and plays them. */
export class Disputes {
  readonly #o: DisputesOptions;
  readonly #minds = new MindCache();
  /** Milliseconds since 1970 before which a receipt whose game could not be opened is left alone. */
  readonly #paused = new Map<string, number>();
  /** Games that are not on the chain: since when, and when last, in milliseconds since 1970. */
  readonly #missing = new Map<bigint, { since: number; last: number }>();
  readonly #player: GamePlayer;

  constructor(options: DisputesOptions) {
    this.#o = options;
    const { context, games, clock, log } = options;
    this.#player = new GamePlayer({
      context,
      store: games,
      role: "challenger",
      clock,
      log,
      mindOf: (game, { subject }) => this.#minds.get(game.gameId, () => this.#mind(game, subject.step)),
      onMissing: (game) => this.#missed(game),
      onOver: (game, outcome) => this.#over(game, outcome),
    });
  }

  /** One round: opens what is to be opened, plays what is open. */
  async tick(): Promise<void> {
    this.#o.store.pruneEvidence(this.#o.clock.now());
    for (const verdict of this.#o.store.disputes("wanted")) {
      if (verdict.fault !== undefined && isOneShot(verdict.fault)) continue;
      if (this.#o.clock.now() >= (this.#paused.get(verdict.receiptHash) ?? 0)) await this.#open(verdict);
    }
    await this.#player.tick();
  }

  async #open(verdict: StoredVerdict): Promise<void> {
    const { store, games, log, clock, maxGames, accused, context } = this.#o;
    const { receiptHash, batchId } = verdict;
    try {
      const known = games.on(receiptHash).find((game) => game.batchId === batchId);
      if (known !== undefined) return store.saveVerdict({ ...verdict, ...disputeOf(known) });
      const evidence = this.#evidence(verdict);
      const { executor } = evidence.bundle.receipt;
      if ((await read(context, "vault", "convictedAt", [executor])) !== 0)
        return this.#giveUp(verdict, "the executor is convicted already");
      // One conviction voids all its receipts: a second game against the same executor would only risk a second bond.
      const open = games.open();
      if (accused(executor) || open.length >= maxGames || (await this.#faces(executor, open))) return;
      const reason = await this.#unchallengeable(verdict, evidence);
      if (reason !== undefined) return this.#giveUp(verdict, reason);
      const { fault } = verdict;
      if (fault === undefined || isOneShot(fault)) return this.#giveUp(verdict, "no game decides this fault");
      const { bundle, siblings } = evidence;
      const { request, receipt } = bundle;
      if (!mayChallenge(request, context.sender?.address ?? ""))
        return this.#giveUp(verdict, "confidential: only its requester and the watchers it named play games on it");
      const batch = await read(context, "rollup", "batchOf", [batchId]);
      const rules = await getRules(context, batch.rules);
      const committed = { receipt, batchId, index: verdict.index, siblings };
      const id = `open:${batchId}:${receiptHash}`;
      const accusation = { rules, committed, request, id };
      // What is not known is walked for: a game on a hidden trace finds its step itself.
      const step = fault.kind === "record" ? fault.step : undefined;
      const game =
        step === undefined
          ? await openTraceGame(context, accusation)
          : await openGame(context, { ...accusation, step, record: openRecord(bundle.records, step) });
      store.transaction(() => {
        games.add({ ...game, receiptHash, batchId });
        store.saveVerdict({ ...verdict, dispute: "open", gameId: game.gameId });
      });
      log.warn({ game: game.gameId, receipt: receiptHash, executor, step, bond: rules.bond }, "game opened");
    } catch (err) {
      if (err instanceof EvidenceGoneError) return this.#giveUp(verdict, err.shortMessage);
      const refused = err instanceof ContractRevertError && err.errorName === "NotChallengeable";
      if (refused) return this.#giveUp(verdict, err.shortMessage);
      this.#paused.set(receiptHash, clock.now() + this.#o.retryMs);
      log.error({ receipt: receiptHash, err }, "game not opened; tried again later");
    }
  }

  /** Why no game can be opened on the receipt now or later. */
  async #unchallengeable(
    { batchId, index }: StoredVerdict,
    { bundle, siblings }: Evidence,
  ): Promise<string | undefined> {
    const committed = { receipt: bundle.receipt, batchId, index, siblings };
    const status = await statusOf(this.#o.context, committed);
    // `none` may be a liability of an inactive key, which can be challenged: the contract decides when the game opens.
    return status === "final" || status === "reverted" ? `the receipt is ${status}` : undefined;
  }

  async #faces(executor: string, open: readonly TrackedGame[]): Promise<boolean> {
    for (const game of open) {
      const batch = await read(this.#o.context, "rollup", "batchOf", [game.batchId]);
      if (batch.executor.toLowerCase() === executor.toLowerCase()) return true;
    }
    return false;
  }

  async #mind(game: TrackedGame, step: number) {
    const evidence = this.#o.store.evidence(game.receiptHash, game.batchId);
    const model = evidence && (await this.#o.models(evidence.bundle.receipt.modelId));
    if (evidence === undefined || model === undefined) throw new EvidenceGoneError(game.receiptHash);
    const { bundle } = evidence;
    const suspects = {
      engines: this.#o.suspects?.(bundle.receipt.modelId) ?? [],
      onUnfit: (err: unknown) => this.#o.log.info({ game: game.gameId, err }, "a suspect cannot have made this answer"),
    };
    const mind = leadsToTrace(bundle) ? challengerMind : hiddenAnswerMind;
    return mind(model, bundle, step, suspects);
  }

  /**
   * A game whose opening we have seen mined is not there. If a reorganisation took it before the watcher had come to its block, nobody else
   * will say so: it is opened again, by the transaction that has vanished if that still can be.
   */
  #missed(game: TrackedGame): void {
    const { store, games, log, clock, retryMs } = this.#o;
    const now = clock.now();
    const known = this.#missing.get(game.gameId);
    const since = known !== undefined && now - known.last < retryMs ? known.since : now;
    this.#missing.set(game.gameId, { since, last: now });
    if (now - since < retryMs) return;
    this.#missing.delete(game.gameId);
    this.#minds.forget(game.gameId);
    const verdict = store.verdict(game.receiptHash, game.batchId);
    store.transaction(() => {
      games.remove(game.gameId);
      if (verdict !== undefined) store.saveVerdict({ ...verdict, dispute: "wanted" });
    });
    log.warn({ game: game.gameId, receipt: game.receiptHash }, "the game is not on the chain any more; opened again");
  }

  async #over(game: TrackedGame, outcome: GameOutcome | undefined): Promise<void> {
    const { store, log, clock, context, onConvicted } = this.#o;
    this.#minds.forget(game.gameId);
    const verdict = store.verdict(game.receiptHash, game.batchId);
    store.transaction(() => {
      if (verdict !== undefined) store.saveVerdict({ ...verdict, dispute: "done", disputeReason: outcome });
      store.retireEvidence(game.receiptHash, game.batchId, clock.now() + EVIDENCE_MS);
    });
    if (outcome === "challengerLost") log.error({ game: game.gameId }, "game lost: the bond is gone");
    if (outcome !== "executorLost") return;
    const { executor } = await read(context, "rollup", "batchOf", [game.batchId]);
    onConvicted(game.batchId, executor);
  }

  #evidence(verdict: StoredVerdict): Evidence {
    const evidence = this.#o.store.evidence(verdict.receiptHash, verdict.batchId);
    if (evidence === undefined) throw new EvidenceGoneError(verdict.receiptHash);
    return evidence;
  }

  #giveUp(verdict: StoredVerdict, reason: string): void {
    const { store, log, clock } = this.#o;
    store.transaction(() => {
      store.saveVerdict({ ...verdict, dispute: "given-up", disputeReason: reason });
      store.retireEvidence(verdict.receiptHash, verdict.batchId, clock.now() + EVIDENCE_MS);
    });
    log.warn({ receipt: verdict.receiptHash, reason }, "no game");
  }
}

/** What a verdict says of a game that is already there. */
export function disputeOf(game: TrackedGame): Pick<StoredVerdict, "dispute" | "gameId" | "disputeReason"> {
  return { dispute: game.status === "over" ? "done" : "open", gameId: game.gameId, disputeReason: game.outcome };
}
