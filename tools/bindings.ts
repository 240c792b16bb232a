// Generates ts/chain/generated.ts from out/ (run `forge build` first). `--check` fails if the committed file differs.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const FILE = "ts/chain/generated.ts";
const check = process.argv.includes("--check");

const before = check ? readFileSync(FILE, "utf8") : "";
const { status, stdout, stderr } = spawnSync("wagmi", ["generate"], { encoding: "utf8" });
if (status !== 0) {
  console.error(`${stdout}${stderr}`);
  process.exit(status ?? 1);
}
if (check) {
  const after = readFileSync(FILE, "utf8");
  writeFileSync(FILE, before);
  if (after !== before) {
    console.error(`${FILE} is not what the contracts say: run \`npm run bindings\`.`);
    process.exit(1);
  }
}
