import { concat } from "./bytes.ts";
import type { TraceRecord } from "./record.ts";

/** Bytes of a record in `recordWire`. */
export const RECORD_BYTES = 36;

/** Records as one-shot proofs show them: token (4 bytes, big-endian) and cache root, 36 bytes each. Their salts follow from the request. */
export function recordWire(records: readonly TraceRecord[]): Uint8Array {
  return concat(
    records.flatMap(({ token, cacheRoot }) => {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, token);
      return [bytes, cacheRoot];
    }),
  );
}
