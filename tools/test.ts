// The test command: every check and every test of the repository, with one closing line `N passed, M failed`.
// `npm test -- forge` runs only the stages whose name contains `forge`.
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { foundryBinary } from "../ts/chain/anvil.ts";

interface Count {
  passed: number;
  failed: number;
}
interface Stage {
  name: string;
  command: string[];
  env?: Record<string, string>;
  /** What must be there before the command runs. */
  prepare?: () => void;
  /** Tests that the stage ran; a stage without tests of its own counts as one. */
  count?: (output: string) => Count | undefined;
}

const scratch = mkdtempSync(join(tmpdir(), "otr-test-"));

// The program itself: its npm launcher ends with 0 even when forge has failed.
const FORGE = foundryBinary("forge");

/** Tests of a project of vitest.config.ts. */
function vitest(project: string, workers: number): Stage {
  const report = join(scratch, `${project}.json`);
  return {
    name: `vitest ${project}`,
    command: [
      "vitest",
      "run",
      "--project",
      project,
      `--maxWorkers=${workers}`,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
    ],
    count() {
      if (!existsSync(report)) return undefined;
      const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, "utf8")) as {
        numPassedTests: number;
        numFailedTests: number;
        numFailedTestSuites: number;
      };
      // A file that fails to load has no test of its own: it must not pass in silence.
      const broken = numFailedTests === 0 ? numFailedTestSuites : 0;
      return { passed: numPassedTests, failed: numFailedTests + broken };
    },
  };
}

const CONTRACTS: Stage[] = [
  { name: "format of Solidity", command: [FORGE, "fmt", "--check"] },
  { name: "forge build", command: [FORGE, "build"] },
  { name: "bindings generated", command: ["tsx", "tools/bindings.ts", "--check"] },
  { name: "golden files", command: ["tsx", "tools/golden.ts", "--check"] },
  { name: "upgrade safety", command: ["tsx", "tools/upgrades.ts"] },
];

const FORGE_TESTS: Stage = {
  name: "forge tests",
  command: [FORGE, "test"],
  // forge rewrites its cache file on each run: scripts that run meanwhile would find it cut short.
  env: { FORGE_SNAPSHOT_CHECK: "true", FOUNDRY_CACHE_PATH: join(scratch, "cache") },
  prepare: () => cpSync("cache", join(scratch, "cache"), { recursive: true }),
  count(output) {
    const last = [...output.matchAll(/(\d+) tests passed, (\d+) failed/g)].at(-1);
    return last && { passed: Number(last[1]), failed: Number(last[2]) };
  },
};

/** What needs no contracts. The compiler of contracts takes one core for minutes: this takes the other one. */
const BESIDE: Stage[] = [
  { name: "lint", command: ["biome", "check", "--error-on-warnings", "."] },
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "opcodes generated", command: ["tsx", "tools/generate-opcodes.ts", "--check"] },
  vitest("machine", 1),
];

/** What takes contracts: most of these tests wait for a chain half of their time, which the first of the two uses. */
const WITH_CONTRACTS: Stage[][] = [[FORGE_TESTS], [vitest("chain", 2)]];

/** Runs a command; resolves to exit code and output, which is passed through at once or, if it would mix with another's, at the end. */
function run(stage: Stage, atOnce: boolean): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const [command, ...args] = stage.command;
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...stage.env } });
    let output = "";
    const keep = (chunk: Buffer) => {
      output += chunk.toString();
      if (atOnce) process.stdout.write(chunk);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

const filter = process.argv[2] ?? "";
const total: Count = { passed: 0, failed: 0 };
const rows: string[] = [];

/** Runs stages one after the other. */
async function lane(stages: readonly Stage[], atOnce: boolean): Promise<void> {
  for (const stage of stages.filter(({ name }) => name.includes(filter))) {
    if (atOnce) console.log(`\n== ${stage.name}`);
    const begin = Date.now();
    stage.prepare?.();
    const { code, output } = await run(stage, atOnce);
    if (!atOnce) console.log(`\n== ${stage.name}\n${output}`);
    const counted = stage.count?.(output);
    const result = counted ?? { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 };
    // A runner that fails without a failed test (a crash, a gas snapshot that drifted) is a failure of its own.
    if (code !== 0 && result.failed === 0) result.failed = 1;
    total.passed += result.passed;
    total.failed += result.failed;
    const seconds = ((Date.now() - begin) / 1000).toFixed(1);
    rows.push(
      `${result.failed === 0 ? "ok  " : "FAIL"} ${stage.name}: ${result.passed} passed, ${result.failed} failed (${seconds} s)`,
    );
  }
}

await Promise.all([lane(CONTRACTS, true), lane(BESIDE, false)]);
await Promise.all(WITH_CONTRACTS.map((stages, k) => lane(stages, k > 0)));
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${rows.join("\n")}\n`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || rows.length === 0 ? 1 : 0;
