import { access } from "node:fs/promises";
import { availableParallelism } from "node:os";
import koffi from "koffi";
import type { Program } from "../../machine/program.ts";
import { ELEMENT_CODE } from "../../machine/types.ts";
import type { WeightStore } from "../../machine/weights.ts";
import { NativeMissingError } from "../errors.ts";
import type { Machine } from "../machine.ts";
import { type Executor, PlanMachine } from "../plan/plan-machine.ts";
import { libraryFile, NATIVE_KINDS, nativeFolder } from "./build.ts";
import { ProcessMemory } from "./memory.ts";

export interface NativeOptions {
  /** Threads; by default as many as there are processors. */
  readonly threads?: number;
  /** Most steps of a batch. */
  readonly maxBatch?: number;
  /** Which library: `avx512`, `avx2` or `baseline`; by default the fastest that this processor can run. */
  readonly kind?: string;
}

const MAX_BATCH = 64;

/** Kinds that are built and that this processor can run, the fastest first. */
export async function nativeKinds(): Promise<string[]> {
  const folder = await nativeFolder();
  const kinds: string[] = [];
  for (const kind of NATIVE_KINDS) {
    const file = libraryFile(folder, kind);
    const built = await access(file).then(
      () => true,
      () => false,
    );
    if (built && (koffi.load(file).func("bool otr_supported()")() as boolean)) kinds.push(kind.name);
  }
  return kinds;
}

/**
 * The canonical machine in C++: weights stay where the model was loaded.
 * @throws NativeMissingError if it is not built
 */
export async function nativeMachine(
  program: Program,
  weights: WeightStore,
  { threads = availableParallelism(), maxBatch = MAX_BATCH, kind }: NativeOptions = {},
): Promise<Machine> {
  const executor = await nativeExecutor(threads, kind);
  return new PlanMachine(program, weights, { backend: "native", memory: new ProcessMemory(), executor, maxBatch });
}

/** Threads of the native library. @throws NativeMissingError */
export async function nativeExecutor(threads: number, kind?: string): Promise<Executor> {
  const kinds = await nativeKinds();
  const name = kind ?? kinds[0];
  if (name === undefined || !kinds.includes(name)) throw new NativeMissingError(kind, kinds);
  const library = koffi.load(libraryFile(await nativeFolder(), NATIVE_KINDS.find((each) => each.name === name)!));
  const open = library.func("void *otr_open(int threads)");
  const run = library.func("void otr_run(void *pool, uint64_t job)");
  const close = library.func("void otr_close(void *pool)");
  const copyBytes = library.func("int64_t otr_dot_copy_bytes(int type, int64_t length)");
  const pool: unknown = open(threads);
  let running: Promise<void> = Promise.resolve();
  return {
    threads,
    dotCopyBytes: (type, length) => Number(copyBytes(ELEMENT_CODE[type], length)),
    run(job) {
      // On a thread of the process's own, so that this one keeps answering.
      running = new Promise((resolve, reject) => {
        run.async(pool, job, (error: unknown) => (error === null ? resolve() : reject(error)));
      });
      return running;
    },
    close: () => void running.catch(() => undefined).then(() => close(pool)),
  };
}
