import { INSTRUCTIONS, type InstructionName } from "./table.ts";

/** Source of `src/machine/Opcodes.sol`: the opcodes of the instruction table as Solidity constants. */
export function solidityOpcodes(): string {
  return [
    "// SPDX-License-Identifier: MIT",
    "pragma solidity ^0.8.30;",
    "",
    GENERATED,
    "",
    "/// @title Opcodes of machine version 1 (docs/machine.md, section 3)",
    "library Opcodes {",
    ...opcodes((name, opcode) => `    uint8 internal constant ${name} = ${opcode};`),
    "}",
    "",
  ].join("\n");
}

/** Source of `ts/engine/wasm/assembly/opcodes.ts`: the same in AssemblyScript. */
export function assemblyOpcodes(): string {
  return [GENERATED, "", ...opcodes((name, opcode) => `export const ${name} = ${opcode};`), ""].join("\n");
}

/** Source of `ts/engine/native/opcodes.h`: the same in C++. */
export function cppOpcodes(): string {
  return [
    GENERATED,
    "#pragma once",
    "",
    "enum Opcode {",
    ...opcodes((name, opcode) => `  ${name} = ${opcode},`),
    "};",
    "",
  ].join("\n");
}

const GENERATED = "// Generated from ts/machine/table.ts by tools/generate-opcodes.ts: do not edit.";

function opcodes(line: (name: string, opcode: string) => string): string[] {
  return (Object.keys(INSTRUCTIONS) as InstructionName[]).map((name) =>
    line(name.toUpperCase(), `0x${INSTRUCTIONS[name].opcode.toString(16).padStart(2, "0")}`),
  );
}
