import type { Address, Hash, Hex } from "viem";
import type { Database, SqlRow } from "../store/database.ts";
import { GAMES_SQL } from "./game-store.ts";
import type { Attempt, Intent, IntentStore } from "./intent.ts";
import type { Checkpoint, CursorStore } from "./watch.ts";

/** Tables of the transactor, the watchers and the game player: part of the first migration of every daemon's store. */
export const CHAIN_SQL = `
CREATE TABLE intents (
  id TEXT PRIMARY KEY,
  chain_id INTEGER NOT NULL,
  sender TEXT NOT NULL,
  call_to TEXT NOT NULL,
  data TEXT NOT NULL,
  value TEXT NOT NULL,
  gas TEXT NOT NULL,
  name TEXT NOT NULL,
  nonce INTEGER NOT NULL,
  status TEXT NOT NULL,
  mined_hash TEXT
) STRICT;
CREATE INDEX intents_by_status ON intents (status, chain_id, sender);
CREATE TABLE attempts (
  intent_id TEXT NOT NULL REFERENCES intents (id) ON DELETE CASCADE,
  hash TEXT NOT NULL,
  raw TEXT NOT NULL,
  max_fee TEXT NOT NULL,
  max_priority_fee TEXT NOT NULL,
  sent_at INTEGER NOT NULL,
  PRIMARY KEY (intent_id, hash)
) STRICT;
CREATE TABLE checkpoints (
  watcher TEXT NOT NULL,
  number INTEGER NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (watcher, number)
) STRICT;
${GAMES_SQL}`;

/** Before each transaction the transactor asks who holds a nonce. A later migration of every daemon's store. */
export const NONCES_SQL = "CREATE INDEX intents_by_nonce ON intents (chain_id, sender, nonce);";

/** Intents in a daemon's database. */
export class SqliteIntentStore implements IntentStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): Intent | undefined {
    const row = this.#database.get("SELECT * FROM intents WHERE id = ?", id);
    return row && this.#intent(row);
  }

  put(intent: Intent): void {
    const { id, chainId, sender, to, data, value, gas, name, nonce, status, minedHash } = intent;
    this.#database.transaction(() => {
      // Replacing the row drops the attempts of a deed that is signed anew, and writes the present ones below.
      this.#database.run("DELETE FROM intents WHERE id = ?", id);
      this.#database.run(
        "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        id,
        chainId,
        sender.toLowerCase(),
        to,
        data,
        value.toString(),
        gas.toString(),
        name,
        nonce,
        status,
        minedHash ?? null,
      );
      for (const { hash, raw, maxFeePerGas, maxPriorityFeePerGas, sentAt } of intent.attempts)
        this.#database.run(
          "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?)",
          id,
          hash,
          raw,
          maxFeePerGas.toString(),
          maxPriorityFeePerGas.toString(),
          sentAt,
        );
    });
  }

  pending(chainId: number, sender: Address): Intent[] {
    const sql = "SELECT * FROM intents WHERE status = 'pending' AND chain_id = ? AND sender = ? ORDER BY nonce";
    return this.#database.all(sql, chainId, sender.toLowerCase()).map((row) => this.#intent(row));
  }

  holding(chainId: number, sender: Address, nonce: number): Intent[] {
    const sql =
      "SELECT * FROM intents WHERE status <> 'dropped' AND chain_id = ? AND sender = ? AND nonce >= ? ORDER BY nonce";
    return this.#database.all(sql, chainId, sender.toLowerCase(), nonce).map((row) => this.#intent(row));
  }

  #intent(row: SqlRow): Intent {
    const attempts = this.#database.all("SELECT * FROM attempts WHERE intent_id = ? ORDER BY rowid", String(row.id));
    return {
      id: String(row.id),
      chainId: Number(row.chain_id),
      sender: row.sender as Address,
      to: row.call_to as Address,
      data: row.data as Hex,
      value: BigInt(String(row.value)),
      gas: BigInt(String(row.gas)),
      name: String(row.name),
      nonce: Number(row.nonce),
      status: row.status as Intent["status"],
      attempts: attempts.map(attemptOf),
      ...(row.mined_hash === null ? {} : { minedHash: row.mined_hash as Hash }),
    };
  }
}

/** Watchers' cursors in a daemon's database. */
export class SqliteCursorStore implements CursorStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  checkpoints(name: string): Checkpoint[] {
    return this.#database
      .all("SELECT number, hash FROM checkpoints WHERE watcher = ? ORDER BY number", name)
      .map((row) => ({ number: BigInt(Number(row.number)), hash: row.hash as Hash }));
  }

  save(name: string, checkpoints: readonly Checkpoint[]): void {
    const first = checkpoints.at(0)?.number ?? 0n;
    const last = checkpoints.at(-1)?.number ?? -1n;
    this.#database.transaction(() => {
      this.#database.run("DELETE FROM checkpoints WHERE watcher = ? AND (number < ? OR number > ?)", name, first, last);
      for (const { number, hash } of checkpoints)
        this.#database.run("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", name, number, hash);
    });
  }
}

function attemptOf(row: SqlRow): Attempt {
  return {
    hash: row.hash as Hash,
    raw: row.raw as Hex,
    maxFeePerGas: BigInt(String(row.max_fee)),
    maxPriorityFeePerGas: BigInt(String(row.max_priority_fee)),
    sentAt: Number(row.sent_at),
  };
}
