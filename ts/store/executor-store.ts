import type { Hex } from "../commit/bytes.ts";
import type { Domain } from "../commit/typed-data.ts";
import type { Bundle } from "../sdk/bundle.ts";
import { jsonOf } from "../sdk/wire.ts";
import { packRecords, packTokens } from "./blobs.ts";
import type { Database } from "./database.ts";
import { StoreStateError } from "./errors.ts";
import {
  type Answer,
  type AnswerState,
  answerOf,
  type BatchState,
  batchOf,
  type IdempotencyRow,
  type SealedAnswer,
  type SignedExchange,
  type StoredBatch,
} from "./executor-rows.ts";
import { EXECUTOR_SCHEMA } from "./executor-schema.ts";

/** Everything an executor must not forget. One instance owns one database. */
export class ExecutorStore {
  static readonly schema = EXECUTOR_SCHEMA;
  private readonly database: Database;
  private readonly clock: () => number;
  private readonly domain: Domain;

  /** @param clock Milliseconds since 1970. */
  constructor(database: Database, domain: Domain, clock: () => number) {
    this.database = database;
    this.domain = domain;
    this.clock = clock;
  }

  // Chats

  /** Notes that a chat asks for an answer, and the idempotency key that stands for it from here on. */
  addChat(chatId: string, requestHash: Hex, idempotency?: { key: string; bodyHash: Hex }): void {
    const now = this.clock();
    this.database.transaction(() => {
      const sql = "INSERT INTO chats (chat_id, request_hash, created_at) VALUES (?, ?, ?)";
      this.database.run(sql, chatId, requestHash, now);
      if (idempotency === undefined) return;
      this.database.run(
        `INSERT INTO idempotency (key, body_hash, chat_id, created_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET body_hash = excluded.body_hash, chat_id = excluded.chat_id`,
        idempotency.key,
        idempotency.bodyHash,
        chatId,
        now,
      );
    });
  }

  /** Which request a chat asked for. */
  requestOfChat(chatId: string): Hex | undefined {
    return this.database.get("SELECT request_hash FROM chats WHERE chat_id = ?", chatId)?.request_hash as
      | Hex
      | undefined;
  }

  /** What an idempotency key stands for. */
  idempotency(key: string): IdempotencyRow | undefined {
    const row = this.database.get("SELECT body_hash, chat_id FROM idempotency WHERE key = ?", key);
    return row && { bodyHash: row.body_hash as Hex, chatId: String(row.chat_id) };
  }

  /** Keeps the signature of a chat's last complete response. Only who holds the idempotency key can have several responses to one chat. */
  addExchange(chatId: string, { text, signature, signing_address: signer }: SignedExchange): void {
    this.database.run(
      `INSERT INTO exchanges (chat_id, text, signature, signing_address, created_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (chat_id) DO UPDATE SET text = excluded.text, signature = excluded.signature,
         signing_address = excluded.signing_address`,
      ...[chatId, text, signature, signer, this.clock()],
    );
  }

  /** The signature of a chat's last complete response. */
  exchangeOf(chatId: string): SignedExchange | undefined {
    const row = this.database.get("SELECT text, signature, signing_address FROM exchanges WHERE chat_id = ?", chatId);
    return (
      row && {
        text: String(row.text),
        signature: row.signature as Hex,
        signing_address: String(row.signing_address),
      }
    );
  }

  // Answers

