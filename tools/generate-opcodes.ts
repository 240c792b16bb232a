/** Writes the files that name opcodes, from the instruction table; with `--check` fails if a committed file differs. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { assemblyOpcodes, cppOpcodes, solidityOpcodes } from "../ts/machine/opcode-files.ts";

const FILES = {
  "src/machine/Opcodes.sol": solidityOpcodes(),
  "ts/engine/wasm/assembly/opcodes.ts": assemblyOpcodes(),
  "ts/engine/native/opcodes.h": cppOpcodes(),
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
