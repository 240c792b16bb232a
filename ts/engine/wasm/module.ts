import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { MachineBuildError } from "../errors.ts";

const ASSEMBLY = fileURLToPath(new URL("./assembly/", import.meta.url));
const LAYOUT = fileURLToPath(new URL("../plan/layout.ts", import.meta.url));
const CACHE = fileURLToPath(new URL("../../../.cache/wasm/", import.meta.url));

/** No `relaxed-simd`: its results differ between CPUs. */
const FLAGS = [
  ...["--runtime", "stub", "-O3", "--noAssert", "--use", "abort="],
  ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
  ...["--enable", "threads", "--enable", "simd"],
];

/** Bytes at the front of memory that the module's tables take: see `FLAGS`. */
export const MODULE_BYTES = 65_536;

let compiled: Promise<WebAssembly.Module> | undefined;

/** The machine's module: compiled from its AssemblyScript when a process first wants it, and kept on disk by the sources' hash. */
export function machineModule(): Promise<WebAssembly.Module> {
  compiled ??= build().then((bytes) => WebAssembly.compile(bytes));
  return compiled;
}

async function build(): Promise<Uint8Array<ArrayBuffer>> {
  const names = (await readdir(ASSEMBLY)).filter((name) => name.endsWith(".ts")).sort();
  const sources = new Map<string, string>([["plan/layout.ts", await readFile(LAYOUT, "utf8")]]);
  for (const name of names) sources.set(`wasm/assembly/${name}`, await readFile(join(ASSEMBLY, name), "utf8"));
  const { default: asc, version } = await import("assemblyscript/asc").then((module) => ({
    default: module,
    version: module.version,
  }));
  const hash = createHash("sha256");
  for (const part of [version, ...FLAGS, ...[...sources].flat()]) hash.update(part).update("\0");
  const file = join(CACHE, `machine-${hash.digest("hex").slice(0, 16)}.wasm`);
  const known = await readFile(file).catch(() => undefined);
  if (known !== undefined) return new Uint8Array(known);
  let output: Uint8Array<ArrayBuffer> | undefined;
  let messages = "";
  const { error } = await asc.main(["wasm/assembly/index.ts", "--outFile", "machine.wasm", ...FLAGS], {
    readFile: (name) => sources.get(name.replaceAll("\\", "/")) ?? null,
    writeFile(name, content) {
      if (basename(name) === "machine.wasm" && typeof content !== "string") output = new Uint8Array(content);
    },
    listFiles: () => [],
    stderr: {
      write(text) {
        messages += text;
        return true;
      },
    },
  });
  if (error !== null || output === undefined) throw new MachineBuildError("wasm", messages, error);
  // As a whole or not at all; a folder that cannot be written only costs time.
  const part = `${file}.${randomBytes(6).toString("hex")}`;
  await mkdir(CACHE, { recursive: true })
    .then(() => writeFile(part, output!))
    .then(() => rename(part, file))
    .catch(() => undefined);
  return output;
}
