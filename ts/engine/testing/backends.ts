import type { Program } from "../../machine/program.ts";
import type { WeightStore } from "../../machine/weights.ts";
import type { Machine } from "../machine.ts";
import { ProcessMemory } from "../native/memory.ts";
import { nativeExecutor, nativeKinds, nativeMachine } from "../native/native-machine.ts";
import type { Executor, MachineMemory } from "../plan/plan-machine.ts";
import { SharedMemory } from "../wasm/memory.ts";
import { MODULE_BYTES, machineModule } from "../wasm/module.ts";
import { Pool } from "../wasm/pool.ts";
import { wasmMachine } from "../wasm/wasm-machine.ts";

/** A backend under test. */
export interface Backend {
  readonly name: string;
  machine(program: Program, weights: WeightStore, options: { threads?: number; maxBatch?: number }): Promise<Machine>;
  /** What runs single instructions. */
  bare(threads: number): Promise<{ memory: MachineMemory; executor: Executor }>;
}

/** Every backend that can run here, besides the reference: the native ones if they are built (`npm run native`). */
export const BACKENDS: readonly Backend[] = [
  {
    name: "wasm",
    machine: wasmMachine,
    async bare(threads) {
      const memory = new SharedMemory(MODULE_BYTES);
      return { memory, executor: new Pool(await machineModule(), memory, threads) };
    },
  },
  ...(await nativeKinds()).map(
    (kind): Backend => ({
      name: `native ${kind}`,
      machine: (program, weights, options) => nativeMachine(program, weights, { ...options, kind }),
      bare: async (threads) => ({ memory: new ProcessMemory(), executor: await nativeExecutor(threads, kind) }),
    }),
  ),
];
