import { type Address, zeroAddress } from "viem";
import { getBlock } from "viem/actions";
import { getBatch } from "../chain/actions/batch.ts";
import { type BatchDraws, type DrawTerms, getBatchDraws, getDrawTerms } from "../chain/actions/draws.ts";
import { getRules } from "../chain/actions/rules.ts";
import { sameAddress } from "../chain/client.ts";
import type { EventArgs, OtrContext } from "../chain/context.ts";
import { LAG_BLOCKS } from "../chain/due-store.ts";
import { ContractRevertError } from "../chain/errors.ts";
import type { Clock } from "../chain/time.ts";
import type { Head } from "../chain/watch.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Logger } from "../config/logger.ts";
import type { Database, SqlRow } from "../store/database.ts";
import type { Attempts } from "./attempts.ts";

/** Batches from which something may be drawn: part of a daemon's migrations. */
export const OPEN_DRAWS_SQL = `
CREATE TABLE draws (
  batch_id TEXT PRIMARY KEY,
  court TEXT,
  root TEXT NOT NULL,
  count INTEGER NOT NULL,
  block INTEGER NOT NULL,
  look_at INTEGER NOT NULL DEFAULT 0,
  looked INTEGER NOT NULL DEFAULT 0,
  settled INTEGER,
  closed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX draws_open ON draws (look_at) WHERE settled IS NULL;
CREATE INDEX draws_settling ON draws (settled) WHERE closed = 0;
CREATE INDEX draws_by_root ON draws (root);
CREATE INDEX draws_by_block ON draws (block);
CREATE INDEX draws_by_look ON draws (looked) WHERE closed = 0;
`;

/** A batch whose draws are not over. */
export interface OpenBatch {
  readonly batchId: bigint;
  readonly court: Address;
  readonly root: Hex;
  readonly count: number;
}

/** Milliseconds after which the newest block that was read tells the chain's time no more. */
const HEAD_MS = 30_000;
/** Seconds until a batch is looked at again that the endpoint does not know (yet). */
const UNKNOWN_S = 10n;

/**
 * What a look found: when the next one is worth while, in seconds since 1970 by the chain's clock; `soon`, in the next pass; or that nothing is
 * waited for any more.
 */
export type Looked = bigint | "soon" | "over";

/** Number and time of a block. */
type BlockTime = Pick<Head, "number" | "timestamp">;

export interface OpenDrawsOptions {
  readonly context: OtrContext;
  /** Its migrations contain `OPEN_DRAWS_SQL`. */
  readonly database: Database;
  readonly attempts: Attempts;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The batches whose draws are not settled, in a daemon's database. Nothing can happen to a batch before its round is due or a deadline has
 * passed: until then nobody asks for it, so that an endpoint hears little of thousands of them, after a restart, too.
 */
export class OpenDraws {
  readonly #o: OpenDrawsOptions;
  readonly #terms = new Map<Address, DrawTerms>();
  /** By version of the rules, which never change. */
  readonly #courts = new Map<number, Address>();
  #head: BlockTime | undefined;
  /** When it was read, in milliseconds since 1970. */
  #seenAt = 0;

  constructor(options: OpenDrawsOptions) {
    this.#o = options;
  }

  /** The chain's clock: the newest block that was read. */
  sawBlock(head: BlockTime): void {
    this.#head = head;
    this.#seenAt = this.#o.clock.now();
  }

  /** Notes a batch; one that is known keeps its state. */
  note({ batchId, root, count }: EventArgs<"rollup", "BatchCommitted">, block: bigint): void {
    const sql =
      "INSERT INTO draws (batch_id, root, count, block) VALUES (?, ?, ?, ?) ON CONFLICT (batch_id) DO NOTHING";
    this.#o.database.run(sql, batchId.toString(), root, Number(count), Number(block));
  }

  /** Forgets what came after `block`, and looks again at what was seen a short time before. */
  rewind(block: bigint): void {
    const { database } = this.#o;
    const since = block > LAG_BLOCKS ? block - LAG_BLOCKS : 0n;
    this.#head = undefined;
    database.transaction(() => {
      database.run("DELETE FROM draws WHERE block > ?", Number(block));
      database.run("UPDATE draws SET settled = NULL, look_at = 0 WHERE closed = 0 AND looked > ?", since);
    });
  }

