// Static analysis and symbolic proofs by tools from PyPI:
//   tsx tools/audit.ts [slither] [halmos] [--json]      both by default
// The tools are installed into .cache/audit, outside of git. Without Python or network a target says "skipped: reason" and does not fail.
// slither: every finding must have its row in docs/audit.md, which says why it stands, and every row its finding.
// halmos: every `check_*` function of test/symbolic must be proven.
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { foundryBinary } from "../ts/chain/anvil.ts";
import { SETTINGS, solidityFiles, sourcesOf } from "./solidity.ts";

const PACKAGES = { slither: "slither-analyzer==0.11.6", halmos: "halmos==0.3.3" };
const ENVIRONMENT = resolve(".cache/audit");
const EXPLAINED = "docs/audit.md";
/** Style, or true of all code of this kind; docs/audit.md says why each is left out. */
const LEFT_OUT = ["assembly", "low-level-calls", "naming-convention", "timestamp", "too-many-digits"];
const SOLVER_MS = 120_000;
/** Loops of the libraries are over bytes of a word, or levels of a small tree. */
const LOOP = 64;

const { values: options, positionals } = parseArgs({
  options: { json: { type: "boolean", default: false } },
  allowPositionals: true,
});

type Result = { target: string; status: "passed" | "failed" | "skipped"; lines: string[] };

const run = (command: string, args: string[], more: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) =>
  spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 28, ...more });

/** Installs a package; gives the reason if that is not possible. */
function install(name: keyof typeof PACKAGES): string | undefined {
  const program = join(ENVIRONMENT, name, "bin", name);
  const pinned = join(ENVIRONMENT, name, PACKAGES[name]);
  if (existsSync(program) && existsSync(pinned)) return undefined;
  const failed = (step: string, { error, stderr }: SpawnSyncReturns<string>) =>
    `${step} (${error?.message ?? stderr.trim().split("\n").at(-1) ?? "no message"})`;
  const python = run("python3", ["-m", "venv", "--clear", join(ENVIRONMENT, name)]);
  if (python.status !== 0) return failed("no Python 3 with venv", python);
  const pip = run(join(ENVIRONMENT, name, "bin/pip"), [
    "install",
    "--quiet",
    "--disable-pip-version-check",
    PACKAGES[name],
  ]);
  if (pip.status !== 0) return failed(`${PACKAGES[name]} could not be installed`, pip);
  writeFileSync(pinned, "");
  return undefined;
}