  /** Persists an answer before its receipt is signed. */
  addSealed(answer: SealedAnswer): void {
    this.database.transaction(() => {
      // A lost answer never had two signatures, so its request may be answered again.
      this.database.run("DELETE FROM answers WHERE request_hash = ? AND state = 'lost'", answer.requestHash);
      this.database.run(
        `INSERT INTO answers (request_hash, receipt_hash, request, request_signature, secret, receipt, enclave_key, seq,
           input_tokens, output_tokens, records, state, confidential, expiry, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'sealed', ?, ?, ?)`,
        answer.requestHash,
        answer.receiptHash,
        JSON.stringify(jsonOf(answer.request)),
        answer.requestSignature ?? null,
        answer.secret ?? null,
        JSON.stringify(jsonOf(answer.receipt)),
        answer.receipt.enclaveKey,
        answer.receipt.seq,
        packTokens(answer.inputTokens),
        packTokens(answer.outputTokens),
        packRecords(answer.records),
        answer.request.confidential ? 1 : 0,
        answer.receipt.expiry,
        this.clock(),
      );
    });
  }

  /** The enclave has signed, and the operator has not yet. If it has meanwhile, nothing changes. */
  attest(receiptHash: Hex, enclaveSignature: Hex): void {
    this.database.transaction(() => {
      if (this.isLiable(receiptHash)) return;
      this.moveAnswer(receiptHash, ["sealed", "attested"], "attested");
      const sql = "UPDATE answers SET enclave_signature = ? WHERE receipt_hash = ?";
      this.database.run(sql, enclaveSignature, receiptHash);
    });
  }

  /** Both have signed: the receipt is a liability from here on and waits for a batch. A second call changes nothing. */
  enqueue(receiptHash: Hex, enclaveSignature: Hex, operatorSignature: Hex): void {
    this.database.transaction(() => {
      if (this.isLiable(receiptHash)) return;
      this.moveAnswer(receiptHash, ["sealed", "attested"], "queued");
      const sql = "UPDATE answers SET enclave_signature = ?, operator_signature = ? WHERE receipt_hash = ?";
      this.database.run(sql, enclaveSignature, operatorSignature, receiptHash);
    });
  }

  /** The enclave did not sign. */
  lose(receiptHash: Hex): void {
    this.moveAnswer(receiptHash, ["sealed"], "lost");
  }

  /** After a start: what was sealed by an enclave that no longer runs can never be signed. Returns how many. */
  loseSealed(): number {
    return this.database.run("UPDATE answers SET state = 'lost' WHERE state = 'sealed'");
  }

  /** The answer to a request, whatever its state. */
  answerOf(requestHash: Hex): Answer | undefined {
    const row = this.database.get("SELECT * FROM answers WHERE request_hash = ?", requestHash);
    return row && answerOf(row);
  }

  /** Whether this request was answered and the answer forgotten. */
  wasAnswered(requestHash: Hex): boolean {
    return this.database.get("SELECT 1 AS one FROM answered WHERE request_hash = ?", requestHash) !== undefined;
  }

  /** Whether a receipt with both signatures is in the store. */
  hasSigned(receiptHash: Hex): boolean {
    const sql = "SELECT 1 AS one FROM answers WHERE receipt_hash = ? AND operator_signature IS NOT NULL";
    return this.database.get(sql, receiptHash) !== undefined;
  }

  /** Answers in a state, oldest first. */
  answersIn(state: AnswerState): Answer[] {
    return this.database.all("SELECT * FROM answers WHERE state = ? ORDER BY rowid", state).map(answerOf);
  }

  /** The bundle of a receipt, once both signatures are there. */
  bundle(receiptHash: Hex): Bundle | undefined {
    const row = this.database.get("SELECT * FROM answers WHERE receipt_hash = ?", receiptHash);
    return row && this.bundleOf(answerOf(row));
  }

  /** The bundle of an answer, once both signatures are there. */
  bundleOf(answer: Answer): Bundle | undefined {
    const { enclaveSignature, operatorSignature } = answer;
    if (enclaveSignature === undefined || operatorSignature === undefined) return undefined;
    const { request, requestSignature, secret, receipt, receiptHash, inputTokens, outputTokens, records } = answer;
    return {
      domain: this.domain,
      request,
      ...(requestSignature === undefined ? {} : { requestSignature }),
      ...(secret === undefined ? {} : { secret }),
      receipt,
      receiptHash,
      enclaveSignature,
      operatorSignature,
      inputTokens,
      outputTokens,
      records,
    };
  }

