/**
 * Writes the files that name opcodes, from the instruction table, and C++'s copy of the plan's layout; with `--check` fails if a committed
 * file differs.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import * as layout from "../ts/engine/plan/layout.ts";
import { assemblyOpcodes, cppOpcodes, solidityOpcodes } from "../ts/machine/opcode-files.ts";

const layoutHeader = [
  "// Generated from ts/engine/plan/layout.ts by tools/generate-opcodes.ts: do not edit.",
  "#pragma once",
  "",
  "enum Layout {",
  ...Object.entries(layout).map(([name, value]) => `  ${name} = ${value},`),
  "};",
  "",
].join("\n");

const FILES = {
  "src/machine/Opcodes.sol": solidityOpcodes(),
  "ts/engine/wasm/assembly/opcodes.ts": assemblyOpcodes(),
  "ts/engine/native/opcodes.h": cppOpcodes(),
  "ts/engine/native/layout.h": layoutHeader,
};

for (const [name, source] of Object.entries(FILES)) {
  const file = fileURLToPath(new URL(`../${name}`, import.meta.url));
  if (!process.argv.includes("--check")) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, source);
  } else if (readFileSync(file, "utf8") !== source) {
    console.error(`${name} is out of date. Run: npx tsx tools/generate-opcodes.ts`);
    process.exitCode = 1;
  }
}