/** Rows `| detector | place | reason |` of the table of findings. */
function explained(): Set<string> {
  const rows = readFileSync(EXPLAINED, "utf8").matchAll(/^\| `([a-z0-9-]+)` \| ([^|]+) \| [^|]{10,} \|$/gm);
  return new Set(
    [...rows].flatMap(([, check, places]) =>
      [...places.matchAll(/`([^`]+)`/g)].map(([, place]) => `${check} ${place}`),
    ),
  );
}

function slither(): Result {
  const target = "slither";
  const reason = install(target);
  if (reason !== undefined) return { target, status: "skipped", lines: [reason] };
  // A folder without foundry.toml: slither would otherwise want to run forge, which would want to download a compiler.
  const folder = mkdtempSync(join(tmpdir(), "otr-slither-"));
  try {
    const sources = sourcesOf(solidityFiles("src"));
    for (const [name, { content }] of Object.entries(sources)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    writeFileSync(
      join(folder, "input.json"),
      JSON.stringify({ language: "Solidity", sources, settings: { ...SETTINGS } }),
    );
    const args = ["input.json", "--compile-force-framework", "Solc-json", "--solc", resolve("tools/solc")];
    args.push("--filter-paths", "@openzeppelin", "--exclude", LEFT_OUT.join(","), "--json", "report.json");
    const ran = run(join(ENVIRONMENT, target, "bin", target), args, { cwd: folder });
    if (!existsSync(join(folder, "report.json"))) return { target, status: "failed", lines: [ran.stderr.slice(-3000)] };
    // Kept for who wants to read all of it.
    copyFileSync(join(folder, "report.json"), ".cache/slither.json");
    const report = JSON.parse(readFileSync(".cache/slither.json", "utf8")) as {
      success: boolean;
      error: string | null;
      results: { detectors?: Finding[] };
    };
    if (!report.success) return { target, status: "failed", lines: [String(report.error)] };
    const found = new Map((report.results.detectors ?? []).map((finding) => [keyOf(finding), finding]));
    const known = explained();
    const news = [...found].filter(([key]) => !known.has(key));
    const stale = [...known].filter((key) => !found.has(key));
    const lines = [
      ...news.map(
        ([key, finding]) => `no row in ${EXPLAINED}: ${key} (${finding.impact}): ${finding.description.trim()}`,
      ),
      ...stale.map((key) => `row without a finding in ${EXPLAINED}: ${key}`),
      `${found.size} findings, ${found.size - news.length} explained`,
    ];
    return { target, status: news.length + stale.length > 0 ? "failed" : "passed", lines };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Element {
  type: string;
  name: string;
  type_specific_fields?: { parent?: Element | null };
}
interface Finding {
  check: string;
  impact: string;
  description: string;
  elements: Element[];
}

/** Detector and `Contract.function` of a finding: they outlive changes of lines. */
function keyOf({ check, elements }: Finding): string {
  const names: string[] = [];
  for (let at: Element | null | undefined = elements[0]; at; at = at.type_specific_fields?.parent)
    if (["function", "contract", "event"].includes(at.type)) names.unshift(at.name);
  return `${check} ${names.join(".")}`;
}

function halmos(): Result {
  const target = "halmos";
  const reason = install(target);
  if (reason !== undefined) return { target, status: "skipped", lines: [reason] };
  const folder = resolve(".cache/halmos");
  const env = {
    ...process.env,
    // Only the symbolic tests and what they import are built, without forge's launcher (npm's ends with 0 in any case).
    PATH: `${dirname(foundryBinary("forge"))}:${process.env.PATH}`,
    FOUNDRY_SRC: "test/symbolic",
    FOUNDRY_TEST: "test/symbolic",
    FOUNDRY_SCRIPT: "test/symbolic",
    FOUNDRY_OUT: join(folder, "out"),
    FOUNDRY_CACHE_PATH: join(folder, "cache"),
    FOUNDRY_OPTIMIZER: "false",
    FOUNDRY_AST: "true",
  };
  const build = run(foundryBinary("forge"), ["build", "--ast"], { env });
  if (build.status !== 0) return { target, status: "failed", lines: [build.stderr.slice(-3000)] };
  const args = ["--forge-build-out", join(folder, "out"), "--function", "check_", "--loop", String(LOOP)];
  args.push("--solver-timeout-assertion", String(SOLVER_MS), "--no-status");
  const ran = run(join(ENVIRONMENT, target, "bin", target), args, { env });
  const output = stripVTControlCharacters(ran.stdout);
  const proven = output.match(/^\[PASS\] .*$/gm) ?? [];
  const open = output.match(/^\[(?!PASS)[A-Z]+\] .*$/gm) ?? [];
  const written = solidityFiles("test/symbolic").flatMap(
    (file) => readFileSync(file, "utf8").match(/function check_/g) ?? [],
  );
  const complete = open.length === 0 && proven.length === written.length;
  const tail = complete ? [] : [ran.stderr.slice(-1000), output.slice(-1000)];
  const lines = [...open, ...tail, `${proven.length} of ${written.length} properties proven`];
  return { target, status: complete ? "passed" : "failed", lines };
}

const targets = { slither, halmos };
const asked = positionals.length > 0 ? positionals : Object.keys(targets);
const results = asked.map((name): Result => {
  if (name === "slither" || name === "halmos") return targets[name]();
  return { target: name, status: "failed", lines: ["no such target"] };
});
for (const { target, status, lines } of results) {
  if (options.json) continue;
  console.log(status === "skipped" ? `${target} skipped: ${lines.join(" ")}` : `${target} ${status}`);
  if (status !== "skipped") for (const line of lines) console.log(`  ${line}`);
}
if (options.json) console.log(JSON.stringify(results));
process.exitCode = results.some(({ status }) => status === "failed") ? 1 : 0;
