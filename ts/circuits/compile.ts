// SPDX-License-Identifier: GPL-3.0-only
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
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
  /** The `component main` line, for example `component main {public [salt]} = RowDigest(4);`. */
  readonly main: string;
  /** Files of `circuits/` that it needs, for example `row_digest.circom`. */
  readonly include: readonly string[];
  /** Constraint simplification of circom: `O2` also eliminates linear constraints. */
  readonly optimisation: "O1" | "O2";
};

const require = createRequire(import.meta.url);
const CIRCUITS = fileURLToPath(new URL("../../circuits", import.meta.url));

/**
 * Compiles a circuit in a folder of its own: the wasm build of circom sees only what lies under its working directory
 * and follows no symlinks, so the sources and circomlib are copied there. Includes of circomlib read
 * `circomlib/circuits/...`.
 */
export async function compileCircuit({ main, include, optimisation }: CompileOptions): Promise<CompiledCircuit> {
  const dir = await mkdtemp(join(tmpdir(), "otr-circuit-"));
  try {
    const circomlib = dirname(require.resolve("circomlib/package.json"));
    await cp(join(circomlib, "circuits"), join(dir, "lib/circomlib/circuits"), { recursive: true, dereference: true });
    await cp(CIRCUITS, join(dir, "circuits"), { recursive: true });
    const includes = include.map((file) => `include "circuits/${file}";`);
    await writeFile(join(dir, "main.circom"), ["pragma circom 2.1.6;", ...includes, main, ""].join("\n"));
    const cli = require.resolve("circom2/cli.js");
    const args = [cli, "main.circom", "--r1cs", "--wasm", "--sym", `--${optimisation}`, "-l", "lib", "-o", "."];
    await promisify(execFile)(process.execPath, args, { cwd: dir }).catch(
      (cause: { stdout: string; stderr: string }) => {
        throw new CircuitCompileError(main, `${cause.stdout}${cause.stderr}`);
      },
    );
    const [wasm, r1cs, sym] = await Promise.all([
      readFile(join(dir, "main_js/main.wasm")),
      readFile(join(dir, "main.r1cs")),
      readFile(join(dir, "main.sym"), "utf8"),
    ]);
    return { wasm, r1cs, wires: wireNames(sym) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
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
