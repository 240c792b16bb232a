import type { Address, Hex } from "viem";
import type { Database, SqlRow } from "../store/database.ts";
import type { GameOutcome } from "./game-state.ts";

/** A game that a daemon plays. */
export interface TrackedGame {
  readonly address: Address;
  readonly gameId: bigint;
  readonly receiptHash: Hex;
  readonly batchId: bigint;
  /** Block in which it was opened, or in which the walk down the trace was that led to it. */
  readonly openedAt: bigint;
  /** Over: decided, or gone on as another game. Paid: over, and its bond is settled. */
  readonly status: "open" | "over" | "paid";
  readonly outcome: GameOutcome | undefined;
}

/** Table of played games: part of `CHAIN_SQL`. */
export const GAMES_SQL = `
CREATE TABLE games (
  game_id TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  receipt_hash TEXT NOT NULL,
  batch_id TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  status TEXT NOT NULL,
  outcome TEXT
) STRICT;
CREATE INDEX games_by_status ON games (status);
`;

/** The games that a daemon plays, in its database. */
export class GameStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Starts to track a game; one that is known keeps its state. A game that a walk went on as may be found by its opening before the walk is
   * known to be over: it is tracked from the walk's block on, whichever comes first.
   */
  add(game: Omit<TrackedGame, "status" | "outcome">): void {
    this.#database.run(
      "INSERT INTO games VALUES (?, ?, ?, ?, ?, 'open', NULL) ON CONFLICT (game_id) DO UPDATE SET opened_at = min(opened_at, excluded.opened_at)",
      game.gameId.toString(),
      game.address,
      game.receiptHash,
      game.batchId.toString(),
      Number(game.openedAt),
    );
  }

  open(): TrackedGame[] {
    return this.#database.all("SELECT * FROM games WHERE status = 'open' ORDER BY opened_at, game_id").map(gameOf);
  }

  /** Games that were decided and whose bonds are not known to be settled. */
  unpaid(): TrackedGame[] {
    const sql = "SELECT * FROM games WHERE status = 'over' AND outcome IS NOT NULL ORDER BY opened_at, game_id";
    return this.#database.all(sql).map(gameOf);
  }

  all(): TrackedGame[] {
    return this.#database.all("SELECT * FROM games ORDER BY opened_at, game_id").map(gameOf);
  }

  get(gameId: bigint): TrackedGame | undefined {
    const row = this.#database.get("SELECT * FROM games WHERE game_id = ?", gameId.toString());
    return row && gameOf(row);
  }

  /** Games on this receipt; not those that went on as another. */
  on(receiptHash: Hex): TrackedGame[] {
    const sql =
      "SELECT * FROM games WHERE receipt_hash = ? AND (status = 'open' OR outcome IS NOT NULL) ORDER BY opened_at";
    return this.#database.all(sql, receiptHash).map(gameOf);
  }

  /** Number of games that are over, by outcome. */
  outcomes(): Record<string, number> {
    const sql = "SELECT outcome, count(*) AS n FROM games WHERE status = 'over' GROUP BY outcome";
    return Object.fromEntries(this.#database.all(sql).map(({ outcome, n }) => [String(outcome), Number(n)]));
  }

  over(gameId: bigint, outcome: GameOutcome | undefined): void {
    this.#database.run(
      "UPDATE games SET status = 'over', outcome = ? WHERE game_id = ?",
      outcome ?? null,
      gameId.toString(),
    );
  }

  /** Forgets a game that is not on the chain. */
  remove(gameId: bigint): void {
    this.#database.run("DELETE FROM games WHERE game_id = ?", gameId.toString());
  }

  /** The game's bond is settled. */
  paid(gameId: bigint): void {
    this.#database.run("UPDATE games SET status = 'paid' WHERE game_id = ?", gameId.toString());
  }

  /** Forgets games opened after `block`, and takes up again those that may have ended after it. */
  rewind(block: bigint): void {
    this.#database.transaction(() => {
      this.#database.run("DELETE FROM games WHERE opened_at > ?", Number(block));
      this.#database.run("UPDATE games SET status = 'open', outcome = NULL");
    });
  }
}

function gameOf(row: SqlRow): TrackedGame {
  return {
    address: row.address as Address,
    gameId: BigInt(String(row.game_id)),
    receiptHash: row.receipt_hash as Hex,
    batchId: BigInt(String(row.batch_id)),
    openedAt: BigInt(Number(row.opened_at)),
    status: row.status as TrackedGame["status"],
    outcome: row.outcome === null ? undefined : (row.outcome as GameOutcome),
  };
}
