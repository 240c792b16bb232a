import type { Address, Hex } from "viem";
import type { Receipt } from "../commit/typed-data.ts";
import { recoverSigner } from "../sdk/recover-signer.ts";
import { jsonOf, receiptSchema } from "../sdk/wire.ts";
import type { Database, SqlRow } from "../store/database.ts";

/** A receipt as it was seen in a batch, with what makes it usable in a proof. */
export interface SeenReceipt {
  readonly receiptHash: Hex;
  readonly batchId: bigint;
  readonly index: number;
  readonly siblings: readonly Hex[];
  readonly receipt: Receipt;
  readonly enclaveSignature: Hex;
  readonly operatorSignature: Hex;
}

/**
 * Whether a court takes both its signatures without asking anybody. An operator that is a contract signs otherwise; its receipts are
 * shown by their batch.
 */
export function isSigned({ receipt, receiptHash, enclaveSignature, operatorSignature }: SeenReceipt): boolean {
  const signs = (signature: Hex, by: Address) => recoverSigner(receiptHash, signature) === by.toLowerCase();
  return signs(enclaveSignature, receipt.enclaveKey) && signs(operatorSignature, receipt.executor);
}

/** A one-shot proof on its way to the chain. */
export interface StoredProof {
  readonly receiptHash: Hex;
  readonly batchId: bigint;
  /** The court, and what is sent to it. */
  readonly to: Address;
  readonly name: string;
  readonly data: Hex;
  /** How often it was announced: outdated announcements are made again. */
  readonly announcements: number;
}

/** A demand for the data of a leaf, whoever made it. */
export interface TrackedDemand {
  readonly availability: Address;
  readonly batchId: bigint;
  readonly index: number;
  /** Block in which it was made. */
  readonly block: bigint;
  /** `wanted`: to be made; `open`: waits for its answer; `answered`: to be judged; `over`: nothing left to do here. */
  readonly status: "wanted" | "open" | "answered" | "over";
  /** Transaction of the answer. */
  readonly answer: Hex | undefined;
}

/** Tables of receipts seen, proofs and demands: a migration of the fisherman's database. */
export const CASES_SQL = `
ALTER TABLE evidence RENAME COLUMN hashes TO siblings;
CREATE TABLE receipts (
  receipt_hash TEXT NOT NULL,
  batch_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  siblings TEXT NOT NULL,
  executor TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  enclave_key TEXT NOT NULL,
  seq TEXT NOT NULL,
  receipt TEXT NOT NULL,
  enclave_signature TEXT NOT NULL,
  operator_signature TEXT NOT NULL,
  PRIMARY KEY (receipt_hash, batch_id)
) STRICT;
CREATE INDEX receipts_by_request ON receipts (request_hash, executor);
CREATE INDEX receipts_by_seq ON receipts (enclave_key, seq, executor);
CREATE TABLE proofs (
  receipt_hash TEXT NOT NULL,
  batch_id TEXT NOT NULL,
  court TEXT NOT NULL,
  name TEXT NOT NULL,
  data TEXT NOT NULL,
  announcements INTEGER NOT NULL,
  PRIMARY KEY (receipt_hash, batch_id)
) STRICT;
CREATE TABLE demands (
  batch_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  court TEXT NOT NULL,
  block INTEGER NOT NULL,
  status TEXT NOT NULL,
  answer TEXT,
  PRIMARY KEY (batch_id, position)
) STRICT;
CREATE INDEX demands_by_status ON demands (status);
`;

