import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { StoreOpenError } from "./errors.ts";

/** What a database file is for, and how it became what it is. */
export interface Schema {
  /** 32-bit number in the file's header, so that no program opens another one's file. */
  readonly applicationId: number;
  /** SQL scripts, applied once each and in order. A published script never changes. */
  readonly migrations: readonly string[];
}

/** Where tests look into the store, or end it. What a hook throws reaches the writer. */
export interface DatabaseHooks {
  /** Called before each statement or transaction that may write. */
  readonly beforeWrite?: () => void;
  /** Called when a statement or transaction has changed something and is on disk. */
  readonly afterWrite?: () => void;
}

/** A row as sqlite returns it. */
export type SqlRow = Record<string, null | number | bigint | string | Uint8Array>;

/**
 * One sqlite file with one owner. WAL with full synchronisation: what a committed transaction wrote survives `kill -9` and a
 * power cut. The lock is exclusive, so that two processes never work off one outbox; the operating system drops it when the
 * process dies.
 */
export class Database {
  private readonly sqlite: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();
  private readonly hooks: DatabaseHooks;
  private depth = 0;
  /** Whether the transaction under way has changed anything. */
  private changed = false;

  private constructor(sqlite: DatabaseSync, hooks: DatabaseHooks) {
    this.sqlite = sqlite;
    this.hooks = hooks;
  }

  /** Opens or creates the file (`:memory:` for a store without a disk) and applies missing migrations. */
  static open(path: string, schema: Schema, hooks: DatabaseHooks = {}): Database {
    let sqlite: DatabaseSync | undefined;
    try {
      sqlite = new DatabaseSync(path);
      const database = new Database(sqlite, hooks);
      sqlite.exec("PRAGMA busy_timeout = 2000; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;");
      sqlite.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
      database.migrate(schema);
      return database;
    } catch (cause) {
      sqlite?.close();
      if (cause instanceof StoreOpenError) throw cause;
      throw new StoreOpenError(
        `sqlite: ${cause instanceof Error ? cause.message : String(cause)}`,
        "Check that no other process uses the file, and that the disk is writable and not full.",
        cause,
      );
    }
  }

  private pragma(name: string): number {
    return Number(this.get(`PRAGMA ${name}`)?.[name] ?? 0);
  }

  private migrate(schema: Schema): void {
    this.transaction(() => {
      const [application, version] = [this.pragma("application_id"), this.pragma("user_version")];
      if (version > 0 && application !== schema.applicationId)
        throw new StoreOpenError(
          `The file's application id is ${application}, not ${schema.applicationId}.`,
          "This file belongs to another program; name another path.",
        );
      if (version > schema.migrations.length)
        throw new StoreOpenError(
          `The file has schema version ${version}; this program knows ${schema.migrations.length}.`,
          "A later version of this program wrote the file: upgrade, or restore a backup.",
        );
      for (const script of schema.migrations.slice(version)) this.sqlite.exec(script);
      // The first write also takes the exclusive lock, before any work is done on a file that another process owns.
      this.sqlite.exec(`PRAGMA application_id = ${schema.applicationId}`);
      this.sqlite.exec(`PRAGMA user_version = ${schema.migrations.length}`);
    });
  }

  private statement(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.sqlite.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs a statement; returns the number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    if (this.depth === 0) this.hooks.beforeWrite?.();
    const changes = Number(this.statement(sql).run(...values).changes);
    if (changes > 0) this.changed = true;
    if (this.depth === 0) this.written();
    return changes;
  }

  /** First row, or undefined. */
  get(sql: string, ...values: SQLInputValue[]): SqlRow | undefined {
    return this.statement(sql).get(...values) as SqlRow | undefined;
  }

  /** All rows. */
  all(sql: string, ...values: SQLInputValue[]): SqlRow[] {
    return this.statement(sql).all(...values) as SqlRow[];
  }

  /** All or nothing; a transaction inside another one is part of it. `work` must be synchronous. */
  transaction<T>(work: () => T): T {
    if (this.depth > 0) return work();
    this.hooks.beforeWrite?.();
    this.sqlite.exec("BEGIN IMMEDIATE");
    this.depth++;
    let result: T;
    try {
      result = work();
      this.sqlite.exec("COMMIT");
    } catch (error) {
      // A full disk has ended it already; what failed must not be hidden by that.
      if (this.sqlite.isTransaction) this.sqlite.exec("ROLLBACK");
      this.changed = false;
      throw error;
    } finally {
      this.depth--;
    }
    this.written();
    return result;
  }

  /** Size of the file, without what waits in the WAL. */
  bytes(): number {
    return this.pragma("page_count") * this.pragma("page_size");
  }

  private written(): void {
    const changed = this.changed;
    this.changed = false;
    if (changed) this.hooks.afterWrite?.();
  }

  /** Checkpoints and closes the file. */
  close(): void {
    this.statements.clear();
    this.sqlite.close();
  }
}
