// The part of solc's command line that Foundry uses (`--version`, `--standard-json`), over the npm package `solc`.
// Why: Foundry downloads its compiler; here the lock file pins it instead, and nothing is fetched after `npm ci`.
const { readFileSync } = require("node:fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  process.stdout.write(
    `solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace(".Emscripten.clang", ".Linux.g++")}\n`,
  );
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  process.stderr.write("tools/solc answers only --version and --standard-json\n");
  process.exit(1);
}
