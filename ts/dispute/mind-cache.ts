import type { GameMind } from "../chain/game-player.ts";

/** Keeps the last few minds, since each holds a whole fine trace. Builds one at a time per game, and forgets failures. */
export class MindCache {
  readonly #minds = new Map<bigint, Promise<GameMind>>();
  readonly #size: number;

  constructor(size = 4) {
    this.#size = size;
  }

  get(gameId: bigint, build: () => Promise<GameMind>): Promise<GameMind> {
    const known = this.#minds.get(gameId);
    this.#minds.delete(gameId);
    const mind = known ?? build();
    this.#minds.set(gameId, mind);
    if (known === undefined) mind.catch(() => this.forget(gameId));
    for (const oldest of this.#minds.keys()) {
      if (this.#minds.size <= this.#size) break;
      this.#minds.delete(oldest);
    }
    return mind;
  }

  forget(gameId: bigint): void {
    this.#minds.delete(gameId);
  }
}
