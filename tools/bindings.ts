// Generates ts/chain/generated.ts from Foundry's output with @wagmi/cli; build first. `--check` fails if the committed file
// differs, and leaves it as it was.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const FILE = "ts/chain/generated.ts";
const before = readFileSync(FILE, "utf8");
const { status, stdout, stderr } = spawnSync("wagmi", ["generate"], { encoding: "utf8" });
if (status !== 0) {
  process.stderr.write(stdout + stderr);
  process.exit(1);
}
const after = readFileSync(FILE, "utf8");
if (process.argv.includes("--check") && after !== before) {
  writeFileSync(FILE, before);
  console.error(`${FILE} is out of date. Run: npm run bindings`);
  process.exit(1);
}
console.log(after === before ? `${FILE} is up to date` : `wrote ${FILE}`);
