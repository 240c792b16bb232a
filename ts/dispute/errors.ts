import { BaseError } from "../errors.ts";

/** A game that this side cannot play on: its own knowledge contradicts what the game shows. */
export class UnplayableGameError extends BaseError {
  constructor(gameId: bigint, reason: string) {
    super(`Game ${gameId} has no move for this side.`, {
      code: "dispute.unplayable",
      metaMessages: [`Reason: ${reason}.`, "Recompute the step on another backend before sending anything."],
    });
  }
}
