import type { Hex } from "../commit/bytes.ts";
import type { TraceRecord } from "../commit/record.ts";
import type { Row } from "../machine/types.ts";

/**
 * What runs the machine. All give the same bytes: `reference` is the specification, slow and plain; `wasm` needs only npm; `native` needs a
 * compiler for C++ once (`npm run native`).
 */
export const BACKENDS = ["reference", "wasm", "native"] as const;
export type BackendName = (typeof BACKENDS)[number];

/** What the machine needs to know of a request, besides the model. */
export interface SequenceInput {
  /** Prompt tokens; `nIn` is their number, at least 1. */
  readonly prompt: readonly number[];
  /** EIP-712 digest of the request: seeds sampling. */
  readonly requestHash: Hex;
  /** 16.16 fixed point as the machine sees it: 0 is greedy. */
  readonly temperature: number;
  /** Salts of the records (`saltKey` of the request). */
  readonly saltKey: Uint8Array;
}

/** One generation in progress. Not safe for concurrent calls. */
export interface Sequence {
  /** Runs the prompt (first call) or feeds the last output token; resolves to the next output token. */
  next(): Promise<number>;
  /** Output tokens so far. */
  readonly outputs: readonly number[];
  /** Coarse trace so far: one record per step done. */
  readonly records: readonly TraceRecord[];
  /** Frees caches. */
  close(): void;
}

/** Result of re-execution with given outputs. */
export interface Replay {
  /** Token that the machine makes at each output position, given the given tokens before it. */
  readonly tokens: readonly number[];
  /** Honest records of all `nIn + nOut - 1` steps. */
  readonly records: readonly TraceRecord[];
}

/** All rows of one step, and the cached rows that it can read. */
export interface FineTrace {
  /** The row of every instruction. */
  readonly rows: readonly Row[];
  /** Cached row `slot` of each position up to the step. */
  readonly cache: { row(slot: number, position: number): Row };
}

/** One model on one backend. All backends give the same bytes. */
export interface Engine {
  /** Backend name, e.g. `reference`. */
  readonly backend: string;
  /** Starts a generation. */
  sequence(input: SequenceInput): Sequence;
  /** Teacher-forced re-execution of a whole answer. */
  replay(input: SequenceInput, outputs: readonly number[]): Promise<Replay>;
  /** Fine trace of one step, given the tokens. */
  fine(input: SequenceInput, outputs: readonly number[], step: number): Promise<FineTrace>;
  /** Frees the model. */
  close(): void;
}
