import { type Abi, type Address, isAddressEqual } from "viem";
import { ABIS } from "../chain/abis.ts";
import type { EventArgs, OtrContext } from "../chain/context.ts";
import { GameContracts } from "../chain/game-contracts.ts";
import { GamePlayer } from "../chain/game-player.ts";
import { GameStore, type TrackedGame } from "../chain/game-store.ts";
import { SqliteCursorStore } from "../chain/sqlite.ts";
import { type Clock, systemClock } from "../chain/time.ts";
import { type WatchedLog, Watcher } from "../chain/watch.ts";
import type { Logger } from "../config/logger.ts";
import type { ModelSource } from "../dispute/answer.ts";
import { MindCache } from "../dispute/mind-cache.ts";
import { responderMind } from "../dispute/minds.ts";
import type { Database } from "../store/database.ts";
import { EvidenceMissingError } from "./errors.ts";
import type { DisputeResponder, EvidenceSource } from "./ports.ts";

/** How the responder works. */
export interface ResponderOptions {
  /** Its sender is the executor or one of its delegates; a `Transactor`, so that no turn is answered twice. */
  readonly context: OtrContext;
  /** Whose games are answered. */
  readonly executor: Address;
  readonly models: ModelSource;
  /** The executor's database: its migrations contain `CHAIN_SQL`. */
  readonly database: Database;
  readonly log: Logger;
  /** First block that can hold a game: the deployment's. */
  readonly fromBlock: bigint;
  readonly clock?: Clock;
  /** Milliseconds between two looks at the chain. */
  readonly pollMs?: number;
  /** See `WatcherOptions`. */
  readonly lagMs?: number;
  /** Blocks per log query at most. */
  readonly maxRange?: bigint;
}

/**
 * Answers every game on this executor's receipts, and ends those whose challenger let its deadline pass. Knows nothing that the chain and
 * the executor's store do not: after `kill -9` it goes on where it was.
 */
export class Responder implements DisputeResponder {
  readonly #o: ResponderOptions & { readonly clock: Clock; readonly pollMs: number };
  readonly #store: GameStore;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ResponderOptions) {
    this.#o = { clock: systemClock, pollMs: 1000, ...options };
    this.#store = new GameStore(options.database);
  }

  async start(evidence: Pick<EvidenceSource, "bundle">): Promise<void> {
    const { context, clock, log, pollMs } = this.#o;
    const watcher = this.#watcher();
    const minds = new MindCache();
    const player = new GamePlayer({
      context,
      store: this.#store,
      role: "executor",
      clock,
      log,
      mindOf: (game, { subject }) => minds.get(game.gameId, () => this.#mind(evidence, game, subject.step)),
      onOver: (game, outcome) => {
        minds.forget(game.gameId);
        if (outcome === "executorLost") log.error({ game: game.gameId, receipt: game.receiptHash }, "convicted");
      },
    });
    this.#loop = (async () => {
      while (!this.#stop.signal.aborted) {
        // Games that are known are played even if no new ones can be read.
        await watcher.sync(this.#stop.signal).catch((err: unknown) => log.warn({ err }, "new games cannot be read"));
        if (!this.#stop.signal.aborted)
          await player.tick().catch((err: unknown) => log.warn({ err }, "games cannot be played"));
        await clock.sleep(pollMs, this.#stop.signal);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #mind(evidence: Pick<EvidenceSource, "bundle">, game: TrackedGame, step: number) {
    const bundle = evidence.bundle(game.receiptHash);
    if (bundle === undefined) throw new EvidenceMissingError(game.receiptHash, "the answer is not in the store");
    const model = await this.#o.models(bundle.receipt.modelId);
    if (model === undefined) throw new EvidenceMissingError(game.receiptHash, "its model is not loaded");
    return responderMind(model, bundle, step);
  }

  #watcher(): Watcher {
    const { context, fromBlock, clock, lagMs, maxRange, database } = this.#o;
    const contracts = new GameContracts(context);
    return new Watcher({
      client: context.client,
      name: "responder",
      store: new SqliteCursorStore(database),
      addresses: () => contracts.list(),
      abi: ABIS.game as Abi,
      fromBlock,
      clock,
      ...(lagMs === undefined ? {} : { lagMs }),
      ...(maxRange === undefined ? {} : { maxRange }),
      onRange: (logs) => {
        for (const log of logs) if (log.eventName === "GameOpened") this.#opened(log);
      },
      onRewind: (block) => this.#store.rewind(block),
    });
  }

  /** Tracks a game if its receipt is ours. */
  #opened({ args, address, blockNumber }: WatchedLog): void {
    const { gameId, receiptHash, receipt, batchId, challenger, step } = args as EventArgs<"game", "GameOpened">;
    if (!isAddressEqual(receipt.executor, this.#o.executor)) return;
    this.#store.add({ address, gameId, receiptHash, batchId, openedAt: blockNumber });
    this.#o.log.warn(
      { game: gameId, receipt: receiptHash, challenger, step },
      "a game was opened against this executor",
    );
  }
}
