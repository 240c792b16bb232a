import type { Address, Hex } from "viem";
import { DUE_ENDS_SQL, DUES_SQL } from "../chain/due-store.ts";
import { CHAIN_SQL, NONCES_SQL } from "../chain/sqlite.ts";
import { type Bundle, bundleJson, parseBundle } from "../sdk/bundle.ts";
import { OPEN_DRAWS_SQL } from "../spotcheck/open-draws.ts";
import { Database, type DatabaseHooks, type SqlRow } from "../store/database.ts";
import { CASES_SQL } from "./case-store.ts";
import type { Fault } from "./verify.ts";

/** What a fisherman concludes about a receipt. */
export type VerdictKind = "valid" | "invalid" | "unavailable";

/** A batch as the chain has it, and how far its check has come. */
export interface WatchedBatch {
  readonly id: bigint;
  readonly executor: Address;
  readonly root: Hex;
  readonly count: number;
  /** Block of the commit. */
  readonly block: bigint;
  /**
   * `new`: to be downloaded and checked; `checked`: every receipt has a verdict; `unavailable`: nothing usable was served so far, tried
   * again ever more rarely until the window closes.
   */
  readonly status: "new" | "checked" | "unavailable";
  /** Failed downloads so far. */
  readonly attempts: number;
  /** Milliseconds since 1970 before which nothing is tried again. */
  readonly dueAt: number;
  readonly reason: string | undefined;
}

/** A receipt's verdict. */
export interface StoredVerdict {
  readonly receiptHash: Hex;
  readonly batchId: bigint;
  /** Position in the batch. */
  readonly index: number;
  readonly verdict: VerdictKind;
  readonly fault: Fault | undefined;
  /** Why, in words; undefined for `valid`. */
  readonly reason: string | undefined;
  /** `none`: nothing to do; `wanted`: a dispute is to be opened; `open`, `done`: see `gameId`; `given-up`: see `disputeReason`. */
  readonly dispute: "none" | "wanted" | "open" | "done" | "given-up";
  readonly gameId: bigint | undefined;
  /** Why there is no dispute, or how it ended. */
  readonly disputeReason: string | undefined;
}

const FISHERMAN_SQL = `
CREATE TABLE batches (
  id TEXT PRIMARY KEY,
  executor TEXT NOT NULL,
  root TEXT NOT NULL,
  count INTEGER NOT NULL,
  block INTEGER NOT NULL,
  status TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL DEFAULT 0,
  reason TEXT
) STRICT;
CREATE INDEX batches_by_status ON batches (status, due_at);
CREATE TABLE verdicts (
  receipt_hash TEXT NOT NULL,
  batch_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  verdict TEXT NOT NULL,
  fault TEXT,
  dispute TEXT NOT NULL,
  game_id TEXT,
  reason TEXT,
  PRIMARY KEY (receipt_hash, batch_id)
) STRICT;
CREATE INDEX verdicts_by_dispute ON verdicts (dispute);
CREATE TABLE evidence (
  receipt_hash TEXT NOT NULL,
  batch_id TEXT NOT NULL,
  bundle TEXT NOT NULL,
  hashes TEXT NOT NULL,
  PRIMARY KEY (receipt_hash, batch_id)
) STRICT;
CREATE TABLE endpoints (
  executor TEXT NOT NULL,
  block INTEGER NOT NULL,
  url TEXT NOT NULL,
  PRIMARY KEY (executor, block)
) STRICT;
`;

/** What is done all the time must not read what was kept for months. */
const INDEXES_SQL = `
CREATE INDEX batches_by_block ON batches (block);
CREATE INDEX verdicts_by_leaf ON verdicts (batch_id, position);
CREATE INDEX verdicts_by_verdict ON verdicts (verdict);
CREATE INDEX receipts_by_batch ON receipts (batch_id);
${NONCES_SQL}${DUE_ENDS_SQL}`;

const SECOND_SQL = `
ALTER TABLE verdicts ADD COLUMN dispute_reason TEXT;
ALTER TABLE evidence ADD COLUMN drop_at INTEGER;
`;

/** Draws of batches; those that were noted before may have some, too. */
const DRAWS_SQL = `${OPEN_DRAWS_SQL}
INSERT INTO draws (batch_id, root, count, block) SELECT id, root, count, block FROM batches;`;

/** A time that never comes, in milliseconds. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** Opens the fisherman's database; its file belongs to one process. */
export function openFishermanDatabase(path: string, hooks: DatabaseHooks = {}): Database {
  const schema = {
    applicationId: 0x4f545246,
    migrations: [CHAIN_SQL + FISHERMAN_SQL, SECOND_SQL, CASES_SQL + DUES_SQL, INDEXES_SQL, DRAWS_SQL],
  };
  return Database.open(path, schema, hooks);
}

/** What a dispute needs: the answer, and the siblings of its receipt in the batch. */
export interface Evidence {
  readonly bundle: Bundle;
  readonly siblings: readonly Hex[];
}

