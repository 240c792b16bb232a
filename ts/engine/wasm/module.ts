import { readdir, readFile } from "node:fs/promises";
import { compileAssembly } from "../../wasm/compile.ts";

const ASSEMBLY = new URL("./assembly/", import.meta.url);
const LAYOUT = new URL("../plan/layout.ts", import.meta.url);

const OPTIONS = [
  ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
  ...["--enable", "threads"],
];

/** Bytes at the front of memory that the module's tables take: see `OPTIONS`. */
export const MODULE_BYTES = 65_536;

let compiled: Promise<WebAssembly.Module> | undefined;

/** The machine's module, compiled when a process first wants it. @throws AssemblyError */
export function machineModule(): Promise<WebAssembly.Module> {
  compiled ??= compile();
  return compiled;
}

async function compile(): Promise<WebAssembly.Module> {
  const sources = new Map([["plan/layout.ts", await readFile(LAYOUT, "utf8")]]);
  const names = (await readdir(ASSEMBLY)).filter((name) => name.endsWith(".ts")).sort();
  for (const name of names) sources.set(`wasm/assembly/${name}`, await readFile(new URL(name, ASSEMBLY), "utf8"));
  return compileAssembly({ name: "machine", entry: "wasm/assembly/index.ts", sources, options: OPTIONS });
}
