import { type Abi, parseEventLogs, type TransactionReceipt } from "viem";
import { ABIS } from "../../chain/abis.ts";
import type { EventArgs } from "../../chain/context.ts";
import { type GameLog, gameView, openingOf } from "../../chain/game-log.ts";
import type { GameKey, GameOutcome, Subject } from "../../chain/game-state.ts";
import { OUTCOMES } from "../../chain/game-state.ts";
import { type GameEvent, GameWalk } from "../../chain/game-walk.ts";
import type { GameReveal, GameView } from "../view.ts";

/** A game followed by the receipts of its transactions: it asks the chain for nothing. */
export class LiveGame {
  readonly #address: GameKey["address"];
  readonly #leaves: GameView["leaves"];
  #walk: readonly GameReveal[] = [];
  #events: GameEvent[] = [];
  #gameId: bigint;

  constructor(address: GameKey["address"], leaves: GameView["leaves"], opening: TransactionReceipt) {
    [this.#address, this.#leaves] = [address, leaves];
    const events = eventsOf(opening);
    this.#gameId = (events[0].args as EventArgs<"game", "GameOpened">).gameId;
    for (const event of events) this.#apply(event);
  }

  /** Takes over what a transaction has changed. */
  add(receipt: TransactionReceipt): void {
    for (const event of eventsOf(receipt)) this.#apply(event);
  }

  get key(): GameKey {
    return { address: this.#address, gameId: this.#gameId };
  }

  get subject(): Subject {
    return openingOf(this.key, this.#events).subject;
  }

  get events(): readonly GameEvent[] {
    return this.#events;
  }

  get view(): GameView {
    return gameView(this.#log);
  }

  /** How it ended, `undefined` while it goes on. */
  get outcome(): GameOutcome | undefined {
    const ended = this.#events.find(({ eventName }) => eventName === "GameEnded");
    return ended && OUTCOMES[Number(ended.args.outcome)];
  }

  get #log(): Omit<GameLog, "state"> {
    const opening = openingOf(this.key, this.#events);
    return { key: this.key, ...opening, events: this.#events, walk: this.#walk, leaves: this.#leaves };
  }

  #apply(event: GameEvent): void {
    if (event.args.gameId === this.#gameId) this.#events.push(event);
    if (event.eventName !== "StepChosen") return;
    const walk = new GameWalk(this.#gameId, this.subject.step, this.#leaves);
    for (const past of this.#events) walk.apply(past);
    this.#walk = walk.state().reveals;
    [this.#gameId, this.#events] = [event.args.next as bigint, []];
  }
}

function eventsOf(receipt: TransactionReceipt): GameEvent[] {
  return parseEventLogs({ abi: ABIS.game as Abi, logs: receipt.logs }) as unknown as GameEvent[];
}
