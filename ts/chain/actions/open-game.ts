import type { Hex, TransactionReceipt } from "viem";
import type { Request } from "../../commit/typed-data.ts";
import { type CommittedReceipt, committedArgument } from "../committed.ts";
import { eventOf, type OtrContext, write } from "../context.ts";
import type { GameKey } from "../game-state.ts";
import { concatNodes } from "../nodes.ts";
import type { RulesState } from "./rules.ts";

/** A receipt to dispute. */
export interface OpenTraceGameParameters {
  /** Rules of the batch: `getRules`. They name the game contract and the bond. */
  readonly rules: Pick<RulesState, "game" | "bond">;
  readonly committed: CommittedReceipt;
  /** The receipt's request. If it is confidential, the sender must be its requester or one of its watchers. */
  readonly request: Request;
  /** Names the deed for senders that remember. */
  readonly id?: string;
}

/** A wrong record, opened. */
export interface OpenGameParameters extends OpenTraceGameParameters {
  /** The step, the leaf of its record, and its siblings under `traceRoot` (`openRecord` of ts/commit/batch.ts). */
  readonly step: number;
  readonly record: { readonly leaf: Hex; readonly siblings: readonly Hex[] };
}

/** A game, the block in which it was opened, and the transaction. */
export type OpenedGame = GameKey & { readonly openedAt: bigint; readonly hash: Hex };

/** Opens a game on one step of a receipt and puts up the bond. */
export async function openGame(context: OtrContext, parameters: OpenGameParameters): Promise<OpenedGame> {
  const { committed, request, step, record } = parameters;
  const args = [committedArgument(committed), request, step, record.leaf, concatNodes(record.siblings)] as const;
  return openedBy(parameters, await write(context, "game", "open", args, optionsOf(parameters)));
}

/** Opens a game on a receipt whose records are hidden, or do not lead to its trace root: it walks the trace first. */
export async function openTraceGame(context: OtrContext, parameters: OpenTraceGameParameters): Promise<OpenedGame> {
  const args = [committedArgument(parameters.committed), parameters.request] as const;
  return openedBy(parameters, await write(context, "game", "openTrace", args, optionsOf(parameters)));
}

/** Whether an account may open games on a receipt to this request. */
export function mayChallenge({ confidential, requester, watchers }: Request, account: string): boolean {
  const same = (other: string) => other.toLowerCase() === account.toLowerCase();
  return !confidential || same(requester) || watchers.some(same);
}

function optionsOf({ rules, id }: OpenTraceGameParameters) {
  return { address: rules.game, value: rules.bond, ...(id === undefined ? {} : { id }) };
}

function openedBy({ rules }: OpenTraceGameParameters, mined: TransactionReceipt): OpenedGame {
  const { gameId } = eventOf(mined, "game", "GameOpened");
  return { address: rules.game, gameId, openedAt: mined.blockNumber, hash: mined.transactionHash };
}