/** What the fisherman remembers besides the chain: all of it can be made again from chain and executors. */
export class FishermanStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Several writes, all or none. */
  transaction<T>(work: () => T): T {
    return this.#database.transaction(work);
  }

  /** Notes a batch; one that is known keeps its state. */
  addBatch(batch: Pick<WatchedBatch, "id" | "executor" | "root" | "count" | "block">): void {
    this.#database.run(
      "INSERT INTO batches (id, executor, root, count, block, status) VALUES (?, ?, ?, ?, ?, 'new') ON CONFLICT (id) DO NOTHING",
      batch.id.toString(),
      batch.executor,
      batch.root,
      batch.count,
      Number(batch.block),
    );
  }

  /**
   * Forgets what was committed after `block`, which is no longer part of the chain, and takes up again the disputes that were decided
   * by what is gone. The game store is rewound before.
   */
  rewind(block: bigint): void {
    this.#database.transaction(() => {
      const gone = "(SELECT id FROM batches WHERE block > ?)";
      this.#database.run(`DELETE FROM verdicts WHERE batch_id IN ${gone}`, Number(block));
      this.#database.run(`DELETE FROM evidence WHERE batch_id IN ${gone}`, Number(block));
      this.#database.run("DELETE FROM endpoints WHERE block > ?", Number(block));
      this.#database.run("DELETE FROM batches WHERE block > ?", Number(block));
      this.#database.run(
        `UPDATE verdicts SET dispute = 'wanted', game_id = NULL, dispute_reason = NULL
         WHERE (dispute IN ('open', 'done') AND game_id NOT IN (SELECT game_id FROM games) OR dispute = 'given-up')
           AND EXISTS (SELECT 1 FROM evidence e
             WHERE e.receipt_hash = verdicts.receipt_hash AND e.batch_id = verdicts.batch_id)`,
      );
    });
  }

  batch(id: bigint): WatchedBatch | undefined {
    const row = this.#database.get("SELECT * FROM batches WHERE id = ?", id.toString());
    return row && batchOf(row);
  }

  /** The batch that waits longest for its check, if one is due. */
  nextBatch(now: number): WatchedBatch | undefined {
    const sql =
      "SELECT * FROM batches WHERE status IN ('new', 'unavailable') AND due_at <= ? ORDER BY due_at, block LIMIT 1";
    const row = this.#database.get(sql, now);
    return row && batchOf(row);
  }

  /** Notes a check that came to no end: tried again at `dueAt`, or never if that is undefined. */
  checkFailed(id: bigint, status: "new" | "unavailable", reason: string, dueAt: number | undefined): void {
    this.#database.run(
      "UPDATE batches SET attempts = attempts + 1, reason = ?, status = ?, due_at = ? WHERE id = ?",
      reason,
      status,
      dueAt ?? NEVER,
      id.toString(),
    );
  }

  /** Something that a verdict lacked is there now: the batch is checked once more. */
  checkAgain(id: bigint): void {
    this.#database.run("UPDATE batches SET status = 'new', due_at = 0 WHERE id = ?", id.toString());
  }

  /** Every receipt of the batch has a verdict that stays. */
  batchChecked(id: bigint): void {
    this.#database.run("UPDATE batches SET status = 'checked', reason = NULL WHERE id = ?", id.toString());
  }

  /** Notes where an executor serves from a block on. */
  addEndpoint(executor: Address, block: bigint, url: string): void {
    this.#database.run("INSERT OR REPLACE INTO endpoints VALUES (?, ?, ?)", executor.toLowerCase(), Number(block), url);
  }

  /** Where an executor serves now. */
  endpoint(executor: Address): string | undefined {
    const sql = "SELECT url FROM endpoints WHERE executor = ? ORDER BY block DESC LIMIT 1";
    const row = this.#database.get(sql, executor.toLowerCase());
    return row && String(row.url);
  }

  /** Keeps what a dispute needs. */
  saveEvidence(receiptHash: Hex, batchId: bigint, { bundle, siblings }: Evidence): void {
    // A prompt that stays hidden has no place in a bundle; what is proven without it does not read it.
    const inputTokens = bundle.inputTokens.length === 0 ? [0] : bundle.inputTokens;
    this.#database.run(
      "INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?, NULL)",
      receiptHash,
      batchId.toString(),
      JSON.stringify(bundleJson({ ...bundle, inputTokens })),
      JSON.stringify(siblings),
    );
  }

  evidence(receiptHash: Hex, batchId: bigint): Evidence | undefined {
    const sql = "SELECT bundle, siblings FROM evidence WHERE receipt_hash = ? AND batch_id = ?";
    const row = this.#database.get(sql, receiptHash, batchId.toString());
    if (row === undefined) return undefined;
    return { bundle: parseBundle(JSON.parse(String(row.bundle))), siblings: JSON.parse(String(row.siblings)) as Hex[] };
  }

  /** The dispute seems to be over: its evidence is kept until `dropAt` (milliseconds), for a reorganisation may take the end away. */
  retireEvidence(receiptHash: Hex, batchId: bigint, dropAt: number): void {
    const sql = "UPDATE evidence SET drop_at = ? WHERE receipt_hash = ? AND batch_id = ?";
    this.#database.run(sql, dropAt, receiptHash, batchId.toString());
  }

  /** Drops the evidence of disputes that are over for long; those that a reorganisation brought back keep theirs. */
  pruneEvidence(now: number): void {
    this.#database.run(
      `DELETE FROM evidence WHERE drop_at <= ? AND NOT EXISTS (SELECT 1 FROM verdicts v
         WHERE v.receipt_hash = evidence.receipt_hash AND v.batch_id = evidence.batch_id AND v.dispute IN ('wanted', 'open'))`,
      now,
    );
  }

  saveVerdict(verdict: StoredVerdict): void {
    this.#database.run(
      "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      verdict.receiptHash,
      verdict.batchId.toString(),
      verdict.index,
      verdict.verdict,
      verdict.fault === undefined ? null : JSON.stringify(verdict.fault),
      verdict.dispute,
      verdict.gameId?.toString() ?? null,
      verdict.reason ?? null,
      verdict.disputeReason ?? null,
    );
  }

  verdict(receiptHash: Hex, batchId?: bigint): StoredVerdict | undefined {
    const row =
      batchId === undefined
        ? this.#database.get("SELECT * FROM verdicts WHERE receipt_hash = ? ORDER BY rowid DESC", receiptHash)
        : this.#database.get(
            "SELECT * FROM verdicts WHERE receipt_hash = ? AND batch_id = ?",
            receiptHash,
            batchId.toString(),
          );
    return row && verdictOf(row);
  }

  /** The verdict on a leaf, whatever its receipt. */
  verdictAt(batchId: bigint, index: number): StoredVerdict | undefined {
    const sql = "SELECT * FROM verdicts WHERE batch_id = ? AND position = ?";
    const row = this.#database.get(sql, batchId.toString(), index);
    return row && verdictOf(row);
  }

  /** How many of a batch's leaves have a verdict. */
  verdicts(batchId: bigint): number {
    const sql = "SELECT count(*) AS n FROM verdicts WHERE batch_id = ?";
    return Number(this.#database.get(sql, batchId.toString())!.n);
  }

  /** Batches whose data was asked for in vain and may still come, oldest first. */
  withheld(): WatchedBatch[] {
    const sql =
      "SELECT * FROM batches WHERE status IN ('new', 'unavailable') AND attempts > 0 AND due_at < ? ORDER BY block";
    return this.#database.all(sql, NEVER).map(batchOf);
  }

  /** Verdicts in one state of dispute, oldest first. */
  disputes(state: StoredVerdict["dispute"]): StoredVerdict[] {
    return this.#database.all("SELECT * FROM verdicts WHERE dispute = ? ORDER BY rowid", state).map(verdictOf);
  }

  /** Number of receipts by verdict and by state of dispute, and of batches by status. */
  counts(): Record<"verdicts" | "disputes" | "batches", Record<string, number>> {
    const by = (table: string, column: string) => {
      const rows = this.#database.all(`SELECT ${column} AS kind, count(*) AS n FROM ${table} GROUP BY ${column}`);
      return Object.fromEntries(rows.map(({ kind, n }) => [String(kind), Number(n)]));
    };
    return {
      verdicts: by("verdicts", "verdict"),
      disputes: by("verdicts", "dispute"),
      batches: by("batches", "status"),
    };
  }

  /** Size of the database. */
  bytes(): number {
    return this.#database.bytes();
  }

  close(): void {
    this.#database.close();
  }
}

function batchOf(row: SqlRow): WatchedBatch {
  return {
    id: BigInt(String(row.id)),
    executor: row.executor as Address,
    root: row.root as Hex,
    count: Number(row.count),
    block: BigInt(Number(row.block)),
    status: row.status as WatchedBatch["status"],
    attempts: Number(row.attempts),
    dueAt: Number(row.due_at),
    reason: row.reason === null ? undefined : String(row.reason),
  };
}

function verdictOf(row: SqlRow): StoredVerdict {
  return {
    receiptHash: row.receipt_hash as Hex,
    batchId: BigInt(String(row.batch_id)),
    index: Number(row.position),
    verdict: row.verdict as VerdictKind,
    fault: row.fault === null ? undefined : (JSON.parse(String(row.fault)) as Fault),
    dispute: row.dispute as StoredVerdict["dispute"],
    gameId: row.game_id === null ? undefined : BigInt(String(row.game_id)),
    reason: row.reason === null ? undefined : String(row.reason),
    disputeReason: row.dispute_reason === null ? undefined : String(row.dispute_reason),
  };
}
