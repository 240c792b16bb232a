import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { foundryBinary } from "./anvil.ts";
import { ChildProcessError } from "./errors.ts";

/** The repository: where script/, src/ and deployments/ are. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** How a script runs. */
export interface ForgeScriptOptions {
  /** Its environment, beside what forge itself needs. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Receives forge's output as it comes. */
  readonly onOutput?: ((text: string) => void) | undefined;
}

/** Runs `forge script` in the repository; resolves to the end of its output. @throws ChildProcessError */
export async function forgeScript(args: readonly string[], options: ForgeScriptOptions = {}): Promise<string> {
  // forge rewrites its cache file on each run, compiled or not. A second forge that reads it meanwhile would find it cut
  // short and compile everything again, so each script works on a copy.
  const cache = mkdtempSync(join(tmpdir(), "otr-forge-"));
  try {
    const file = "solidity-files-cache.json";
    if (existsSync(join(ROOT, "cache", file))) copyFileSync(join(ROOT, "cache", file), join(cache, file));
    const { HOME, PATH, TMPDIR } = process.env;
    return await run(args, { HOME, PATH, TMPDIR, ...options.environment, FOUNDRY_CACHE_PATH: cache }, options.onOutput);
  } finally {
    rmSync(cache, { recursive: true });
  }
}

function run(
  args: readonly string[],
  env: Record<string, string | undefined>,
  onOutput: ((text: string) => void) | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(foundryBinary("forge"), ["script", ...args], {
      cwd: ROOT,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const take = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-16_384);
      onOutput?.(chunk.toString());
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.once("error", (error) => reject(new ChildProcessError("forge", `did not start (${error.message})`, output)));
    child.once("close", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new ChildProcessError("forge script", `ended with ${signal ?? `code ${code}`}`, output));
    });
  });
}
