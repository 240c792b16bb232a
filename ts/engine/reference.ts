import { setImmediate } from "node:timers/promises";
import { cacheRootOf, SENTINEL_TOKEN, saltOf, type TraceRecord } from "../commit/record.ts";
import { rowLeaf } from "../commit/row.ts";
import { KvCache } from "../machine/kv-cache.ts";
import type { Program } from "../machine/program.ts";
import { cachePlan, fillCache, runStep, stepContext, stepToken } from "../machine/step.ts";
import { ELEMENT_CODE, type Row, rowBytes } from "../machine/types.ts";
import type { Weights } from "../machine/weights.ts";
import type { Engine, FineTrace, Replay, Sequence, SequenceInput } from "./types.ts";

/** The specification as a backend: the reference machine, one step after the other, on this thread. */
export function referenceEngine(program: Program, weights: Weights): Engine {
  const plan = cachePlan(program);
  const start = (input: SequenceInput) => new Run(program, weights, plan, input);
  return {
    backend: "reference",
    sequence: (input) => new ReferenceSequence(start(input)),
    async replay(input, outputs): Promise<Replay> {
      const run = start(input);
      const tokens: number[] = [];
      for (let t = 0; t < input.prompt.length + outputs.length - 1; t++) {
        await setImmediate();
        const token = run.step(t, outputs);
        if (token !== undefined) tokens.push(token);
      }
      return { tokens, records: run.records };
    },
    async fine(input, outputs, step): Promise<FineTrace> {
      const run = start(input);
      for (let t = 0; t < step; t++) {
        await setImmediate();
        run.fill(t, outputs);
      }
      return { rows: run.rows(step, outputs), cache: run.cache };
    },
    close() {},
  };
}

/** The machine's state along one sequence. */
class Run {
  readonly records: TraceRecord[] = [];
  readonly cache: KvCache;

  constructor(
    private readonly program: Program,
    private readonly weights: Weights,
    private readonly plan: Uint8Array,
    private readonly input: SequenceInput,
  ) {
    this.cache = new KvCache(program);
  }

  /** Runs step t and keeps its record; the token it makes, `undefined` at prompt positions before the last. */
  step(t: number, outputs: readonly number[]): number | undefined {
    const emits = t >= this.input.prompt.length - 1;
    const token = emits ? stepToken(this.rows(t, outputs)) : undefined;
    if (!emits) this.fill(t, outputs);
    // The record holds the token that the machine makes; a replay goes on with the given one.
    this.records.push({
      salt: saltOf(this.input.saltKey, "record", t),
      token: token ?? SENTINEL_TOKEN,
      cacheRoot: cacheRootOf(this.cachedLeaves(t)),
    });
    return token;
  }

  fill(t: number, outputs: readonly number[]): void {
    fillCache(this.program, this.weights, this.context(t, outputs), this.cache, this.plan);
  }

  rows(t: number, outputs: readonly number[]): Row[] {
    return runStep(this.program, this.weights, this.context(t, outputs), this.cache);
  }

  private context(t: number, outputs: readonly number[]) {
    const { prompt, requestHash, temperature } = this.input;
    const token = t < prompt.length ? prompt[t] : outputs[t - prompt.length];
    return stepContext({ t, nIn: prompt.length, token, requestHash, temperature });
  }

  private cachedLeaves(t: number): Uint8Array[] {
    return Array.from({ length: this.cache.slots }, (_, slot) => {
      const row = this.cache.row(slot, t);
      return rowLeaf(ELEMENT_CODE[row.type], row.data.length, rowBytes(row));
    });
  }
}

class ReferenceSequence implements Sequence {
  readonly outputs: number[] = [];

  constructor(private readonly run: Run) {}

  get records(): readonly TraceRecord[] {
    return this.run.records;
  }

  async next(): Promise<number> {
    for (;;) {
      // One turn of the event loop per step keeps the server answering while this thread computes.
      await setImmediate();
      const token = this.run.step(this.run.records.length, this.outputs);
      if (token === undefined) continue;
      this.outputs.push(token);
      return token;
    }
  }

  close(): void {}
}
