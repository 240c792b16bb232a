// The test command: every check and every test of the repository, with one closing line `N passed, M failed`.
// `npm test -- forge` runs only the stages whose name contains `forge`.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
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
  /** Tests that the stage ran; a stage without tests of its own counts as one. */
  count?: (output: string) => Count | undefined;
}

const scratch = mkdtempSync(join(tmpdir(), "otr-test-"));
const vitestReport = join(scratch, "vitest.json");

// The program itself: its npm launcher ends with 0 even when forge has failed.
const FORGE = foundryBinary("forge");

const STAGES: Stage[] = [
  { name: "lint", command: ["biome", "check", "--error-on-warnings", "."] },
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "format of Solidity", command: [FORGE, "fmt", "--check"] },
  { name: "opcodes generated", command: ["tsx", "tools/generate-opcodes.ts", "--check"] },
  { name: "build of contracts", command: [FORGE, "build"] },
  { name: "bindings generated", command: ["tsx", "tools/bindings.ts", "--check"] },
  { name: "golden files", command: ["tsx", "tools/golden.ts", "--check"] },
  { name: "upgrade safety", command: ["tsx", "tools/upgrades.ts"] },
  {
    name: "forge tests",
    command: [FORGE, "test"],
    env: { FORGE_SNAPSHOT_CHECK: "true" },
    count(output) {
      const last = [...output.matchAll(/(\d+) tests passed, (\d+) failed/g)].at(-1);
      return last && { passed: Number(last[1]), failed: Number(last[2]) };
    },
  },
  {
    name: "vitest",
    command: ["vitest", "run", "--reporter=default", "--reporter=json", `--outputFile.json=${vitestReport}`],
    count() {
      const report = JSON.parse(readFileSync(vitestReport, "utf8")) as {
        numPassedTests: number;
        numFailedTests: number;
        numFailedTestSuites: number;
      };
      // A file that fails to load has no test of its own: it must not pass in silence.
      const broken = report.numFailedTests === 0 ? report.numFailedTestSuites : 0;
      return { passed: report.numPassedTests, failed: report.numFailedTests + broken };
    },
  },
];

/** Runs a command, passing its output through; resolves to exit code and output. */
function run(stage: Stage): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const [command, ...args] = stage.command;
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...stage.env } });
    let output = "";
    const keep = (stream: NodeJS.WriteStream) => (chunk: Buffer) => {
      output += chunk.toString();
      stream.write(chunk);
    };
    child.stdout.on("data", keep(process.stdout));
    child.stderr.on("data", keep(process.stderr));
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

const filter = process.argv[2] ?? "";
const total: Count = { passed: 0, failed: 0 };
const rows: string[] = [];
for (const stage of STAGES.filter(({ name }) => name.includes(filter))) {
  console.log(`\n== ${stage.name}`);
  const begin = Date.now();
  const { code, output } = await run(stage);
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
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${rows.join("\n")}\n`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || rows.length === 0 ? 1 : 0;
