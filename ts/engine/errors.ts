import { BaseError } from "../errors.ts";

/** The model, its caches and buffers do not fit the memory of a backend. */
export class MachineMemoryError extends BaseError {
  constructor(backend: string, bytes: number, cause: unknown) {
    super(`The memory of the ${backend} backend is too small.`, {
      code: "engine.memory",
      metaMessages: [
        `Wanted: ${Math.ceil(bytes / 2 ** 20)} MiB`,
        "Use a smaller model, fewer or shorter conversations at once, or another backend.",
      ],
      cause,
    });
  }
}

/** A thread of a backend died. */
export class MachineThreadError extends BaseError {
  constructor(backend: string, cause: unknown) {
    super(`A thread of the ${backend} backend died.`, {
      code: "engine.thread",
      metaMessages: ["What it was computing is lost. Start the process again."],
      cause,
    });
  }
}

/** The sources of the native backend do not compile. */
export class MachineBuildError extends BaseError {
  constructor(backend: string, output: string, cause?: unknown) {
    super(`The ${backend} backend cannot be built.`, { code: "engine.build", metaMessages: [output], cause });
  }
}

/** The native backend is not built, or not for this processor. */
export class NativeMissingError extends BaseError {
  constructor(wanted: string | undefined, built: readonly string[]) {
    super(`The native backend ${wanted === undefined ? "is not built" : `has no ${wanted} library that runs here`}.`, {
      code: "engine.native",
      metaMessages: [
        built.length === 0 ? "Build it with a compiler for C++20: npm run native" : `Built: ${built.join(", ")}`,
        "The wasm backend needs no compiler.",
      ],
    });
  }
}