  // Batches

  /** Receipts that wait for a batch: how many, and since when (milliseconds). */
  queue(): { count: number; oldest: number } {
    const row = this.database.get("SELECT count(*) AS n, min(created_at) AS t FROM answers WHERE state = 'queued'")!;
    return { count: Number(row.n), oldest: Number(row.t ?? 0) };
  }

  /** Receipts that lock no stake yet but will: queued, or leaves of a batch that is not on chain. */
  uncommitted(): number {
    const sql = `SELECT (SELECT count(*) FROM answers WHERE state IN ('attested', 'queued'))
      + (SELECT coalesce(sum(count), 0) FROM batches WHERE state = 'intent') AS n`;
    return Number(this.database.get(sql)!.n);
  }

  /** A queued receipt that must not be committed: its answer is in doubt. */
  quarantine(receiptHash: Hex): void {
    this.moveAnswer(receiptHash, ["queued"], "quarantined");
  }

  /** Gives up queued receipts that nobody can commit any more. Returns how many. */
  expire(nowSeconds: bigint): number {
    const sql = "UPDATE answers SET state = 'expired' WHERE state IN ('queued', 'attested') AND expiry <= ?";
    return this.database.run(sql, nowSeconds);
  }

  /**
   * Takes up to `limit` queued receipts into a new batch, in one transaction.
   * @param rootOf Root over the receipt hashes, which are the leaves in order.
   */
  formBatch(limit: number, rootOf: (leaves: readonly Hex[]) => Hex): StoredBatch | undefined {
    return this.database.transaction(() => {
      const rows = this.database.all(
        "SELECT receipt_hash, expiry FROM answers WHERE state = 'queued' ORDER BY rowid LIMIT ?",
        limit,
      );
      if (rows.length === 0) return undefined;
      const leaves = rows.map((row) => row.receipt_hash as Hex);
      const root = rootOf(leaves);
      const expiry = Math.max(...rows.map((row) => Number(row.expiry)));
      this.database.run(
        "INSERT INTO batches (root, count, expiry, state, created_at) VALUES (?, ?, ?, 'intent', ?)",
        root,
        leaves.length,
        expiry,
        this.clock(),
      );
      leaves.forEach((leaf, index) => {
        this.moveAnswer(leaf, ["queued"], "batched");
        this.database.run(
          "UPDATE answers SET batch_root = ?, leaf_index = ? WHERE receipt_hash = ?",
          root,
          index,
          leaf,
        );
      });
      return { root, count: leaves.length, expiry: BigInt(expiry), state: "intent" };
    });
  }

  /** A batch by its root. */
  batch(root: Hex): StoredBatch | undefined {
    const row = this.database.get("SELECT * FROM batches WHERE root = ?", root);
    return row && batchOf(row);
  }

  /** Receipt hashes of a batch in leaf order; undefined if it was not formed here, or is forgotten. */
  leaves(root: Hex): Hex[] | undefined {
    const count = this.batch(root)?.count;
    const sql = "SELECT receipt_hash FROM answers WHERE batch_root = ? ORDER BY leaf_index";
    const leaves = this.database.all(sql, root).map((row) => row.receipt_hash as Hex);
    return leaves.length === count ? leaves : undefined;
  }

  /** Root of the batch that a receipt is in; undefined if it is in none yet, or forgotten. */
  batchRootOf(receiptHash: Hex): Hex | undefined {
    const row = this.database.get("SELECT batch_root FROM answers WHERE receipt_hash = ?", receiptHash);
    return (row?.batch_root ?? undefined) as Hex | undefined;
  }

  /** Batches in a state, oldest first. */
  batchesIn(state: BatchState): StoredBatch[] {
    return this.database.all("SELECT * FROM batches WHERE state = ? ORDER BY rowid", state).map(batchOf);
  }

