import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { rowBytes } from "../machine/types.ts";
import type { WeightStore } from "../machine/weights.ts";

/** Leaves and digests of weight rows, 32 bytes each. */
export type RowHashes = { readonly leaves: Uint8Array; readonly digests: Uint8Array };

/** Leaves and digests of all rows, and the top of the tree over the digests. */
export type CachedCommitment = RowHashes & { readonly top: Uint8Array };

/** How rows are hashed; another value for other leaves or digests, so that nothing older is taken for them. */
const FORMAT = "Poseidon16 tree";

/** What the weights are known by in the cache: SHA-256 of the format, their table and bytes. */
export function weightsKey(weights: WeightStore): string {
  const hash = createHash("sha256");
  hash.update(FORMAT);
  hash.update(JSON.stringify(weights.sections.map(({ type, length, count }) => [type, length, count])));
  for (const { first, count } of weights.sections) hash.update(rowBytes(weights.range(first, count)));
  return hash.digest("hex");
}

const NODE = 32;
/** Bytes that tell a whole record from a torn one. */
const CHECK = 32;
/** First row and number of rows. */
const HEAD = 8;

/**
 * Commitments that were computed before, by the weights' content, and those under way: what is done is on disk at once, so
 * that a process that is killed loses a few seconds of work. Damaged files count as absent.
 */
export class CommitmentCache {
  readonly #whole: string;
  readonly #partial: string;
  #log: number | undefined;

  constructor(cacheDir: string, key: string) {
    const folder = join(cacheDir, "commitments");
    mkdirSync(folder, { recursive: true });
    this.#whole = join(folder, `${key}.bin`);
    this.#partial = join(folder, `${key}.partial`);
  }

  /** The finished commitment to `rows` rows. */
  read(rows: number): CachedCommitment | undefined {
    if (!existsSync(this.#whole)) return undefined;
    const bytes = new Uint8Array(readFileSync(this.#whole));
    if (bytes.length !== (2 * rows + 1) * NODE + CHECK || !isWhole(bytes)) return undefined;
    return {
      leaves: bytes.slice(0, rows * NODE),
      digests: bytes.slice(rows * NODE, 2 * rows * NODE),
      top: bytes.slice(2 * rows * NODE, (2 * rows + 1) * NODE),
    };
  }

  /** Keeps a finished commitment and forgets the one under way. */
  write({ leaves, digests, top }: CachedCommitment): void {
    const fresh = `${this.#whole}.${process.pid}.new`;
    writeFileSync(fresh, withCheck(Buffer.concat([leaves, digests, top])));
    renameSync(fresh, this.#whole);
    this.close();
    rmSync(this.#partial, { force: true });
  }

  /** Calls `found` for every run of rows that an earlier process finished, then takes more with `append`. */
  resume(found: (first: number, hashes: RowHashes) => void): void {
    let at = 0;
    if (existsSync(this.#partial)) {
      const log = new Uint8Array(readFileSync(this.#partial));
      while (at + HEAD <= log.length) {
        const [first, count] = new Uint32Array(log.slice(at, at + HEAD).buffer);
        const end = at + HEAD + 2 * count * NODE + CHECK;
        if (end > log.length || !isWhole(log.subarray(at, end))) break;
        const leaves = log.slice(at + HEAD, at + HEAD + count * NODE);
        found(first, { leaves, digests: log.slice(at + HEAD + count * NODE, end - CHECK) });
        at = end;
      }
      // A torn record at the end: the process died while writing it.
      truncateSync(this.#partial, at);
    }
    this.#log = openSync(this.#partial, "a");
  }

  append(first: number, { leaves, digests }: RowHashes): void {
    const head = new Uint8Array(Uint32Array.of(first, leaves.length / NODE).buffer);
    if (this.#log !== undefined) writeSync(this.#log, withCheck(Buffer.concat([head, leaves, digests])));
  }

  close(): void {
    if (this.#log !== undefined) closeSync(this.#log);
    this.#log = undefined;
  }
}

function checkOf(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

function withCheck(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, checkOf(bytes)]);
}

function isWhole(bytes: Uint8Array): boolean {
  const body = bytes.subarray(0, bytes.length - CHECK);
  return Buffer.compare(checkOf(body), bytes.subarray(body.length)) === 0;
}
