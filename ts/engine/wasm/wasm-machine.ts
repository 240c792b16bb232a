import { availableParallelism } from "node:os";
import type { Program } from "../../machine/program.ts";
import type { WeightStore } from "../../machine/weights.ts";
import type { Machine } from "../machine.ts";
import { PlanMachine } from "../plan/plan-machine.ts";
import { SharedMemory } from "./memory.ts";
import { MODULE_BYTES, machineModule } from "./module.ts";
import { Pool } from "./pool.ts";

export interface WasmOptions {
  /** Threads; by default as many as there are processors. */
  readonly threads?: number;
  /** Most steps of a batch. */
  readonly maxBatch?: number;
}

/** Beyond this many steps a weight that is in a register is used often enough. */
export const MAX_BATCH = 64;

/** The canonical machine in WebAssembly: SIMD kernels on several threads, weights and caches in one shared memory. */
export async function wasmMachine(
  program: Program,
  weights: WeightStore,
  { threads = availableParallelism(), maxBatch = MAX_BATCH }: WasmOptions = {},
): Promise<Machine> {
  const memory = new SharedMemory(MODULE_BYTES);
  const executor = new Pool(await machineModule(), memory, threads);
  return new PlanMachine(program, weights, { backend: "wasm", memory, executor, maxBatch });
}
