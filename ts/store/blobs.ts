import type { TraceRecord } from "../commit/record.ts";

/** Tokens as 4-byte little-endian integers. */
export function packTokens(tokens: readonly number[]): Uint8Array {
  const out = new Uint8Array(4 * tokens.length);
  const view = new DataView(out.buffer);
  tokens.forEach((token, i) => {
    view.setUint32(4 * i, token, true);
  });
  return out;
}

/** Inverse of `packTokens`. */
export function unpackTokens(blob: Uint8Array): number[] {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  return Array.from({ length: blob.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

const RECORD = 68;

/** Records as salt (32), token (4, little-endian), cacheRoot (32). */
export function packRecords(records: readonly TraceRecord[]): Uint8Array {
  const out = new Uint8Array(RECORD * records.length);
  const view = new DataView(out.buffer);
  records.forEach((record, i) => {
    out.set(record.salt, RECORD * i);
    view.setUint32(RECORD * i + 32, record.token, true);
    out.set(record.cacheRoot, RECORD * i + 36);
  });
  return out;
}

/** Inverse of `packRecords`. */
export function unpackRecords(blob: Uint8Array): TraceRecord[] {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  return Array.from({ length: blob.length / RECORD }, (_, i) => ({
    salt: blob.slice(RECORD * i, RECORD * i + 32),
    token: view.getUint32(RECORD * i + 32, true),
    cacheRoot: blob.slice(RECORD * i + 36, RECORD * i + RECORD),
  }));
}
