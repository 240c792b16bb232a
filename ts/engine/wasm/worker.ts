import { workerData } from "node:worker_threads";
import { CONTROL, type WorkerInput } from "./pool.ts";

// Waits for jobs, does its part of each, and says so; the last one wakes the host.
const { module, memory, control, thread, threads } = workerData as WorkerInput;
const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports as {
  run: (job: number, thread: number, threads: number) => void;
};
const flags = new Int32Array(memory.buffer, control, CONTROL.words);
for (let seen = 0; ; ) {
  Atomics.wait(flags, CONTROL.started, seen);
  const now = Atomics.load(flags, CONTROL.started);
  if (now === seen) continue;
  seen = now;
  if (Atomics.load(flags, CONTROL.stop) === 1) break;
  run(Atomics.load(flags, CONTROL.job) >>> 0, thread, threads);
  if (Atomics.add(flags, CONTROL.done, 1) === threads - 1) {
    Atomics.store(flags, CONTROL.done, 0);
    Atomics.add(flags, CONTROL.finished, 1);
    Atomics.notify(flags, CONTROL.finished);
  }
}
