import { Worker } from "node:worker_threads";
import type { ElementType } from "../../machine/types.ts";
import { MachineThreadError } from "../errors.ts";
import type { Executor } from "../plan/plan-machine.ts";
import type { SharedMemory } from "./memory.ts";

/** Words that host and threads share: jobs started, threads done with the last one, jobs finished, whether to stop, and the job. */
export const CONTROL = { started: 0, done: 1, finished: 2, stop: 3, job: 4, words: 5 } as const;

/** What a thread is started with. */
export interface WorkerInput {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: number;
  readonly thread: number;
  readonly threads: number;
}

/** Threads that run jobs of one module in one memory. Idle threads sleep. */
export class Pool implements Executor {
  readonly #workers: Worker[];
  readonly #flags: Int32Array;
  #died: unknown;
  #onDeath: ((error: unknown) => void) | undefined;

  constructor(module: WebAssembly.Module, memory: SharedMemory, threads: number) {
    const control = memory.take(4 * CONTROL.words);
    memory.bytes(control, 4 * CONTROL.words).fill(0);
    this.#flags = new Int32Array(memory.memory.buffer, control, CONTROL.words);
    this.#workers = Array.from({ length: threads }, (_, thread) => {
      const workerData: WorkerInput = { module, memory: memory.memory, control, thread, threads };
      const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData });
      worker.on("error", (error) => {
        this.#died ??= error;
        this.#onDeath?.(error);
      });
      worker.unref();
      return worker;
    });
  }

  get threads(): number {
    return this.#workers.length;
  }

  /** Rows of i8 are read as i16. */
  dotCopyBytes(type: ElementType, length: number): number {
    return type === "i8" ? 2 * length : 0;
  }

  async run(job: number): Promise<void> {
    const flags = this.#flags;
    Atomics.store(flags, CONTROL.job, job);
    const finished = Atomics.load(flags, CONTROL.finished);
    const death = new Promise<never>((_, reject) => {
      this.#onDeath = (error) => reject(new MachineThreadError("wasm", error));
      if (this.#died !== undefined) this.#onDeath(this.#died);
    });
    // Whoever waits for a job keeps the process alive.
    for (const worker of this.#workers) worker.ref();
    try {
      Atomics.add(flags, CONTROL.started, 1);
      Atomics.notify(flags, CONTROL.started);
      while (Atomics.load(flags, CONTROL.finished) === finished) {
        const { value } = Atomics.waitAsync(flags, CONTROL.finished, finished);
        await Promise.race([value, death]);
      }
    } finally {
      this.#onDeath = undefined;
      for (const worker of this.#workers) worker.unref();
    }
  }

  close(): void {
    Atomics.store(this.#flags, CONTROL.stop, 1);
    Atomics.add(this.#flags, CONTROL.started, 1);
    Atomics.notify(this.#flags, CONTROL.started);
    for (const worker of this.#workers) void worker.terminate();
  }
}
