import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { arch, platform } from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cacheFolder } from "../../commit/cache-folder.ts";
import { MachineBuildError } from "../errors.ts";

const SOURCES = fileURLToPath(new URL("./", import.meta.url));

/** A library for one kind of processor. */
export interface NativeKind {
  readonly name: string;
  /** What the compiler may use for it. */
  readonly flags: readonly string[];
}

const AVX2 = ["-mavx2", "-mbmi2", "-mssse3", "-msse4.1"];
const AVX512 = [...AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni"];

/** The kinds of this architecture, the fastest first. Zen and recent Intel processors have instructions for SHA, older ones with AVX2 not. */
export const NATIVE_KINDS: readonly NativeKind[] = [
  ...(arch === "x64"
    ? [
        { name: "avx512", flags: [...AVX512, "-msha", "-DOTR_AVX512"] },
        { name: "avx2", flags: [...AVX2, "-DOTR_AVX2"] },
      ]
    : []),
  { name: "baseline", flags: [] },
];

/** Exact integers need no flags; wrapping and aliasing are what the code relies on where it looks like it. */
const FLAGS = ["-std=c++20", "-O3", "-fPIC", "-shared", "-pthread", "-fno-strict-aliasing", "-Wall", "-Wextra"];

/** Where the libraries of these sources are, built or not. */
export async function nativeFolder(): Promise<string> {
  const names = (await readdir(SOURCES)).filter((name) => /\.(cpp|h)$/.test(name)).sort();
  const hash = createHash("sha256").update(`${platform} ${arch} ${JSON.stringify([FLAGS, NATIVE_KINDS])}`);
  for (const name of names) hash.update(await readFile(join(SOURCES, name))).update("\0");
  return join(cacheFolder(), "native", hash.digest("hex").slice(0, 16));
}

/** File of a kind's library. */
export function libraryFile(folder: string, { name }: NativeKind): string {
  return join(folder, `libotr-${name}.so`);
}

/**
 * Compiles the native backend. Nothing half-written stays.
 * @throws MachineBuildError without a compiler for C++20, or if it refuses
 */
export async function buildNative(compiler = process.env.CXX ?? "c++"): Promise<string> {
  const folder = await nativeFolder();
  const fresh = join(dirname(folder), `.${basename(folder)}.${randomBytes(6).toString("hex")}`);
  await mkdir(fresh, { recursive: true });
  try {
    for (const kind of NATIVE_KINDS) {
      const files = ["machine.cpp", "library.cpp"].map((file) => join(SOURCES, file));
      const args = [...FLAGS, "-Wno-maybe-uninitialized", ...kind.flags, "-o", libraryFile(fresh, kind), ...files];
      await promisify(execFile)(compiler, args).catch((error: unknown) => {
        const { stderr } = error as { stderr?: string };
        const missing = `${compiler} cannot be run. Install a compiler for C++20, or set CXX; the wasm backend needs none.`;
        throw new MachineBuildError("native", stderr === undefined || stderr === "" ? missing : stderr, error);
      });
    }
    await rm(folder, { recursive: true, force: true });
    await rename(fresh, folder);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return folder;
}
