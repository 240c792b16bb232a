import { addressWord, fromHex, type Hex, hashWords, toHex } from "./bytes.ts";
import { TAGS } from "./tags.ts";
import { Tree } from "./tree.ts";

/** The token a record holds at prompt positions before the last. */
export const SENTINEL_TOKEN = 0xffffffff;

/** What is committed about one step while serving. */
export interface TraceRecord {
  /** Hides the record's content from the chain (32 bytes). */
  readonly salt: Uint8Array;
  /** Token that the step emitted, or `SENTINEL_TOKEN`. */
  readonly token: number;
  /** Root over the row leaves of the step's cached (K and V) rows; zero if the program has none. */
  readonly cacheRoot: Uint8Array;
}

/** What the salts of a request are derived from. `secret` is its seed or, of a confidential one, what its seed commits to. */
export interface Salting {
  readonly requester: string;
  readonly secret: Hex;
  readonly nonce: bigint;
}

/** Salts are derived from the request, so that whoever holds it can rebuild every commitment, and the chain cannot. */
export function saltKey({ requester, secret, nonce }: Salting): Uint8Array {
  return hashWords(TAGS.saltKey, addressWord(requester), fromHex(secret), nonce);
}

/** The seed of a request with this secret: a confidential one shows only a hash, so that a dispute may show the request. */
export function seedOf(confidential: boolean, secret: Hex): Hex {
  return confidential ? toHex(hashWords(TAGS.secret, fromHex(secret))) : secret;
}

/**
 * The secret of a request, from what came along with it: `undefined` if that is not what its seed commits to. Public requests have no
 * secret of their own.
 */
export function secretOf(request: { confidential: boolean; seed: Hex }, secret: Hex | undefined): Hex | undefined {
  if (!request.confidential) return secret === undefined ? request.seed : undefined;
  return secret !== undefined && seedOf(true, secret) === request.seed ? secret : undefined;
}

/** Which list a salt belongs to. */
export const SALT_KIND = { input: 0, output: 1, record: 2 } as const;

/** Salt of item `index` of a list. */
export function saltOf(key: Uint8Array, kind: keyof typeof SALT_KIND, index: number): Uint8Array {
  return hashWords(TAGS.salt, key, SALT_KIND[kind], index);
}

/** Leaf of one token in the input or output tree. */
export function tokenLeaf(salt: Uint8Array, token: number): Uint8Array {
  return hashWords(TAGS.token, salt, token);
}

/** Tree over prompt or answer tokens. */
export function tokenTree(key: Uint8Array, kind: "input" | "output", tokens: ArrayLike<number>): Tree {
  return Tree.of(Array.from(tokens, (token, i) => tokenLeaf(saltOf(key, kind, i), token)));
}

/** Leaf of a record in the trace tree. */
export function recordLeaf(record: TraceRecord): Uint8Array {
  return hashWords(TAGS.record, record.salt, record.token, record.cacheRoot);
}

/** Tree over the records of all steps. */
export function traceTree(records: readonly TraceRecord[]): Tree {
  return Tree.of(records.map(recordLeaf));
}

/** `cacheRoot` of one step from the row leaves of its cached rows, by cache slot. */
export function cacheRootOf(rowLeaves: readonly Uint8Array[]): Uint8Array {
  return rowLeaves.length === 0 ? new Uint8Array(32) : Tree.of(rowLeaves).root(TAGS.cache);
}

/** `fineRoot` of one step. */
export function fineRootOf(record: TraceRecord, fine: Tree): Uint8Array {
  return hashWords(TAGS.fine, recordLeaf(record), fine.count, fine.top);
}
