import { setImmediate } from "node:timers/promises";
import type { TraceRecord } from "../commit/record.ts";
import type { Engine, FineTrace, Replay, Sequence, SequenceInput } from "./types.ts";

/** One sequence of a machine that works step by step. */
export interface Run {
  /** Records of the steps done. */
  readonly records: readonly TraceRecord[];
  /** Runs step t and keeps its record; the token it makes, `undefined` at prompt positions before the last. */
  step(t: number, outputs: readonly number[]): number | undefined;
  /** Computes what later steps need of step t, and no more. */
  fill(t: number, outputs: readonly number[]): void;
  /** All rows of step t, whose earlier steps are filled. */
  fine(t: number, outputs: readonly number[]): FineTrace;
}

/** An engine over runs. It gives the event loop a turn per step, so that a server on this thread keeps answering. */
export function runEngine(backend: string, start: (input: SequenceInput) => Run): Engine {
  return {
    backend,
    sequence: (input) => new RunSequence(start(input)),
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
      return run.fine(step, outputs);
    },
    close() {},
  };
}

class RunSequence implements Sequence {
  readonly outputs: number[] = [];

  constructor(private readonly run: Run) {}

  get records(): readonly TraceRecord[] {
    return this.run.records;
  }

  async next(): Promise<number> {
    for (;;) {
      await setImmediate();
      const token = this.run.step(this.run.records.length, this.outputs);
      if (token === undefined) continue;
      this.outputs.push(token);
      return token;
    }
  }

  close(): void {}
}
