import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../commit/cache-folder.ts";
import { BaseError } from "../errors.ts";

/** AssemblyScript that does not compile: a defect of this repository, or of the compiler's version. */
export class AssemblyError extends BaseError {
  constructor(name: string, messages: string) {
    super(`The WebAssembly of ${name} does not compile.`, { code: "wasm.compile", metaMessages: [messages] });
  }
}

export interface Assembly {
  /** For messages and file names. */
  readonly name: string;
  /** Path of the source that exports, among `sources`. */
  readonly entry: string;
  /** Sources by path. */
  readonly sources: ReadonlyMap<string, string>;
  /** Options of the compiler, besides those that all share. */
  readonly options: readonly string[];
}

const OPTIONS = [
  ...["-O3", "--runtime", "stub", "--noAssert", "--use", "abort=", "--enable", "simd"],
  // Warns of every usize that meets an i32, which in 32-bit WebAssembly are one.
  ...["--disableWarning", "201"],
];

/**
 * Compiles AssemblyScript, or takes what was made of the same sources before: the compiler takes seconds to load. No `relaxed-simd`: its
 * results differ between processors.
 */
export async function compileAssembly(
  { name, entry, sources, options }: Assembly,
  cacheDir = cacheFolder(),
): Promise<WebAssembly.Module> {
  const all = [...OPTIONS, ...options];
  const key = createHash("sha256").update(JSON.stringify([entry, ...sources, all]));
  const folder = join(cacheDir, "wasm");
  const file = join(folder, `${name}-${key.digest("hex").slice(0, 32)}.wasm`);
  const known = await readFile(file).catch(() => undefined);
  if (known !== undefined && WebAssembly.validate(known)) return WebAssembly.compile(known);
  const { default: asc } = await import("assemblyscript/asc");
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main([entry, "--outFile", "out.wasm", ...all], {
    readFile: (path) => sources.get(path.replaceAll("\\", "/")) ?? null,
    writeFile(path, contents) {
      if (path === "out.wasm") binary = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined) throw new AssemblyError(name, stderr.toString());
  // Renamed when whole: another process may read it at any moment. A folder that cannot be written only costs time.
  const fresh = `${file}.${randomBytes(6).toString("hex")}`;
  await mkdir(folder, { recursive: true })
    .then(() => writeFile(fresh, binary!))
    .then(() => rename(fresh, file))
    .catch(() => undefined);
  return WebAssembly.compile(binary);
}
