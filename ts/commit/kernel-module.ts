import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BaseError } from "../errors.ts";
import { type WasmModule, wasm } from "./webassembly.ts";

/** A kernel's source does not compile: a defect of this repository or of the compiler's version. */
export class KernelCompileError extends BaseError {
  constructor(kernel: string, messages: string) {
    super(`The kernel ${kernel} does not compile.`, { code: "commit.kernel", metaMessages: [messages] });
  }
}

/** AssemblyScript sources in ts/commit/assembly. */
export type KernelName = "poseidon" | "rows";

const OPTIONS = [
  ...["-O3", "--runtime", "stub", "--noAssert", "--use", "abort=", "--enable", "simd"],
  // Warns of every usize that meets an i32, which in 32-bit WebAssembly are one.
  ...["--disableWarning", "201"],
];

/**
 * Compiles a kernel, or takes it from `cacheDir` if the same source was compiled before: the compiler takes seconds to
 * load.
 */
export async function kernelModule(kernel: KernelName, cacheDir: string): Promise<WasmModule> {
  const source = await readFile(new URL(`assembly/${kernel}.ts`, import.meta.url), "utf8");
  const key = createHash("sha256")
    .update(JSON.stringify([source, OPTIONS]))
    .digest("hex")
    .slice(0, 32);
  const file = join(cacheDir, "kernels", `${kernel}-${key}.wasm`);
  const cached = await readFile(file).catch(() => undefined);
  if (cached !== undefined && wasm.validate(cached)) return wasm.compile(cached);
  const bytes = await compile(kernel, source);
  await mkdir(join(cacheDir, "kernels"), { recursive: true });
  // Renamed when whole: another process may read it at any moment.
  const fresh = `${file}.${process.pid}.new`;
  await writeFile(fresh, bytes);
  await rename(fresh, file);
  return wasm.compile(bytes);
}

async function compile(kernel: KernelName, source: string): Promise<Uint8Array> {
  const { default: asc } = await import("assemblyscript/asc");
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main([`${kernel}.ts`, "--outFile", "kernel.wasm", ...OPTIONS], {
    readFile: (name) => (name === `${kernel}.ts` ? source : null),
    writeFile: (name, contents) => {
      if (name === "kernel.wasm") binary = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined) throw new KernelCompileError(kernel, stderr.toString());
  return binary;
}
