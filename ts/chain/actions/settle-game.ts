import type { TransactionReceipt } from "viem";
import { callOf, type OtrContext } from "../context.ts";
import { NoSenderError } from "../errors.ts";
import { loadGame } from "../game-log.ts";
import type { GameKey } from "../game-state.ts";

/** Pays a decided game, after the air gap. */
export async function payOutGame(
  context: OtrContext,
  game: GameKey & { openedAt: bigint; id?: string },
): Promise<TransactionReceipt> {
  const { subject } = await loadGame(context, game, game.openedAt);
  const call = callOf(game.address, "game", "timeout", [subject]);
  if (context.sender === undefined) throw new NoSenderError(call.name);
  return context.sender.send(call, game.id === undefined ? {} : { id: game.id });
}