  /** Number of batches whose draws are not settled. */
  get open(): number {
    return Number(this.#o.database.get("SELECT count(*) AS n FROM draws WHERE settled IS NULL")!.n);
  }

  /**
   * Looks at the batches of which something may have become due. A batch that fails is tried again a little later.
   * @param look Gets a batch that is not settled, and the time by the chain's clock.
   */
  async pass(
    signal: AbortSignal,
    look: (batch: OpenBatch, terms: DrawTerms, draws: BatchDraws, now: bigint) => Promise<Looked>,
  ): Promise<void> {
    const { attempts } = this.#o;
    const head = await this.now();
    for (const row of this.#due(head)) {
      if (signal.aborted) return;
      await attempts.attempt(`batch:${row.batch_id}`, async () => {
        const found = await this.#look(row, head, look);
        if (found !== undefined) this.#save(row, head, found);
      });
    }
  }

  /** The chain's time costs a call only if no new block was read for long: there is none, or it cannot be read. */
  async now(): Promise<BlockTime> {
    const { clock, context } = this.#o;
    if (this.#head === undefined || clock.now() - this.#seenAt > HEAD_MS) this.sawBlock(await getBlock(context.client));
    return this.#head!;
  }

  /**
   * What may have changed: batches whose time has come, and those that were over a while ago, once more: what showed that may be in no block
   * any more.
   */
  #due({ timestamp, number }: BlockTime): SqlRow[] {
    const { database } = this.#o;
    const open = "SELECT * FROM draws WHERE settled IS NULL AND look_at <= ? ORDER BY look_at, block";
    const settling = "SELECT * FROM draws WHERE closed = 0 AND settled <= ?";
    const before = number > LAG_BLOCKS ? number - LAG_BLOCKS : -1n;
    return [...database.all(open, timestamp), ...database.all(settling, before)];
  }

  /** @returns Undefined if the batch is none of those from which something is drawn. */
  async #look(row: SqlRow, head: BlockTime, look: Parameters<OpenDraws["pass"]>[1]): Promise<Looked | undefined> {
    const { context, database } = this.#o;
    const batchId = BigInt(String(row.batch_id));
    const root = row.root as Hex;
    // An endpoint's machine that lags does not know a young batch; one that was dropped as a duplicate nobody knows.
    const unknown = () => (head.number > BigInt(Number(row.block)) + LAG_BLOCKS ? "over" : head.timestamp + UNKNOWN_S);
    let court = row.court as Address | null;
    if (court === null) {
      const batch = await getBatch(context, batchId);
      if (batch?.root !== root) return unknown();
      court = await this.#courtOf(batch.rules);
      if (sameAddress(court, zeroAddress)) {
        database.run("DELETE FROM draws WHERE batch_id = ?", String(row.batch_id));
        return undefined;
      }
      database.run("UPDATE draws SET court = ? WHERE batch_id = ?", court, String(row.batch_id));
    }
    const terms = await this.#termsOf(court);
    const draws = await getBatchDraws(context, court, batchId).catch(unknownBatch);
    if (draws === undefined) return unknown();
    if (draws.settled) return "over";
    return look({ batchId, court, root, count: Number(row.count) }, terms, draws, head.timestamp);
  }

  #save(row: SqlRow, { number }: Pick<Head, "number">, found: Looked): void {
    const { database, log } = this.#o;
    const batchId = String(row.batch_id);
    if (found === "over" && row.settled !== null)
      database.run("UPDATE draws SET closed = 1 WHERE batch_id = ?", batchId);
    else if (found === "over") {
      database.run("UPDATE draws SET settled = ?, looked = ? WHERE batch_id = ?", number, number, batchId);
      log.info({ batch: batchId }, "draws of a batch are over");
    } else if (found !== "soon")
      database.run(
        "UPDATE draws SET settled = NULL, look_at = ?, looked = ? WHERE batch_id = ?",
        found,
        number,
        batchId,
      );
    else if (row.settled !== null)
      database.run("UPDATE draws SET settled = NULL, look_at = 0 WHERE batch_id = ?", batchId);
  }

  async #courtOf(version: number): Promise<Address> {
    const court = this.#courts.get(version) ?? (await getRules(this.#o.context, version)).spotChecks;
    this.#courts.set(version, court);
    return court;
  }

  async #termsOf(court: Address): Promise<DrawTerms> {
    const terms = this.#terms.get(court) ?? (await getDrawTerms(this.#o.context, court));
    this.#terms.set(court, terms);
    return terms;
  }
}

/** A batch that was dropped as a duplicate is known no more. */
export function unknownBatch(error: unknown): undefined {
  if (!(error instanceof ContractRevertError && error.errorName === "UnknownBatch")) throw error;
}
