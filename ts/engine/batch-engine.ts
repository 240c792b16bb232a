import { SENTINEL_TOKEN, saltOf, type TraceRecord } from "../commit/record.ts";
import type { Program } from "../machine/program.ts";
import { cachePlan, stepContext } from "../machine/step.ts";
import { INSTRUCTIONS } from "../machine/table.ts";
import { CachePool, type Holding } from "./cache-pool.ts";
import type { Machine, MachineResult } from "./machine.ts";
import type { Engine, FineTrace, Replay, Sequence, SequenceInput } from "./types.ts";

/** What is known of one sequence. */
interface Track extends Holding {
  readonly input: SequenceInput;
  /** Output tokens that steps read. */
  readonly outputs: readonly number[];
  /** Tokens that the machine made, and records, of the steps done. */
  readonly tokens: number[];
  readonly records: TraceRecord[];
}

/** Steps of one sequence that somebody waits for. */
interface Work {
  readonly track: Track;
  /** First position whose token and record are kept: earlier ones only fill the cache. */
  readonly from: number;
  /** The position after the last. */
  readonly end: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchEngineOptions {
  /** Bytes of cached rows, before those of sequences that wait or are over are given up. */
  readonly cacheBytes?: number;
}

const CACHE_BYTES = 2 ** 30;

/**
 * An engine over a machine that runs batches. Whatever steps are wanted at the same time, of whatever sequences, go into one batch: weights
 * are read once for all of them. Prompts that begin like an earlier conversation start from its cached rows. None of that changes what
 * comes out.
 */
export function batchEngine(
  machine: Machine,
  program: Program,
  { cacheBytes = CACHE_BYTES }: BatchEngineOptions = {},
): Engine {
  const pool = new CachePool(cacheBytes);
  const scheduler = new Scheduler(machine, pool);
  const track = <T extends readonly number[]>(input: SequenceInput, outputs: T): Track & { readonly outputs: T } => {
    const made = { input, cache: machine.cache(), filled: 0, outputs, tokens: [], records: [] };
    pool.add(made);
    return made;
  };
  const sharing = rowsAreShared(program);
  return {
    backend: machine.backend,
    sequence: (input) => new BatchSequence(scheduler, pool, track(input, []), sharing),
    // A replay takes nothing from earlier computations: it is what they are checked by.
    async replay(input, outputs): Promise<Replay> {
      const own = track(input, outputs);
      try {
        await scheduler.run(own, 0, input.prompt.length + outputs.length - 1);
        return { tokens: own.tokens, records: own.records };
      } finally {
        pool.drop(own);
      }
    },
    async fine(input, outputs, step): Promise<FineTrace> {
      const own = track(input, outputs);
      try {
        await scheduler.run(own, step, step);
        return await scheduler.alone(own, step, async () => {
          const rows = await machine.rows({ cache: own.cache, context: contextOf(own, step) });
          return { rows, cache: own.cache.snapshot(step + 1) };
        });
      } finally {
        pool.drop(own);
      }
    },
    close() {
      pool.close();
      machine.close();
    },
  };
}

/** Whether cached rows depend on nothing but tokens: a program may let them depend on the request's temperature or randomness. */
function rowsAreShared(program: Program): boolean {
  const needed = cachePlan(program);
  const own: readonly number[] = [INSTRUCTIONS.weigh.opcode, INSTRUCTIONS.draw.opcode];
  return !program.instructions.some(({ opcode }, i) => needed[i] === 1 && own.includes(opcode));
}

class BatchSequence implements Sequence {
  readonly #scheduler: Scheduler;
  readonly #pool: CachePool;
  readonly #track: Track & { readonly outputs: number[] };
  readonly #shares: boolean;

  constructor(scheduler: Scheduler, pool: CachePool, track: Track & { readonly outputs: number[] }, shares: boolean) {
    this.#scheduler = scheduler;
    this.#pool = pool;
    this.#track = track;
    this.#shares = shares;
  }

  get outputs(): readonly number[] {
    return this.#track.outputs;
  }

  get records(): readonly TraceRecord[] {
    return this.#track.records;
  }

  async next(): Promise<number> {
    const { input, records, tokens, outputs } = this.#track;
    const { prompt } = input;
    if (records.length === 0 && this.#shares) {
      // The prompt's last position makes a token: it is never taken over.
      const roots = this.#pool.begin(this.#track, prompt, prompt.length - 1);
      roots.forEach((cacheRoot, t) => {
        records.push(recordOf(input, t, { token: undefined, cacheRoot }));
      });
    }
    await this.#scheduler.run(this.#track, records.length, prompt.length + outputs.length);
    const token = tokens.at(-1)!;
    outputs.push(token);
    return token;
  }

