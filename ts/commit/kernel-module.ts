import { readFile } from "node:fs/promises";
import { compileAssembly } from "../wasm/compile.ts";

/** AssemblyScript sources in ts/commit/assembly. */
export type KernelName = "poseidon" | "rows";

/** Compiles a kernel. @throws AssemblyError */
export async function kernelModule(kernel: KernelName, cacheDir: string): Promise<WebAssembly.Module> {
  const entry = `${kernel}.ts`;
  const source = await readFile(new URL(`assembly/${entry}`, import.meta.url), "utf8");
  return compileAssembly({ name: kernel, entry, sources: new Map([[entry, source]]), options: [] }, cacheDir);
}
