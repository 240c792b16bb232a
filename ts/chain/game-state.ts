import type { Address, ContractFunctionArgs } from "viem";
import type { ABIS } from "./abis.ts";
import { type OtrContext, read } from "./context.ts";

/** Phases in the order of the contract's codes (src/interfaces/IDisputeGame.sol). */
export const PHASES = [
  "None",
  "TraceReveal",
  "Trace",
  "TraceNodesReveal",
  "FinePost",
  "Fine",
  "FineReveal",
  "RowReveal",
  "RowNodes",
  "RowNodesReveal",
  "Chunks",
  "AccumulatorsPost",
  "Blocks",
  "CacheReveal",
  "Cache",
  "CacheNodesReveal",
  "Proven",
  "Won",
  "Lost",
  "Moot",
  "Paid",
] as const;
export type ContractPhase = (typeof PHASES)[number];

/** How games end, in the order of the contract's codes. */
export const OUTCOMES = ["executorLost", "challengerLost", "moot"] as const;
export type GameOutcome = (typeof OUTCOMES)[number];

/** Which game: the contract that holds it, and its id there. */
export interface GameKey {
  readonly address: Address;
  readonly gameId: bigint;
}

/** What a game is about; moves that need it bring it along. */
export type Subject = ContractFunctionArgs<typeof ABIS.game, "nonpayable", "timeout">[0];

/** What changes during a game, out of the contract's storage. */
export interface GameState {
  readonly challenger: Address;
  /** Seconds since 1970 at which the side to move loses; once the game is decided, when it was. */
  readonly deadline: bigint;
  readonly phase: ContractPhase;
  readonly turn: "challenger" | "executor" | "nobody";
  /** The current node in the current tree: known (challenger's turn), or chosen (executor's). In a long fold `index` is the element. */
  readonly level: number;
  readonly index: number;
  /** Leaves of the current tree; in a long fold the chosen part plus one. */
  readonly leaves: number;
  readonly row: number;
  /** Elements and type code of the chosen row. */
  readonly rowLength: number;
  readonly rowType: number;
  /** Moves of the challenger. */
  readonly moves: number;
}

/** State of a game at a block, by default the latest. Phase `None`: there is no such game. */
export async function getGame(context: OtrContext, key: GameKey, blockNumber?: bigint): Promise<GameState> {
  const options = { address: key.address, ...(blockNumber === undefined ? {} : { blockNumber }) };
  const game = await read(context, "game", "gameOf", [key.gameId], options);
  const phase = PHASES[game.phase];
  return { ...game, deadline: BigInt(game.deadline), phase, turn: turnOf(phase) };
}

/** Whose move a phase waits for. */
export function turnOf(phase: ContractPhase): GameState["turn"] {
  if (phase === "None" || isDecided(phase)) return "nobody";
  return phase.endsWith("Post") || phase.endsWith("Reveal") ? "executor" : "challenger";
}

/** Whether no move is left: the game is decided, paid, or went on as another. */
export function isDecided(phase: ContractPhase): boolean {
  return PHASES.indexOf(phase) >= PHASES.indexOf("Won");
}
