import type { Hex } from "viem";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { eventOf, type OtrContext, write } from "../context.ts";
import type { GameKey } from "../game-state.ts";
import { concatNodes } from "../nodes.ts";
import type { RulesState } from "./rules.ts";

/** A wrong record, opened. */
export interface OpenGameParameters {
  /** Rules of the batch: `getRules`. They name the game contract and the bond. */
  readonly rules: Pick<RulesState, "game" | "bond">;
  readonly committed: CommittedReceipt;
  /** The step, the leaf of its record, and its siblings under `traceRoot` (`openRecord` of ts/commit/batch.ts). */
  readonly step: number;
  readonly record: { readonly leaf: Hex; readonly siblings: readonly Hex[] };
  /** Names the deed for senders that remember. */
  readonly id?: string;
}

/** Opens a game on one step of a receipt and puts up the bond. */
export async function openGame(
  context: OtrContext,
  parameters: OpenGameParameters,
): Promise<GameKey & { openedAt: bigint }> {
  const { rules, committed, step, record, id } = parameters;
  const args = [committedArgument(committed), step, record.leaf, concatNodes(record.siblings)] as const;
  const options = { address: rules.game, value: rules.bond, ...(id === undefined ? {} : { id }) };
  const mined = await write(context, "game", "open", args, options);
  return { address: rules.game, gameId: eventOf(mined, "game", "GameOpened").gameId, openedAt: mined.blockNumber };
}
