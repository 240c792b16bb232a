import type { StepContext } from "../machine/semantics.ts";
import type { Row } from "../machine/types.ts";

/** Cached rows by slot and position. */
export interface CachedRows {
  row(slot: number, position: number): Row;
}

/** The cached rows of one sequence on a machine. */
export interface MachineCache {
  /** Makes room for positions below this number; what is stored stays. */
  reserve(positions: number): void;
  /** Copies the rows of the first positions from another cache of the same machine. */
  copy(from: MachineCache, positions: number): void;
  /** A copy of the rows of the first positions, which stays when the cache is freed. */
  snapshot(positions: number): CachedRows;
  /** Bytes that it holds. */
  readonly bytes: number;
  /** Bytes that it would hold with room for positions below this number. */
  bytesFor(positions: number): number;
  free(): void;
}

/** One step of one sequence. */
export interface MachineStep {
  readonly cache: MachineCache;
  readonly context: StepContext;
  /** Whether its token is wanted: else only what the cached rows depend on is computed. */
  readonly token: boolean;
  /** Whether its cache root is wanted. */
  readonly trace: boolean;
}

/** What came out of a step. */
export interface MachineResult {
  /** Undefined if not wanted. */
  readonly token: number | undefined;
  /** 32 bytes; undefined if not wanted. */
  readonly cacheRoot: Uint8Array | undefined;
}

/**
 * A backend: it holds a model's weights and runs batches of steps. Steps of one sequence in a batch are consecutive positions in ascending
 * order; those before them have been run. Batches do not overlap.
 */
export interface Machine {
  /** Backend name, e.g. `wasm`. */
  readonly backend: string;
  /** Most steps of a batch. */
  readonly maxBatch: number;
  cache(): MachineCache;
  run(steps: readonly MachineStep[]): Promise<readonly MachineResult[]>;
  /** Every row of one step, whose earlier positions are in the cache. Stores its cached rows there. */
  rows(step: Omit<MachineStep, "token" | "trace">): Promise<Row[]>;
  /** Frees the model. */
  close(): void;
}
