import type { Finality } from "../chain/request-state.ts";
import type { Hex } from "../commit/bytes.ts";
import type { Request } from "../commit/typed-data.ts";
import { jsonOf, requestSchema } from "../sdk/wire.ts";
import { packTokens, unpackTokens } from "../store/blobs.ts";
import type { Database, SqlRow } from "../store/database.ts";

/** Life of a request from the chain: `open` (to be answered, delivered, settled), `settled`, or `left` (not served, or in vain; see `note`). */
export type AskedState = "open" | "settled" | "left";

/** A request that the chain holds. */
export interface AskedRequest {
  readonly requestHash: Hex;
  readonly request: Request;
  readonly input: readonly number[];
  readonly finality: Finality;
  /** Block of its event. */
  readonly block: bigint;
}

/** Requests from the chain in an executor's database. What became of them follows from the chain and from the answers beside them. */
export class AskedStore {
  readonly #database: Database;
  readonly #clock: () => number;

  /** @param clock Milliseconds since 1970. */
  constructor(database: Database, clock: () => number) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Takes in a request; one that is known already stays as it is. */
  add({ requestHash, request, input, finality, block }: AskedRequest): void {
    this.#database.run(
      `INSERT INTO asked (request_hash, request, input_tokens, finality, state, block, created_at)
       VALUES (?, ?, ?, ?, 'open', ?, ?) ON CONFLICT (request_hash) DO UPDATE SET block = excluded.block`,
      requestHash,
      JSON.stringify(jsonOf(request)),
      packTokens(input),
      finality,
      block,
      this.#clock(),
    );
  }

  /** Requests to work on, oldest first. */
  open(): AskedRequest[] {
    return this.#database.all("SELECT * FROM asked WHERE state = 'open' ORDER BY rowid").map(askedOf);
  }

  /** State and note of a request. */
  stateOf(requestHash: Hex): { state: AskedState; note: string | undefined } | undefined {
    const row = this.#database.get("SELECT state, note FROM asked WHERE request_hash = ?", requestHash);
    return row && { state: row.state as AskedState, note: row.note === null ? undefined : String(row.note) };
  }

  /** How many there are in each state. */
  counts(): Record<AskedState, number> {
    const rows = this.#database.all("SELECT state, count(*) AS n FROM asked GROUP BY state");
    const counts = Object.fromEntries(rows.map(({ state, n }) => [String(state), Number(n)]));
    return { open: 0, settled: 0, left: 0, ...counts };
  }

  /** A request is over. */
  close(requestHash: Hex, state: "settled" | "left", note: string): void {
    this.#database.run("UPDATE asked SET state = ?, note = ? WHERE request_hash = ?", state, note, requestHash);
  }

  /** Blocks above `block` are gone: requests in them may come again, and those that ended there are open again. */
  rewind(block: bigint): void {
    this.#database.run("DELETE FROM asked WHERE block > ?", block);
  }

  /** Forgets what is over and older than `before` (milliseconds). */
  prune(before: number): void {
    this.#database.run("DELETE FROM asked WHERE state != 'open' AND created_at < ?", before);
  }
}

function askedOf(row: SqlRow): AskedRequest {
  return {
    requestHash: row.request_hash as Hex,
    request: requestSchema.parse(JSON.parse(String(row.request))),
    input: unpackTokens(row.input_tokens as Uint8Array),
    finality: row.finality as Finality,
    block: BigInt(Number(row.block)),
  };
}
