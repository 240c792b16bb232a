import { DUE_ENDS_SQL, DUES_SQL } from "../chain/due-store.ts";
import { CHAIN_SQL, NONCES_SQL } from "../chain/sqlite.ts";
import { OPEN_DRAWS_SQL } from "../spotcheck/open-draws.ts";
import type { Schema } from "./database.ts";

/** Demands against this executor, and receipts that were committed alone. */
const DEMANDS_SQL = `
CREATE TABLE demands (
  batch_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  court TEXT NOT NULL,
  block INTEGER NOT NULL,
  deadline INTEGER NOT NULL,
  status TEXT NOT NULL,
  PRIMARY KEY (batch_id, position)
) STRICT;
CREATE TABLE singles (
  batch_id TEXT PRIMARY KEY,
  receipt_hash TEXT NOT NULL,
  block INTEGER NOT NULL
) STRICT;
`;

/** Batches whose draws are owed, and proofs of claims under way. */
const DRAWS_SQL = `
CREATE TABLE draws (
  batch_id TEXT PRIMARY KEY,
  court TEXT NOT NULL,
  root TEXT NOT NULL,
  count INTEGER NOT NULL,
  block INTEGER NOT NULL,
  settled INTEGER
) STRICT;
CREATE INDEX draws_open ON draws (batch_id) WHERE settled IS NULL;
CREATE INDEX draws_by_root ON draws (root);
CREATE INDEX draws_by_settled ON draws (settled) WHERE settled IS NOT NULL;
CREATE TABLE draw_proofs (
  key TEXT PRIMARY KEY,
  claim TEXT NOT NULL,
  proof BLOB NOT NULL
) STRICT;
CREATE INDEX draw_proofs_by_claim ON draw_proofs (claim);
`;

/** Draws as they are watched now: when a batch is looked at next stands beside it. */
const DRAW_LOOKS_SQL = `
DROP INDEX draws_open;
DROP INDEX draws_by_root;
DROP INDEX draws_by_settled;
ALTER TABLE draws RENAME TO old_draws;
${OPEN_DRAWS_SQL}
INSERT INTO draws (batch_id, court, root, count, block, settled) SELECT batch_id, court, root, count, block, settled FROM old_draws;
DROP TABLE old_draws;`;

/** Tables of an executor. 64-bit integers fit sqlite's, which are signed: times and seq stay far below 2^63. */
export const EXECUTOR_SCHEMA: Schema = {
  applicationId: 0x4f545245, // "OTRE"
  migrations: [
    `
CREATE TABLE chats (
  chat_id TEXT PRIMARY KEY,
  request_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (
  key TEXT PRIMARY KEY,
  body_hash TEXT NOT NULL,
  chat_id TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE batches (
  root TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  expiry INTEGER NOT NULL,
  state TEXT NOT NULL,
  transaction_hash TEXT,
  error TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX batches_by_state ON batches (state);
CREATE TABLE answers (
  request_hash TEXT NOT NULL UNIQUE,
  receipt_hash TEXT NOT NULL UNIQUE,
  request TEXT NOT NULL,
  request_signature TEXT,
  receipt TEXT NOT NULL,
  enclave_key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  enclave_signature TEXT,
  operator_signature TEXT,
  input_tokens BLOB NOT NULL,
  output_tokens BLOB NOT NULL,
  records BLOB NOT NULL,
  state TEXT NOT NULL,
  confidential INTEGER NOT NULL,
  batch_root TEXT REFERENCES batches (root),
  leaf_index INTEGER,
  expiry INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (enclave_key, seq)
) STRICT;
CREATE INDEX answers_by_state ON answers (state);
CREATE UNIQUE INDEX answers_by_leaf ON answers (batch_root, leaf_index) WHERE batch_root IS NOT NULL;
${CHAIN_SQL}`,
    // Of confidential requests: what their seed commits to.
    "ALTER TABLE answers ADD COLUMN secret TEXT;",
    // Requests whose answers were forgotten, until their deadline. The deadline is in seconds since 1970.
    `
CREATE TABLE answered (
  request_hash TEXT PRIMARY KEY,
  deadline INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`,
    `
CREATE TABLE asked (
  request_hash TEXT PRIMARY KEY,
  request TEXT NOT NULL,
  input_tokens BLOB NOT NULL,
  finality TEXT NOT NULL,
  state TEXT NOT NULL,
  note TEXT,
  block INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX asked_by_state ON asked (state);`,
    DEMANDS_SQL + DUES_SQL,
    // What is done all the time must not read what was kept for months: `created_at` comes after large values, on pages of their own.
    `
CREATE INDEX answers_by_age ON answers (created_at);
CREATE INDEX batches_by_age ON batches (created_at);
CREATE INDEX chats_by_age ON chats (created_at);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX answered_by_deadline ON answered (deadline);
${NONCES_SQL}${DUE_ENDS_SQL}`,
    DRAWS_SQL,
    // What was exchanged in chats, signed for clients that verify bytes.
    `
CREATE TABLE exchanges (
  chat_id TEXT PRIMARY KEY,
  text TEXT NOT NULL,
  signature TEXT NOT NULL,
  signing_address TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX exchanges_by_age ON exchanges (created_at);`,
    DRAW_LOOKS_SQL,
  ],
};
