import type { Address } from "viem";
import type { Database, SqlRow } from "../store/database.ts";

/** What may be collected one day: payouts of games and demands, the reward of a conviction, the gas of one by a missed draw, the locks of a batch. */
export interface Due {
  readonly kind: "game" | "demand" | "reward" | "draw" | "batch";
  /** The court that holds it; the rollup for rewards and batches. */
  readonly address: Address;
  /** Game id; `batch:index` of a demand; executor of a reward; batch id of a draw or a batch. */
  readonly key: string;
  /** Block in which it came about. */
  readonly block: bigint;
  /** Seconds since 1970 before which nothing can be had. */
  readonly dueAt: bigint;
}

/** Table of what is to be collected: part of a daemon's migrations. */
export const DUES_SQL = `
CREATE TABLE dues (
  kind TEXT NOT NULL,
  address TEXT NOT NULL,
  key TEXT NOT NULL,
  block INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  result TEXT,
  PRIMARY KEY (kind, address, key)
) STRICT;
CREATE INDEX dues_open ON dues (due_at) WHERE result IS NULL;
`;

/** A later migration: the block up to which something had ended. */
export const DUE_ENDS_SQL = `
ALTER TABLE dues ADD COLUMN ended INTEGER;
CREATE INDEX dues_by_end ON dues (ended) WHERE ended IS NOT NULL;
CREATE INDEX dues_by_block ON dues (block);
`;

/** What one node says of its head may be behind what another one knew by so many blocks. */
export const LAG_BLOCKS = 64n;

/** What a daemon has to collect, in its database. */
export class DueStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Notes something to collect; what is known keeps its state. */
  add(due: Omit<Due, "dueAt">): void {
    const { kind, address, key, block } = due;
    const sql =
      "INSERT INTO dues (kind, address, key, block, due_at) VALUES (?, ?, ?, ?, 0) ON CONFLICT (kind, address, key) DO NOTHING";
    this.#database.run(sql, kind, address.toLowerCase(), key.toLowerCase(), Number(block));
  }

  /** What can be looked at now, the longest due first. @param now Seconds since 1970, by the chain's clock. */
  due(now: bigint): Due[] {
    const sql = "SELECT * FROM dues WHERE result IS NULL AND due_at <= ? ORDER BY due_at, rowid";
    return this.#database.all(sql, now).map(dueOf);
  }

  /** Everything that is not collected yet. */
  open(): Due[] {
    return this.#database.all("SELECT * FROM dues WHERE result IS NULL ORDER BY due_at, rowid").map(dueOf);
  }

  /** Nothing can be had before `dueAt`. */
  postpone({ kind, address, key }: Due, dueAt: bigint): void {
    const sql = "UPDATE dues SET due_at = ? WHERE kind = ? AND address = ? AND key = ?";
    this.#database.run(sql, dueAt, kind, address, key);
  }

  /** It is over: `result` says how, for people. @param head The chain's newest block at that time. */
  settle({ kind, address, key }: Due, result: string, head: bigint): void {
    const sql = "UPDATE dues SET result = ?, ended = ? WHERE kind = ? AND address = ? AND key = ?";
    this.#database.run(sql, result, head, kind, address, key);
  }

  /** How something ended; undefined while it is open, or if it is unknown. */
  result(kind: Due["kind"], key: string): string | undefined {
    const row = this.#database.get("SELECT result FROM dues WHERE kind = ? AND key = ?", kind, key.toLowerCase());
    return row === undefined || row.result === null ? undefined : String(row.result);
  }

  /** Number of claims that came to an end: names the next one, so that none is sent twice. */
  claims(): number {
    // A range of the primary key: LIKE would read every deed there ever was.
    const sql =
      "SELECT count(*) AS n FROM intents WHERE id >= 'claim:' AND id < 'claim;' AND status IN ('mined', 'reverted')";
    return Number(this.#database.get(sql)!.n);
  }

  /**
   * Forgets what came about after `block`, and looks again at what ended since: its end may be gone. Not at all else: chains reorganise every
   * day, and of months of batches a round would take hours. Nor is a batch's window another one than before.
   */
  rewind(block: bigint): void {
    this.#database.transaction(() => {
      this.#database.run("DELETE FROM dues WHERE block > ?", Number(block));
      const since = "UPDATE dues SET result = NULL, ended = NULL, due_at = 0 WHERE ended > ?";
      this.#database.run(since, block > LAG_BLOCKS ? block - LAG_BLOCKS : 0n);
      this.#database.run(
        "UPDATE dues SET due_at = 0 WHERE kind IN ('game', 'demand', 'reward', 'draw') AND result IS NULL",
      );
    });
  }
}

function dueOf(row: SqlRow): Due {
  return {
    kind: row.kind as Due["kind"],
    address: row.address as Address,
    key: String(row.key),
    block: BigInt(Number(row.block)),
    dueAt: BigInt(Number(row.due_at)),
  };
}
