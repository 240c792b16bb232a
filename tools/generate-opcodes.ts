/** Writes src/machine/Opcodes.sol from the instruction table; with `--check` fails if the committed file differs. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { solidityOpcodes } from "../ts/machine/solidity-opcodes.ts";

const folder = new URL("../src/machine/", import.meta.url);
const file = new URL("Opcodes.sol", folder);
const source = solidityOpcodes();

if (process.argv.includes("--check")) {
  if (readFileSync(file, "utf8") !== source) {
    console.error("src/machine/Opcodes.sol is out of date. Run: npx tsx tools/generate-opcodes.ts");
    process.exitCode = 1;
  }
} else {
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, source);
}