/** Cases that need no game: receipts that contradict each other, proofs, demands. */
export class CaseStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Notes a receipt. One that is signed stays, wherever the chain goes; others stay as long as their batch does. */
  addReceipt(seen: SeenReceipt): void {
    const { receipt } = seen;
    this.#database.run(
      "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      seen.receiptHash,
      seen.batchId.toString(),
      seen.index,
      JSON.stringify(seen.siblings),
      receipt.executor.toLowerCase(),
      receipt.requestHash.toLowerCase(),
      receipt.enclaveKey.toLowerCase(),
      receipt.seq.toString(),
      JSON.stringify(jsonOf(receipt)),
      seen.enclaveSignature,
      seen.operatorSignature,
    );
  }

  receipt(receiptHash: Hex, batchId?: bigint): SeenReceipt | undefined {
    const row =
      batchId === undefined
        ? this.#database.get("SELECT * FROM receipts WHERE receipt_hash = ?", receiptHash)
        : this.#database.get(
            "SELECT * FROM receipts WHERE receipt_hash = ? AND batch_id = ?",
            receiptHash,
            batchId.toString(),
          );
    return row && seenOf(row);
  }

  /** Other receipts of the same executor for the same request. */
  sameRequest({ requestHash, executor }: Receipt, receiptHash: Hex): SeenReceipt[] {
    const sql = "SELECT * FROM receipts WHERE request_hash = ? AND executor = ? AND receipt_hash <> ? ORDER BY rowid";
    return this.#database.all(sql, requestHash.toLowerCase(), executor.toLowerCase(), receiptHash).map(seenOf);
  }

  /** Other receipts of the same executor and enclave key with the same `seq`. */
  sameSeq({ enclaveKey, seq, executor }: Receipt, receiptHash: Hex): SeenReceipt[] {
    const sql =
      "SELECT * FROM receipts WHERE enclave_key = ? AND seq = ? AND executor = ? AND receipt_hash <> ? ORDER BY rowid";
    const place = [enclaveKey.toLowerCase(), seq.toString(), executor.toLowerCase(), receiptHash] as const;
    return this.#database.all(sql, ...place).map(seenOf);
  }

  saveProof(proof: StoredProof): void {
    this.#database.run(
      "INSERT OR REPLACE INTO proofs VALUES (?, ?, ?, ?, ?, ?)",
      proof.receiptHash,
      proof.batchId.toString(),
      proof.to,
      proof.name,
      proof.data,
      proof.announcements,
    );
  }

  proof(receiptHash: Hex, batchId: bigint): StoredProof | undefined {
    const sql = "SELECT * FROM proofs WHERE receipt_hash = ? AND batch_id = ?";
    const row = this.#database.get(sql, receiptHash, batchId.toString());
    return row && proofOf(row);
  }

  /** A leaf's data is to be demanded, unless it was already. */
  wantDemand(batchId: bigint, index: number): void {
    const sql = "INSERT INTO demands VALUES (?, ?, '', 0, 'wanted', NULL) ON CONFLICT (batch_id, position) DO NOTHING";
    this.#database.run(sql, batchId.toString(), index);
  }

  /** The data came without a demand. */
  dropWanted(batchId: bigint, index: number): void {
    const sql = "DELETE FROM demands WHERE batch_id = ? AND position = ? AND status = 'wanted'";
    this.#database.run(sql, batchId.toString(), index);
  }

  /** Tracks a demand that is on the chain; one that is known keeps its state. */
  addDemand(demand: Omit<TrackedDemand, "status" | "answer">): void {
    this.#database.run(
      `INSERT INTO demands VALUES (?, ?, ?, ?, 'open', NULL) ON CONFLICT (batch_id, position) DO UPDATE
         SET court = excluded.court, block = excluded.block, status = 'open' WHERE status = 'wanted'`,
      demand.batchId.toString(),
      demand.index,
      demand.availability,
      Number(demand.block),
    );
  }

  saveDemand(demand: Pick<TrackedDemand, "batchId" | "index" | "status" | "answer">): void {
    const sql = "UPDATE demands SET status = ?, answer = ? WHERE batch_id = ? AND position = ?";
    const { status, answer, batchId, index } = demand;
    this.#database.run(sql, status, answer ?? null, batchId.toString(), index);
  }

  /** The first leaf of a batch that nobody demanded. */
  firstUndemanded(batchId: bigint, count: number): number | undefined {
    const sql = "SELECT position FROM demands WHERE batch_id = ? ORDER BY position";
    const taken = this.#database.all(sql, batchId.toString()).map((row) => Number(row.position));
    let index = 0;
    while (taken[index] === index) index++;
    return index < count ? index : undefined;
  }

  demand(batchId: bigint, index: number): TrackedDemand | undefined {
    const sql = "SELECT * FROM demands WHERE batch_id = ? AND position = ?";
    const row = this.#database.get(sql, batchId.toString(), index);
    return row && demandOf(row);
  }

  demands(status: TrackedDemand["status"]): TrackedDemand[] {
    return this.#database.all("SELECT * FROM demands WHERE status = ? ORDER BY rowid", status).map(demandOf);
  }

  /**
   * Forgets demands made after `block`, and takes the others up again: their ends may be gone. The same goes for receipts that were committed after it
   * and show nothing without their batch. Proofs stay: each of their steps looks at the chain first. Called before the batches are rewound.
   */
  rewind(block: bigint): void {
    this.#database.transaction(() => {
      const gone = "SELECT r.* FROM receipts r JOIN batches b ON b.id = r.batch_id WHERE b.block > ?";
      for (const seen of this.#database.all(gone, Number(block)).map(seenOf)) {
        if (isSigned(seen)) continue;
        const sql = "DELETE FROM receipts WHERE receipt_hash = ? AND batch_id = ?";
        this.#database.run(sql, seen.receiptHash, seen.batchId.toString());
      }
      this.#database.run("DELETE FROM demands WHERE block > ?", Number(block));
      this.#database.run("UPDATE demands SET status = 'open', answer = NULL WHERE status <> 'wanted'");
      this.#database.run(
        `UPDATE verdicts SET dispute = 'wanted', dispute_reason = NULL WHERE dispute = 'done' AND game_id IS NULL
           AND EXISTS (SELECT 1 FROM proofs p WHERE p.receipt_hash = verdicts.receipt_hash AND p.batch_id = verdicts.batch_id)`,
      );
    });
  }
}

function seenOf(row: SqlRow): SeenReceipt {
  return {
    receiptHash: row.receipt_hash as Hex,
    batchId: BigInt(String(row.batch_id)),
    index: Number(row.position),
    siblings: JSON.parse(String(row.siblings)) as Hex[],
    receipt: receiptSchema.parse(JSON.parse(String(row.receipt))),
    enclaveSignature: row.enclave_signature as Hex,
    operatorSignature: row.operator_signature as Hex,
  };
}

function proofOf(row: SqlRow): StoredProof {
  return {
    receiptHash: row.receipt_hash as Hex,
    batchId: BigInt(String(row.batch_id)),
    to: row.court as Address,
    name: String(row.name),
    data: row.data as Hex,
    announcements: Number(row.announcements),
  };
}

function demandOf(row: SqlRow): TrackedDemand {
  return {
    availability: row.court as Address,
    batchId: BigInt(String(row.batch_id)),
    index: Number(row.position),
    block: BigInt(Number(row.block)),
    status: row.status as TrackedDemand["status"],
    answer: row.answer === null ? undefined : (row.answer as Hex),
  };
}