  close(): void {
    const { input, outputs, records } = this.#track;
    const roots = records.map(({ cacheRoot }) => cacheRoot);
    if (this.#shares) this.#pool.keep(this.#track, [...input.prompt, ...outputs], roots);
    else this.#pool.drop(this.#track);
  }
}

/** Puts steps into batches, one batch at a time, from everything that is wanted. */
class Scheduler {
  readonly #machine: Machine;
  readonly #pool: CachePool;
  #waiting: Work[] = [];
  #tasks: (() => Promise<void>)[] = [];
  #busy = false;

  constructor(machine: Machine, pool: CachePool) {
    this.#machine = machine;
    this.#pool = pool;
  }

  /** Runs a sequence up to `end`, and keeps tokens and records of the steps `from .. end - 1`, which nobody has kept yet. */
  run(track: Track, from: number, end: number): Promise<void> {
    if (track.filled >= end) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ track, from, end, resolve, reject });
      void this.#drain();
    });
  }

  /** Runs something between two batches that needs the cached rows of a sequence's first positions. */
  async alone<T>(track: Track, positions: number, task: () => Promise<T>): Promise<T> {
    for (;;) {
      let missing = false;
      const result = await new Promise<T | undefined>((resolve, reject) => {
        this.#tasks.push(async () => {
          missing = track.filled < positions;
          const done = missing ? Promise.resolve(undefined) : this.#pool.use(new Set([track]), task);
          await done.then(resolve, reject);
        });
        void this.#drain();
      });
      if (!missing) return result as T;
      // Evicted while it waited for its turn.
      await this.run(track, positions, positions);
    }
  }

  async #drain(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#tasks.length > 0 || this.#waiting.length > 0) {
      // Whoever asks in the same turn of the event loop is in the next batch, so are those who go on after the last one.
      await new Promise(setImmediate);
      for (const task of this.#tasks.splice(0)) await task();
      if (this.#waiting.length > 0) await this.#batch();
    }
    this.#busy = false;
  }

  async #batch(): Promise<void> {
    const { maxBatch } = this.#machine;
    // First come, first served: what has begun keeps its cache until it is done, however short memory is.
    const next = this.#waiting.slice(0, maxBatch);
    const works = next.slice(0, this.#pool.together(next));
    // A step of each first, so that a long prompt holds up nobody; what room is left goes to those that have more.
    const tracks = new Set(works.map(({ track }) => track));
    let left = maxBatch - works.length;
    const picked: { work: Work; t: number }[] = [];
    for (const work of works) {
      const { filled } = work.track;
      const more = Math.min(left, work.end - filled - 1);
      for (let i = 0; i <= more; i++) picked.push({ work, t: filled + i });
      left -= more;
    }
    const steps = () =>
      picked.map(({ work: { track, from }, t }) => ({
        cache: track.cache,
        context: contextOf(track, t),
        token: t >= from && t >= track.input.prompt.length - 1,
        trace: t >= from,
      }));
    try {
      await this.#pool.use(tracks, async () => {
        const results = await this.#machine.run(steps());
        picked.forEach(({ work: { track, from }, t }, i) => {
          track.filled = t + 1;
          const result = results[i]!;
          if (t < from) return;
          if (result.token !== undefined) track.tokens.push(result.token);
          track.records.push(recordOf(track.input, t, result));
        });
      });
      this.#waiting = this.#waiting.filter(({ track, end }) => track.filled < end);
      for (const { track, end, resolve } of works) if (track.filled >= end) resolve();
    } catch (error) {
      this.#waiting = this.#waiting.filter((work) => !works.includes(work));
      for (const { reject } of works) reject(error);
    }
  }
}

function contextOf({ input, outputs }: Track, t: number) {
  const { prompt, requestHash, temperature } = input;
  const token = t < prompt.length ? prompt[t]! : outputs[t - prompt.length]!;
  return stepContext({ t, nIn: prompt.length, token, requestHash, temperature });
}

/** The record holds the token that the machine makes; a replay goes on with the given one. */
function recordOf({ saltKey }: SequenceInput, t: number, { token, cacheRoot }: MachineResult): TraceRecord {
  return { salt: saltOf(saltKey, "record", t), token: token ?? SENTINEL_TOKEN, cacheRoot: cacheRoot! };
}
