import { INSTRUCTIONS, type InstructionName } from "./table.ts";

/** Source of `src/machine/Opcodes.sol`: the opcodes of the instruction table as Solidity constants. */
export function solidityOpcodes(): string {
  const names = Object.keys(INSTRUCTIONS) as InstructionName[];
  return [
    "// SPDX-License-Identifier: MIT",
    "pragma solidity ^0.8.30;",
    "",
    "// Generated from ts/machine/table.ts by tools/generate-opcodes.ts: do not edit.",
    "",
    "/// @title Opcodes of machine version 1 (docs/machine.md, section 3)",
    "library Opcodes {",
    ...names.map((name) => {
      const opcode = INSTRUCTIONS[name].opcode.toString(16).padStart(2, "0");
      return `    uint8 internal constant ${name.toUpperCase()} = 0x${opcode};`;
    }),
    "}",
    "",
  ].join("\n");
}
