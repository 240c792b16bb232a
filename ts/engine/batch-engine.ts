import { SENTINEL_TOKEN, saltOf, type TraceRecord } from "../commit/record.ts";
import { stepContext } from "../machine/step.ts";
import type { Machine, MachineCache, MachineResult } from "./machine.ts";
import type { Engine, FineTrace, Replay, Sequence, SequenceInput } from "./types.ts";

/** Steps of one sequence that somebody waits for. */
interface Work {
  readonly track: Track;
  /** The next position, and the one after the last. */
  next: number;
  readonly end: number;
  /** Whether records and tokens are kept: else only the cache is filled. */
  readonly keep: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What is known of one sequence. */
interface Track {
  readonly input: SequenceInput;
  readonly cache: MachineCache;
  /** Output tokens that steps read. */
  readonly outputs: readonly number[];
  /** Tokens that the machine made, and records, of the steps done. */
  readonly tokens: number[];
  readonly records: TraceRecord[];
}

/**
 * An engine over a machine that runs batches. Whatever steps are wanted at the same time, of whatever sequences, go into one batch:
 * weights are read once for all of them. The schedule changes nothing of what comes out.
 */
export function batchEngine(machine: Machine): Engine {
  const scheduler = new Scheduler(machine);
  const track = (input: SequenceInput, outputs: readonly number[]): Track => ({
    input,
    cache: machine.cache(),
    outputs,
    tokens: [],
    records: [],
  });
  return {
    backend: machine.backend,
    sequence: (input) => new BatchSequence(scheduler, track(input, []) as Track & { outputs: number[] }),
    async replay(input, outputs): Promise<Replay> {
      const own = track(input, outputs);
      try {
        await scheduler.run(own, 0, input.prompt.length + outputs.length - 1, true);
        return { tokens: own.tokens, records: own.records };
      } finally {
        own.cache.free();
      }
    },
    async fine(input, outputs, step): Promise<FineTrace> {
      const own = track(input, outputs);
      try {
        await scheduler.run(own, 0, step, false);
        const rows = await scheduler.alone(() => machine.rows({ cache: own.cache, context: contextOf(own, step) }));
        return { rows, cache: own.cache.snapshot(step + 1) };
      } finally {
        own.cache.free();
      }
    },
    close: () => machine.close(),
  };
}

class BatchSequence implements Sequence {
  readonly #scheduler: Scheduler;
  readonly #track: Track & { readonly outputs: number[] };

  constructor(scheduler: Scheduler, track: Track & { outputs: number[] }) {
    this.#scheduler = scheduler;
    this.#track = track;
  }

  get outputs(): readonly number[] {
    return this.#track.outputs;
  }

  get records(): readonly TraceRecord[] {
    return this.#track.records;
  }

  async next(): Promise<number> {
    const { input, records, tokens, outputs } = this.#track;
    await this.#scheduler.run(this.#track, records.length, input.prompt.length + outputs.length, true);
    const token = tokens.at(-1)!;
    outputs.push(token);
    return token;
  }

  close(): void {
    this.#track.cache.free();
  }
}

/** Puts steps into batches, one batch at a time, in turn from everything that is wanted. */
class Scheduler {
  readonly #machine: Machine;
  #waiting: Work[] = [];
  #tasks: (() => Promise<void>)[] = [];
  #busy = false;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Runs the steps `from .. end - 1` of a sequence, whose earlier ones are done. */
  run(track: Track, from: number, end: number, keep: boolean): Promise<void> {
    if (from >= end) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ track, next: from, end, keep, resolve, reject });
      void this.#drain();
    });
  }

  /** Runs something between two batches. */
  alone<T>(task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#tasks.push(() => task().then(resolve, reject));
      void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    // Whoever asks in the same turn of the event loop is in the first batch.
    await new Promise(setImmediate);
    while (this.#tasks.length > 0 || this.#waiting.length > 0) {
      for (const task of this.#tasks.splice(0)) await task();
      if (this.#waiting.length > 0) await this.#batch();
    }
    this.#busy = false;
  }

  async #batch(): Promise<void> {
    const { maxBatch } = this.#machine;
    const picked: { work: Work; t: number }[] = [];
    // A step of each first, so that a long prompt holds up nobody; what room is left goes to those that have more.
    const works = this.#waiting.slice(0, maxBatch);
    const room = new Map(works.map((work) => [work, 1]));
    let left = maxBatch - works.length;
    for (const work of works) {
      const more = Math.min(left, work.end - work.next - 1);
      room.set(work, 1 + more);
      left -= more;
    }
    for (const [work, count] of room) for (let i = 0; i < count; i++) picked.push({ work, t: work.next + i });
    try {
      const results = await this.#machine.run(
        picked.map(({ work, t }) => ({
          cache: work.track.cache,
          context: contextOf(work.track, t),
          token: work.keep && t >= work.track.input.prompt.length - 1,
          trace: work.keep,
        })),
      );
      picked.forEach(({ work, t }, i) => {
        work.next = t + 1;
        if (work.keep) keep(work.track, t, results[i]!);
      });
      // Those that had a turn go to the end of the line.
      const rest = this.#waiting.filter((work) => !room.has(work));
      this.#waiting = [...rest, ...works.filter((work) => work.next < work.end)];
      for (const work of works) if (work.next >= work.end) work.resolve();
    } catch (error) {
      this.#waiting = this.#waiting.filter((work) => !room.has(work));
      for (const work of works) work.reject(error);
    }
  }
}

function contextOf({ input, outputs }: Track, t: number) {
  const { prompt, requestHash, temperature } = input;
  const token = t < prompt.length ? prompt[t]! : outputs[t - prompt.length]!;
  return stepContext({ t, nIn: prompt.length, token, requestHash, temperature });
}

/** The record holds the token that the machine makes; a replay goes on with the given one. */
function keep({ input, tokens, records }: Track, t: number, { token, cacheRoot }: MachineResult): void {
  if (token !== undefined) tokens.push(token);
  records.push({ salt: saltOf(input.saltKey, "record", t), token: token ?? SENTINEL_TOKEN, cacheRoot: cacheRoot! });
}
