import type { Program } from "../machine/program.ts";
import type { WeightStore } from "../machine/weights.ts";
import { batchEngine } from "./batch-engine.ts";
import type { Machine } from "./machine.ts";
import { referenceEngine } from "./reference.ts";
import type { BackendName, Engine } from "./types.ts";

export interface EngineOptions {
  readonly backend: BackendName;
  /** Threads of a backend that has several; by default as many as there are processors. */
  readonly threads?: number | undefined;
}

/** Starts an engine for a model. @throws NativeMissingError, MachineMemoryError, AssemblyError */
export async function openEngine(
  program: Program,
  weights: WeightStore,
  { backend, threads }: EngineOptions,
): Promise<Engine> {
  const options = threads === undefined ? {} : { threads };
  switch (backend) {
    case "reference":
      return referenceEngine(program, weights);
    case "wasm": {
      const { wasmMachine } = await import("./wasm/wasm-machine.ts");
      return batchEngine(await wasmMachine(program, weights, options), program);
    }
    case "native": {
      const { nativeMachine } = await import("./native/native-machine.ts");
      return batchEngine(await nativeMachine(program, weights, options), program);
    }
  }
}

/** A machine of the fastest backend here, for work of which only the bytes matter. Whoever asks closes it. */
export async function fastestMachine(
  program: Program,
  weights: WeightStore,
  options: Pick<EngineOptions, "threads"> = {},
): Promise<Machine> {
  const threads = options.threads === undefined ? {} : { threads: options.threads };
  const { nativeKinds, nativeMachine } = await import("./native/native-machine.ts");
  if ((await nativeKinds()).length > 0) return nativeMachine(program, weights, threads);
  const { wasmMachine } = await import("./wasm/wasm-machine.ts");
  return wasmMachine(program, weights, threads);
}

/**
 * The fastest backend here that shares no kernel with another one, for a second opinion. `wasm` and `native` do share how a program is laid
 * out (plan/).
 */
export async function otherBackend(backend: BackendName): Promise<BackendName> {
  if (backend !== "wasm") return "wasm";
  const { nativeKinds } = await import("./native/native-machine.ts");
  return (await nativeKinds()).length > 0 ? "native" : "reference";
}
