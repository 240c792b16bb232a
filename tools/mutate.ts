// Mutation testing: small faults in src/, one at a time; the forge tests must notice. A fault that no test notices is a survivor.
//   tsx tools/mutate.ts [--per-file N] [--seed S] [--file PATTERN] [--jobs N] [--results FILE] [--fresh] [--list] [--json]
// Faults are made in copies of the repository below the system's folder for temporary files, never in the working tree. Every verdict is
// appended to the results file, so a run that was cut off goes on where it stopped. How to read the score: docs/audit.md.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { foundryBinary } from "../ts/chain/anvil.ts";
import { apply, type Mutant, mutantsOf, sample } from "./mutants.ts";

const { values: options } = parseArgs({
  options: {
    "per-file": { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    file: { type: "string", default: "" },
    jobs: { type: "string", default: "2" },
    results: { type: "string", default: ".cache/mutation.jsonl" },
    fresh: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const BAR = 85;
/** A run that takes so many times longer than without a fault is taken for an endless loop. */
const PATIENCE = 8;
const SPARE_MS = 60_000;
const OWN_RUNS = 6;

/** Fewer cases than in `npm test`, and always the same ones, so that a verdict can be repeated. */
const FORGE_ENV = {
  FOUNDRY_OPTIMIZER: "false",
  FOUNDRY_FUZZ_RUNS: "24",
  FOUNDRY_FUZZ_SEED: "0x1",
  FOUNDRY_INVARIANT_RUNS: "3",
  FOUNDRY_INVARIANT_DEPTH: "40",
  FORGE_SNAPSHOT_CHECK: "false",
  FORGE_SNAPSHOT_EMIT: "false",
  FOUNDRY_DYNAMIC_TEST_LINKING: "false",
};

type Verdict = "killed" | "timeout" | "invalid" | "survived";
interface Row extends Omit<Mutant, "from" | "to"> {
  key: string;
  verdict: Verdict;
  /** First test that failed. */
  by?: string;
  /** Hash of the tests that a survivor survived. */
  tests: string;
}

function solidity(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sol"))
    .map((name) => join(folder, name))
    .sort();
}

/** Files of the protocol with code of their own: interfaces and types have none, examples for integrators are no part of it. */
function targets(): string[] {
  return solidity("src").filter(
    (file) => !/^src\/(interfaces|types|consumer)\//.test(file) && new RegExp(options.file).test(file),
  );
}

/** All forge tests but those of gas, whose bars hold for optimized code. */
const allTests = solidity("test").filter((file) => file.endsWith(".t.sol") && !/Gas\.t\.sol$|symbolic/.test(file));

/** Tests by distance from a source file: those most likely to notice a fault come first, what they miss goes to the next. */
const MACHINE = /machine\/(Vectors|Program|JudgeV1|Reader|ProgramValidatorV1)\./;
const GAME = /test\/(DisputeGame|Game\w+)\./;
const STAGES: [source: RegExp, ...tests: RegExp[]][] = [
  [/src\/(randomness|spotcheck)\/|libraries\/Bn254\./, /test\/(randomness|spotcheck)\//],
  [/machine\/instructions\//, /machine\/(Instructions|InstructionRules)\./, /machine\/(Vectors|Program)\./],
  [/machine\/(ProgramValidatorV1|Validation|Rules)\./, /machine\/(ProgramValidatorV1|InstructionRules)\./],
  [/machine\/Reader\./, /machine\/Reader\./, MACHINE],
  [/machine\/DotProduct\./, /machine\/DotProduct\./],
  [/machine\/Numbers\./, /machine\/(Numbers|Instructions)\./, MACHINE],
  [/machine\//, /machine\/(JudgeV1|Instructions|InstructionRules|ProgramValidatorV1)\./, MACHINE],
  [/libraries\/(BinaryTree|Clock|Ratio|RowLib)\./, /test\/Libraries/, GAME],
  [/libraries\/SaltLib\./, /test\/SaltLib/],
  [/libraries\/(Assurance|EasReceipts)\./, /test\/(EnclaveSessions|attestation\/StatementVerifier)\./],
  [/EnclaveRegistry\./, /test\/EnclaveRegistry\./, /test\/(EnclaveSessions|TeeResolver)\./],
  [/libraries\/(TokenStore|GasSchedule)\./, /test\/(Availability|Verdicts)\./],
  [/libraries\/ProgramLib\./, /test\/ModelRegistry/],
  [
    /libraries\/(WalkLib|FoldLib|SubjectLib|PartLib)\.|\/(DisputeGame|GameBase|GameExtension)\./,
    GAME,
    /test\/(RealJudge|LongestGame|Exhaustive)\./,
  ],
  [/libraries\/|src\/rollup\//, /test\/(OtrRollup|Verdicts|Availability)\./, /test\/(attack\/.*|GameEnds)\./],
  [/OtrRollup\./, /test\/OtrRollup\./, /test\/(Verdicts|Availability|attack\/.*)\./],
  [/StakeVault\./, /test\/StakeVault\./, /test\/(OtrRollup|Verdicts)\./],
  [/RequestBook\./, /test\/OtrRequests\./],
  [/attestation\//, /test\/(EnclaveRegistry|attestation\/.*)/],
];

function stagesOf(file: string): string[][] {
  const own = new RegExp(`test/${basename(file, ".sol")}`);
  const [, ...patterns] = STAGES.find(([source]) => source.test(file)) ?? [own, own];
  const left = new Set(allTests);
  return patterns
    .map((pattern) => {
      const stage = [...left].filter((test) => pattern.test(test));
      for (const test of stage) left.delete(test);
      return stage;
    })
    .filter((stage) => stage.length > 0);
}

const hash = (...parts: string[]) => createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 16);

/** A copy of the repository in which forge runs on mutants. */
class Workshop {
  readonly root: string;
  #server: ChildProcess;
  #forgeProcess: ChildProcess | undefined;
  #ready: Promise<void>;
  #mutated: string | undefined;
  #taken = new Map<string, number>();

  constructor(root: string) {
    this.root = root;
    for (const name of ["src", "test", "script", "lib", "snapshots", "deployments", "foundry.toml"])
      if (existsSync(name)) cpSync(name, join(root, name), { recursive: true, verbatimSymlinks: true });
    // Tests that set their own number of fuzz cases get ours.
    for (const file of solidity(join(root, "test"))) {
      const text = readFileSync(file, "utf8");
      const runs = text.replaceAll(
        /forge-config: default\.fuzz\.runs = \d+/g,
        `forge-config: default.fuzz.runs = ${OWN_RUNS}`,
      );
      if (runs !== text) writeFileSync(file, runs);
    }
    symlinkSync(realpathSync("node_modules"), join(root, "node_modules"));
    mkdirSync(join(root, "tools"));
    const socket = join(root, "solc.sock");
    const server = resolve("tools/solc-server.cjs");
    this.#server = spawn(process.execPath, ["--stack-size=8000", server, socket], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#ready = new Promise((done, fail) => {
      this.#server.once("error", fail);
      this.#server.stdout!.once("data", (version: Buffer) => {
        const plain = version.toString().trim().replace(".Emscripten.clang", ".Linux.g++");
        const client = join(root, "tools/client.cjs");
        writeFileSync(
          client,
          `const s = require("node:net").connect(${JSON.stringify(socket)}); process.stdin.pipe(s); s.pipe(process.stdout);\n`,
        );
        const script = `#!/bin/sh\ncase "$*" in *--version*) echo "solc, the solidity compiler commandline interface"; echo "Version: ${plain}";; *) exec "${process.execPath}" "${client}";; esac\n`;
        writeFileSync(join(root, "tools/solc"), script);
        chmodSync(join(root, "tools/solc"), 0o755);
        done();
      });
    });
  }

  /** Runs forge on these tests. Every set of tests has its own build, of just what the tests import. */
  async #forge(tests: string[], limitMs: number): Promise<{ verdict: Verdict; output: string }> {
    await this.#ready;
    const name = `chosen-${hash(...tests)}`;
    const folder = join(this.root, name);
    if (!existsSync(folder)) {
      mkdirSync(folder);
      const imports = tests.map((test) => `import "../${test}";`).join("\n");
      writeFileSync(join(folder, "Chosen.sol"), `pragma solidity ^0.8.30;\n${imports}\n`);
    }
    const env = {
      ...process.env,
      ...FORGE_ENV,
      FOUNDRY_SRC: name,
      FOUNDRY_TEST: name,
      FOUNDRY_SCRIPT: name,
      FOUNDRY_OUT: `${name}/out`,
      FOUNDRY_CACHE_PATH: `${name}/cache`,
    };
    return new Promise((done) => {
      const child = spawn(foundryBinary("forge"), ["test", "--fail-fast", "--no-match-test", "_snapshot_"], {
        cwd: this.root,
        env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      this.#forgeProcess = child;
      let output = "";
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        child.kill("SIGKILL");
      }, limitMs);
      const keep = (chunk: Buffer) => {
        output += chunk.toString();
      };
      child.stdout.on("data", keep);
      child.stderr.on("data", keep);
      child.on("error", (error) => {
        output += error.message;
      });
      child.on("close", (code) => {
        clearTimeout(timer);
        const ran = /\d+ tests passed/.test(output);
        const verdict = late ? "timeout" : code === 0 && ran ? "survived" : ran ? "killed" : "invalid";
        done({ verdict, output });
      });
    });
  }

  /** Time that the tests take on the code as it is. They must pass, or every mutant would count as killed. */
  async #baseline(tests: string[]): Promise<number> {
    const key = hash(...tests);
    const taken = this.#taken.get(key);
    if (taken !== undefined) return taken;
    this.#restore();
    const start = Date.now();
    const { verdict, output } = await this.#forge(tests, 3_600_000);
    if (verdict !== "survived") throw new Error(`Tests fail without a mutant (${verdict}):\n${output.slice(-4000)}`);
    this.#taken.set(key, Date.now() - start);
    return Date.now() - start;
  }

  async judge(mutant: Mutant): Promise<{ verdict: Verdict; by?: string }> {
    for (const tests of stagesOf(mutant.file)) {
      const limit = PATIENCE * (await this.#baseline(tests)) + SPARE_MS;
      this.#restore();
      writeFileSync(join(this.root, mutant.file), apply(sources.get(mutant.file)!, mutant));
      this.#mutated = mutant.file;
      const { verdict, output } = await this.#forge(tests, limit);
      if (verdict === "survived") continue;
      const failed = /\[FAIL[^\n]*\] (\w+)/.exec(output)?.[1];
      return { verdict, ...(failed === undefined ? {} : { by: failed }) };
    }
    return { verdict: "survived" };
  }

  #restore() {
    if (this.#mutated !== undefined) writeFileSync(join(this.root, this.#mutated), sources.get(this.#mutated)!);
    this.#mutated = undefined;
  }

  close() {
    this.#forgeProcess?.kill("SIGKILL");
    this.#server.kill();
    rmSync(this.root, { recursive: true, force: true });
  }
}

const files = targets();
/** As they are now: an edit during the run must not shift mutants. */
const sources = new Map(files.map((file) => [file, readFileSync(file, "utf8")]));
const chosen: { mutant: Mutant; key: string }[] = [];
let population = 0;
for (const file of files) {
  const source = sources.get(file)!;
  const all = mutantsOf(file, source);
  population += all.length;
  const picked = sample(all, Number(options["per-file"]), `${options.seed}/${file}`);
  picked.sort((a, b) => a.from - b.from);
  for (const mutant of picked) chosen.push({ mutant, key: hash(file, apply(source, mutant)) });
}
if (options.list) {
  for (const { mutant: m } of chosen)
    console.log(`${m.file}:${m.line} ${m.operator}: ${oneLine(m.before)} -> ${oneLine(m.after)}`);
  console.log(`${chosen.length} of ${population} mutants`);
  process.exit(0);
}

// A survivor is tried again when the tests have changed; a killed one stays killed.
const testsHash = hash(...solidity("test").map((file) => readFileSync(file, "utf8")));
const known = new Map<string, Row>();
if (existsSync(options.results) && !options.fresh)
  for (const line of readFileSync(options.results, "utf8").split("\n").filter(Boolean)) {
    const row = JSON.parse(line) as Row;
    if (row.verdict !== "survived" || row.tests === testsHash) known.set(row.key, row);
    else known.delete(row.key);
  }
mkdirSync(dirname(options.results), { recursive: true });

const todo = chosen.filter(({ key }) => !known.has(key));
const scratch = mkdtempSync(join(tmpdir(), "otr-mutation-"));
const jobs = Math.max(1, Math.min(Number(options.jobs), todo.length));
const workshops = todo.length === 0 ? [] : Array.from({ length: jobs }, (_, i) => new Workshop(folder(scratch, i)));
const stop = () => {
  for (const workshop of workshops) workshop.close();
  rmSync(scratch, { recursive: true, force: true });
};
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    stop();
    process.exit(130);
  });

const begin = Date.now();
let done = 0;
function progress() {
  const left = ((Date.now() - begin) / Math.max(done, 1)) * (todo.length - done);
  const survivors = chosen.filter(({ key }) => known.get(key)?.verdict === "survived").length;
  const filled = Math.round((24 * done) / Math.max(todo.length, 1));
  const bar = `[${"#".repeat(filled)}${".".repeat(24 - filled)}]`;
  const line = `${bar} ${done}/${todo.length} mutants, ${survivors} survivors, ${Math.ceil(left / 60_000)} min left`;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
  else if (done % 20 === 0) process.stderr.write(`${line}\n`);
}

try {
  // Neighbours share a build, so each workshop takes one stretch of files after the other.
  const queue = [...Map.groupBy(todo, ({ mutant }) => mutant.file).values()];
  await Promise.all(
    workshops.map(async (workshop) => {
      for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
        if (stagesOf(group[0].mutant.file).length === 0) throw new Error(`No tests for ${group[0].mutant.file}`);
        for (const { mutant, key } of group) {
          const { from: _, to: __, ...shown } = mutant;
          const row: Row = { key, ...shown, ...(await workshop.judge(mutant)), tests: testsHash };
          appendFileSync(options.results, `${JSON.stringify(row)}\n`);
          known.set(key, row);
          done++;
          progress();
        }
      }
    }),
  );
} finally {
  stop();
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

const rows = chosen.map(({ key }) => known.get(key)!);
const count = (of: Row[], ...verdicts: Verdict[]) => of.filter(({ verdict }) => verdicts.includes(verdict)).length;
/** Killed among those that compile; endless loops count as killed. */
const summary = (of: Row[]) => {
  const killed = count(of, "killed", "timeout");
  const valid = of.length - count(of, "invalid");
  return {
    mutants: of.length,
    killed,
    invalid: of.length - valid,
    survived: valid - killed,
    score: percent(killed, valid),
  };
};
const total = summary(rows);
const survivors = rows.filter(({ verdict }) => verdict === "survived");
const perFile = Object.fromEntries(files.map((file) => [file, summary(rows.filter((row) => row.file === file))]));
const passed = total.score >= BAR;
if (options.json) {
  const sampling = { seed: options.seed, perFile: Number(options["per-file"]), population };
  console.log(JSON.stringify({ passed, bar: BAR, ...sampling, total, files: perFile, survivors }));
} else {
  for (const [file, s] of Object.entries(perFile))
    console.log(`${file.padEnd(44)} ${s.killed}/${s.mutants - s.invalid} killed, ${s.invalid} do not compile`);
  for (const s of survivors)
    console.log(`survived ${s.file}:${s.line} ${s.operator}: ${oneLine(s.before)} -> ${oneLine(s.after)}`);
  console.log(
    `${total.mutants} of ${population} mutants (seed ${options.seed}): ${total.killed} killed, ${total.survived} survived, ${total.invalid} do not compile; score ${total.score}%, the bar is ${BAR}%`,
  );
}
process.exitCode = passed ? 0 : 1;

function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.floor((1000 * part) / whole) / 10;
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > 100 ? `${line.slice(0, 97)}...` : line || "(nothing)";
}

function folder(parent: string, i: number): string {
  const path = join(parent, String(i));
  mkdirSync(path);
  return path;
}