  /** Changes a batch's state; the caller says from which one. */
  moveBatch(root: Hex, from: BatchState, to: BatchState, note: { transactionHash?: Hex; error?: string } = {}): void {
    const sql = `UPDATE batches SET state = ?, transaction_hash = coalesce(?, transaction_hash), error = ?
      WHERE root = ? AND state = ?`;
    if (this.database.run(sql, to, note.transactionHash ?? null, note.error ?? null, root, from) !== 1)
      throw new StoreStateError(`Batch ${root}`, from, this.batch(root)?.state ?? "no such batch");
  }

  /** Bundles of a batch in leaf order, read one by one so that a page never sits in memory whole. */
  *bundlesOf(root: Hex, from: number, limit: number): Generator<Bundle> {
    const sql = "SELECT * FROM answers WHERE batch_root = ? AND leaf_index = ?";
    for (let index = from; index < from + limit; index++) {
      const row = this.database.get(sql, root, index);
      if (row === undefined) return;
      yield this.bundleOf(answerOf(row))!;
    }
  }

  /**
   * Forgets what is settled: chats, keys and answers older than `before` (milliseconds) whose batch is done or that have none.
   *
   * INVARIANT: that a request was answered is remembered while it can be asked again: two receipts for one request convict the executor.
   */
  prune(before: number): number {
    const settled = `created_at < ? AND (state IN ('lost', 'expired')
      OR EXISTS (SELECT 1 FROM batches b WHERE b.root = answers.batch_root AND b.state = 'done'))`;
    return this.database.transaction(() => {
      this.database.run(
        `INSERT OR IGNORE INTO answered (request_hash, deadline)
           SELECT request_hash, CAST(json_extract(request, '$.deadline') AS INTEGER) FROM answers
           WHERE operator_signature IS NOT NULL AND ${settled}`,
        before,
      );
      this.database.run("DELETE FROM answered WHERE deadline < ?", Math.floor(before / 1000));
      this.database.run("DELETE FROM idempotency WHERE created_at < ?", before);
      this.database.run("DELETE FROM chats WHERE created_at < ?", before);
      this.database.run("DELETE FROM exchanges WHERE created_at < ?", before);
      const gone = this.database.run(`DELETE FROM answers WHERE ${settled}`, before);
      this.database.run(
        `DELETE FROM batches WHERE state = 'done' AND created_at < ?
           AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.batch_root = batches.root)`,
        before,
      );
      return gone;
    });
  }

  /** Number of answers and of batches by state. */
  counts(): { answers: Record<string, number>; batches: Record<string, number> } {
    const by = (table: string) => {
      const rows = this.database.all(`SELECT state, count(*) AS n FROM ${table} GROUP BY state`);
      return Object.fromEntries(rows.map(({ state, n }) => [String(state), Number(n)]));
    };
    return { answers: by("answers"), batches: by("batches") };
  }

  /** Size of the database. */
  bytes(): number {
    return this.database.bytes();
  }

  /** Fails if the database cannot be read. */
  check(): void {
    this.database.get("SELECT 1 AS one");
  }

  /** Closes the database. */
  close(): void {
    this.database.close();
  }

  /** True once both signatures are stored. */
  private isLiable(receiptHash: Hex): boolean {
    const state = this.stateOf(receiptHash);
    return state === "queued" || state === "batched";
  }

  private stateOf(receiptHash: Hex): string | undefined {
    const row = this.database.get("SELECT state FROM answers WHERE receipt_hash = ?", receiptHash);
    return row && String(row.state);
  }

  private moveAnswer(receiptHash: Hex, from: readonly AnswerState[], to: AnswerState): void {
    const state = this.stateOf(receiptHash);
    if (!from.some((expected) => expected === state))
      throw new StoreStateError(`The answer with receipt ${receiptHash}`, from.join(" or "), state ?? "no such answer");
    this.database.run("UPDATE answers SET state = ? WHERE receipt_hash = ?", to, receiptHash);
  }
}
