// What tools need to compile contracts by themselves: sources with all that they import, and the repository's compiler.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export const SOLC_VERSION = "0.8.30";
export const SETTINGS = { evmVersion: "osaka", optimizer: { enabled: false } } as const;

export interface SolcInput {
  language: "Solidity";
  sources: Record<string, { content: string }>;
  settings: Record<string, unknown>;
}
export interface SolcOutput {
  errors?: { severity: string; formattedMessage: string }[];
  sources: Record<string, { ast: unknown }>;
  contracts: Record<string, Record<string, { evm?: { bytecode: { object: string; linkReferences: unknown } } }>>;
}

/** Solidity files below a folder, sorted. */
export function solidityFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sol"))
    .map((name) => join(folder, name))
    .sort();
}

/** The files, and all that they import, under the names by which they are imported. */
export function sourcesOf(files: readonly string[]): SolcInput["sources"] {
  const found: SolcInput["sources"] = {};
  // As the remappings of foundry.toml.
  const onDisk = (name: string) =>
    name.replace(/^@openzeppelin\//, "lib/openzeppelin-").replace(/^forge-std\//, "lib/forge-std/");
  const queue = [...files];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (file in found) continue;
    const content = readFileSync(onDisk(file), "utf8");
    found[file] = { content };
    for (const [, path] of content.matchAll(/^import\s[^;]*?"([^"]+)";/gms))
      queue.push(path.startsWith(".") ? normalize(join(dirname(file), path)) : path);
  }
  return found;
}

/** Compiles; throws what the compiler complains about. */
export function compile(input: SolcInput): SolcOutput {
  const run = spawnSync("tools/solc", ["--standard-json"], { input: JSON.stringify(input), maxBuffer: 2 ** 30 });
  if (run.status !== 0) throw new Error(`solc ended with ${run.status}: ${run.stderr}`);
  const output = JSON.parse(run.stdout.toString()) as SolcOutput;
  const error = output.errors?.find(({ severity }) => severity === "error");
  if (error !== undefined) throw new Error(error.formattedMessage);
  return output;
}
