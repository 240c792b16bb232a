import { getBlock } from "viem/actions";
import type { Logger } from "../config/logger.ts";
import type { Move } from "../dispute/moves.ts";
import type { GameView } from "../dispute/view.ts";
import { getConviction } from "./actions/settle-game.ts";
import { type OtrContext, read } from "./context.ts";
import { ContractRevertError, NoSenderError } from "./errors.ts";
import { type GameLog, gameView, loadGame, nextOf } from "./game-log.ts";
import { type GameOutcome, type GameState, getGame, isDecided, OUTCOMES } from "./game-state.ts";
import type { GameStore, TrackedGame } from "./game-store.ts";
import { closeCall, moveCall, timeoutCall } from "./play.ts";
import type { Call } from "./sender.ts";
import { type Clock, systemClock, unixSeconds } from "./time.ts";

/** What a side knows of a game, and what it would do. */
export interface GameMind {
  /** The next move, `undefined` if there is none. */
  move(view: GameView): Move | undefined;
}

/** How a side plays. */
export interface GamePlayerOptions {
  readonly context: OtrContext;
  readonly store: GameStore;
  readonly role: "challenger" | "executor";
  /** Knowledge for one game: asked once per turn, so it should be cached. */
  readonly mindOf: (game: TrackedGame, log: GameLog) => Promise<GameMind>;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Told of a game that is not on the chain, each time it is looked for. */
  readonly onMissing?: (game: TrackedGame) => void;
  /** Told of every game that ended. */
  readonly onOver?: (game: TrackedGame, outcome: GameOutcome | undefined) => Promise<void> | void;
}

/** Between two attempts at a turn that failed: at first an endpoint's hiccup, later something that takes a human. */
const RETRY_MS = { first: 100, most: 5000 };

/**
 * Plays one side of all tracked games, each to its end. It keeps no state of its own: every turn is decided from the chain, and
 * every transaction carries an id that names the turn, so that no turn is played twice whenever the process dies.
 */
export class GamePlayer {
  readonly #o: GamePlayerOptions & { readonly clock: Clock };
  /** Games that failed: how often in a row, and milliseconds since 1970 before which they are left alone. */
  readonly #paused = new Map<bigint, { readonly failures: number; readonly until: number }>();

  constructor(options: GamePlayerOptions) {
    this.#o = { clock: systemClock, ...options };
  }

  /** Plays every game as far as it goes now. Failures of one game are logged and do not touch the others. */
  async tick(): Promise<void> {
    await Promise.all(
      this.#o.store.open().map(async (game) => {
        const { clock, log } = this.#o;
        const { failures, until } = this.#paused.get(game.gameId) ?? { failures: 0, until: 0 };
        if (clock.now() < until) return;
        try {
          await this.#advance(game);
          this.#paused.delete(game.gameId);
        } catch (err) {
          const pause = Math.min(RETRY_MS.first * 2 ** failures, RETRY_MS.most);
          this.#paused.set(game.gameId, { failures: failures + 1, until: clock.now() + pause });
          // A refusal mostly means that somebody else has moved, or that the deadline has not come on the chain yet.
          log[err instanceof ContractRevertError ? "info" : "error"]({ game: game.gameId, err }, "turn not played yet");
        }
      }),
    );
  }

  /** Plays until the game waits for the other side or is over. */
  async #advance(game: TrackedGame): Promise<void> {
    for (;;) {
      const state = await getGame(this.#o.context, game);
      if (isDecided(state.phase)) return this.#over(game);
      // Its opening was reorganised away and may come back.
      if (state.phase === "None") return this.#o.onMissing?.(game);
      if (!(await this.#act(game, state))) return;
    }
  }

  /** One transaction, if one is due. @returns Whether something was sent. */
  async #act(game: TrackedGame, state: GameState): Promise<boolean> {
    const { context, role, log, mindOf } = this.#o;
    if (await this.#isMoot(game)) {
      if (role === "executor") return false;
      const gameLog = await loadGame(context, game, game.openedAt);
      return this.#send(game, gameLog, closeCall(gameLog), "close");
    }
    // A proven lie has no deadline: whoever proved it concludes.
    if (state.phase === "Proven" && role === "executor") return false;
    if (state.turn !== role) {
      if (!(await this.#isLate(state))) return false;
      const gameLog = await loadGame(context, game, game.openedAt);
      return this.#send(game, gameLog, timeoutCall(gameLog), "timeout");
    }
    const gameLog = await loadGame(context, game, game.openedAt);
    if (gameLog.state.turn !== role) return true;
    const view = gameView(gameLog);
    const mind = await mindOf(game, gameLog);
    const move = mind.move(view);
    if (move === undefined) {
      log.error({ game: game.gameId, phase: gameLog.state.phase }, "no move for this side's turn");
      return false;
    }
    return this.#send(game, gameLog, moveCall(gameLog, view, move), move.call);
  }

  async #send(game: TrackedGame, { events }: GameLog, call: Call, move: string): Promise<boolean> {
    const { sender } = this.#o.context;
    if (sender === undefined) throw new NoSenderError(call.name);
    // Every move leaves an event, so their number names the turn. What is played in it may change with a reorganisation, and then must
    // take the place of what was played before it.
    const { transactionHash, gasUsed } = await sender.send(call, { id: `turn:${game.gameId}:${events.length}` });
    this.#o.log.info({ game: game.gameId, move, hash: transactionHash, gas: gasUsed }, "played");
    return true;
  }

  async #over(game: TrackedGame): Promise<void> {
    const { context, store, onOver } = this.#o;
    const log = await loadGame(context, game, game.openedAt);
    const next = nextOf(log.events);
    if (next !== undefined) {
      // The walk down the trace goes on as a game of its own. It is tracked from the walk's block on, whose events it needs.
      store.add({ ...game, gameId: next });
      return store.over(game.gameId, undefined);
    }
    const ended = log.events.find((event) => event.eventName === "GameEnded");
    const outcome = ended === undefined ? undefined : OUTCOMES[Number(ended.args.outcome)];
    this.#o.log.info({ game: game.gameId, outcome }, "game over");
    await onOver?.(game, outcome);
    store.over(game.gameId, outcome);
  }

  /**
   * The executor was convicted by a case that was not opened after this one: the challenger can only take its bond back. A game opened
   * before that case goes on, since it may still win the challenger's share.
   */
  async #isMoot(game: TrackedGame): Promise<boolean> {
    const { context } = this.#o;
    const { executor } = await read(context, "rollup", "batchOf", [game.batchId]);
    const conviction = await getConviction(context, executor);
    if (conviction === undefined) return false;
    const { subject } = await loadGame(context, game, game.openedAt);
    return BigInt(subject.openedAt) >= conviction.openedAt;
  }

  /** The other side's deadline has come, by the chain's clock or by ours; the simulation decides in the second case. */
  async #isLate(state: GameState): Promise<boolean> {
    if (unixSeconds(this.#o.clock) >= state.deadline) return true;
    return (await getBlock(this.#o.context.client)).timestamp >= state.deadline;
  }
}
