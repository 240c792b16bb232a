import { cacheRootOf, SENTINEL_TOKEN, saltOf, type TraceRecord } from "../commit/record.ts";
import { rowLeaf } from "../commit/row.ts";
import { KvCache } from "../machine/kv-cache.ts";
import type { Program } from "../machine/program.ts";
import { cachePlan, fillCache, runStep, stepContext, stepToken } from "../machine/step.ts";
import { ELEMENT_CODE, type Row, rowBytes } from "../machine/types.ts";
import type { Weights } from "../machine/weights.ts";
import { type Run, runEngine } from "./run-engine.ts";
import type { Engine, FineTrace, SequenceInput } from "./types.ts";

/** The specification as a backend: the reference machine, one step after the other, on this thread. */
export function referenceEngine(program: Program, weights: Weights): Engine {
  const plan = cachePlan(program);
  return runEngine("reference", (input) => new ReferenceRun(program, weights, plan, input));
}

/**
 * The record that the reference machine makes of one step, from cached rows of all steps before it that somebody else has made.
 *
 * @param cache Holds these rows; those of the step are stored there.
 */
export function referenceRecord(
  program: Program,
  weights: Weights,
  { input, outputs, step, cache }: { input: SequenceInput; outputs: readonly number[]; step: number; cache: KvCache },
): TraceRecord {
  const run = new ReferenceRun(program, weights, cachePlan(program), input, cache);
  run.step(step, outputs);
  return run.records[0]!;
}

/** The machine's state along one sequence. */
class ReferenceRun implements Run {
  readonly records: TraceRecord[] = [];

  constructor(
    private readonly program: Program,
    private readonly weights: Weights,
    private readonly plan: Uint8Array,
    private readonly input: SequenceInput,
    private readonly cache = new KvCache(program),
  ) {}

  step(t: number, outputs: readonly number[]): number | undefined {
    const emits = t >= this.input.prompt.length - 1;
    const token = emits ? stepToken(this.rows(t, outputs)) : undefined;
    if (!emits) this.fill(t, outputs);
    // The record holds the token that the machine makes; a replay goes on with the given one.
    this.records.push({
      salt: saltOf(this.input.saltKey, "record", t),
      token: token ?? SENTINEL_TOKEN,
      cacheRoot: cacheRootAt(this.cache, t),
    });
    return token;
  }

  fill(t: number, outputs: readonly number[]): void {
    fillCache(this.program, this.weights, this.context(t, outputs), this.cache, this.plan);
  }

  fine(t: number, outputs: readonly number[]): FineTrace {
    return { rows: this.rows(t, outputs), cache: this.cache };
  }

  private rows(t: number, outputs: readonly number[]): Row[] {
    return runStep(this.program, this.weights, this.context(t, outputs), this.cache);
  }

  private context(t: number, outputs: readonly number[]) {
    const { prompt, requestHash, temperature } = this.input;
    const token = t < prompt.length ? prompt[t] : outputs[t - prompt.length];
    return stepContext({ t, nIn: prompt.length, token, requestHash, temperature });
  }
}

/** Root over the rows that a cache holds of one position. */
export function cacheRootAt(cache: KvCache, position: number): Uint8Array {
  return cacheRootOfRows(Array.from({ length: cache.slots }, (_, slot) => cache.row(slot, position)));
}

/** Root over the cached rows of one step, by cache slot. */
export function cacheRootOfRows(rows: readonly Row[]): Uint8Array {
  return cacheRootOf(rows.map((row) => rowLeaf(ELEMENT_CODE[row.type], row.data.length, rowBytes(row))));
}
