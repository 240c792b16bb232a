// SPDX-License-Identifier: GPL-3.0-only
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cacheFolder } from "../commit/cache-folder.ts";
import { CircuitCompileError } from "./errors.ts";

/** What the compiler makes of a circuit. */
export type CompiledCircuit = {
  /** The witness calculator. */
  readonly wasm: Uint8Array;
  readonly r1cs: Uint8Array;
  /** Name of each wire that the constraints use, by wire; names that were simplified away are absent. */
  readonly wires: ReadonlyMap<number, string>;
};

export type CompileOptions = {
  /** The `component main` line, for example `component main {public [salt]} = Map();`. */
  readonly main: string;
  /** Files of `circuits/` that it needs, for example `map.circom`. */
  readonly include: readonly string[];
  /** Constraint simplification of circom: `O2` also eliminates linear constraints. */
  readonly optimisation: "O1" | "O2";
};

const require = createRequire(import.meta.url);
const CIRCUITS = fileURLToPath(new URL("../../circuits", import.meta.url));

/**
 * Compiles a circuit, or takes it from the cache, where it is known by everything that it is made of: sources, circomlib,
 * the compiler's version, options.
 */
export async function compileCircuit(
  options: CompileOptions,
  cacheDir: string = cacheFolder(),
): Promise<CompiledCircuit> {
  const folder = join(cacheDir, "circuits", await contentKey(options));
  if (!existsSync(folder)) {
    const made = await mkdtemp(join(tmpdir(), "otr-circuit-"));
    try {
      await compileInto(made, options);
      await mkdir(dirname(folder), { recursive: true });
      // Whole or not at all, also where two compile the same.
      const part = `${folder}.${process.pid}`;
      await rm(part, { recursive: true, force: true });
      await cp(join(made, "out"), part, { recursive: true });
      await rename(part, folder).catch(() => rm(part, { recursive: true, force: true }));
    } finally {
      await rm(made, { recursive: true, force: true });
    }
  }
  const [wasm, r1cs, sym] = await Promise.all([
    readFile(join(folder, "main.wasm")),
    readFile(join(folder, "main.r1cs")),
    readFile(join(folder, "main.sym"), "utf8"),
  ]);
  return { wasm, r1cs, wires: wireNames(sym) };
}

async function contentKey(options: CompileOptions): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([options, await versionOf("circom2"), await versionOf("circomlib")]));
  const files = [...options.include];
  for (const file of files) {
    const source = await readFile(join(CIRCUITS, file), "utf8");
    // Comments make no other circuit.
    hash.update(source.replace(/\/\/.*$/gm, "").replace(/\s+/g, " "));
    for (const [, other] of source.matchAll(/^include "([^"/]+)";$/gm)) if (!files.includes(other)) files.push(other);
  }
  return hash.digest("hex");
}

async function versionOf(name: string): Promise<string> {
  return JSON.parse(await readFile(require.resolve(`${name}/package.json`), "utf8")).version;
}

/**
 * Compiles in a folder of its own, to its `out`: the wasm build of circom sees only what lies under its working directory
 * and follows no symlinks, so the sources and circomlib are copied there. Includes of circomlib read
 * `circomlib/circuits/...`.
 */
async function compileInto(dir: string, { main, include, optimisation }: CompileOptions): Promise<void> {
  const circomlib = dirname(require.resolve("circomlib/package.json"));
  await cp(join(circomlib, "circuits"), join(dir, "lib/circomlib/circuits"), { recursive: true, dereference: true });
  await cp(CIRCUITS, join(dir, "circuits"), { recursive: true });
  const includes = include.map((file) => `include "circuits/${file}";`);
  await writeFile(join(dir, "main.circom"), ["pragma circom 2.1.6;", ...includes, main, ""].join("\n"));
  const cli = require.resolve("circom2/cli.js");
  const args = [cli, "main.circom", "--r1cs", "--wasm", "--sym", `--${optimisation}`, "-l", "lib", "-o", "."];
  await promisify(execFile)(process.execPath, args, { cwd: dir }).catch((cause: { stdout: string; stderr: string }) => {
    throw new CircuitCompileError(main, `${cause.stdout}${cause.stderr}`);
  });
  await mkdir(join(dir, "out"));
  await rename(join(dir, "main_js/main.wasm"), join(dir, "out/main.wasm"));
  await rename(join(dir, "main.r1cs"), join(dir, "out/main.r1cs"));
  // Labels that were simplified away are most of the file, and of no use.
  const sym = await readFile(join(dir, "main.sym"), "utf8");
  const kept = sym.split("\n").filter((line) => !line.split(",")[1]?.startsWith("-"));
  await writeFile(join(dir, "out/main.sym"), kept.join("\n"));
}

/**
 * Lines of a .sym file are `label, wire, component, name`; wire -1 was simplified away. The first name of a wire is
 * kept.
 */
function wireNames(sym: string): Map<number, string> {
  const out = new Map<number, string>();
  for (const line of sym.split("\n")) {
    const [, wire, , name] = line.split(",");
    if (name !== undefined && Number(wire) >= 0 && !out.has(Number(wire))) out.set(Number(wire), name);
  }
  return out;
}
