import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { cacheFolder } from "./cache-folder.ts";
import type { CommitJob, CommitJobResult, CommitWorkerData } from "./commit-worker.ts";
import { kernelModule } from "./kernel-module.ts";
import { poseidonTables } from "./poseidon-kernel.ts";

export type CommitPoolOptions = {
  /** Default: one a core. */
  readonly threads?: number;
  /** Where compiled kernels are kept; default `cacheFolder()`. */
  readonly cacheDir?: string;
  /** Digests for circuits too, not leaves only. */
  readonly poseidon: boolean;
};

/** Threads that commit to weight rows. */
export class CommitPool {
  readonly #workers: readonly Worker[];

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
  }

  static async open({ threads, cacheDir = cacheFolder(), poseidon }: CommitPoolOptions): Promise<CommitPool> {
    const workerData: CommitWorkerData = {
      rows: await kernelModule("rows", cacheDir),
      poseidon: poseidon ? { module: await kernelModule("poseidon", cacheDir), tables: poseidonTables() } : undefined,
    };
    const file = new URL("./commit-worker.ts", import.meta.url);
    const count = Math.max(1, threads ?? availableParallelism());
    return new CommitPool(Array.from({ length: count }, () => new Worker(file, { workerData })));
  }

  /**
   * Runs the jobs on all threads; `done` is called with each result, in any order. Their bytes are copied to memory that a thread and this
   * one share, the same for all its jobs: copies in messages would be there until somebody collects them.
   */
  async run<T>(
    jobs: Iterable<readonly [T, CommitJob]>,
    done: (key: T, result: CommitJobResult) => void,
  ): Promise<void> {
    const queue = jobs[Symbol.iterator]();
    await Promise.all(
      this.#workers.map(async (worker) => {
        const inbox = new Inbox();
        for (let next = queue.next(); !next.done; next = queue.next()) {
          const [key, job] = next.value;
          worker.postMessage(
            job.kind === "rows" ? { ...job, bytes: inbox.put(job.bytes) } : { ...job, digests: inbox.put(job.digests) },
          );
          const [result] = (await once(worker, "message")) as [CommitJobResult];
          done(key, result);
        }
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** Memory that two threads share, for one job's bytes at a time. */
class Inbox {
  #memory = new SharedArrayBuffer(0);

  put(bytes: Uint8Array): Uint8Array {
    if (this.#memory.byteLength < bytes.length) this.#memory = new SharedArrayBuffer(bytes.length);
    const room = new Uint8Array(this.#memory, 0, bytes.length);
    room.set(bytes);
    return room;
  }
}
