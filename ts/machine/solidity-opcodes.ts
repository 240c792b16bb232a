import { INSTRUCTIONS, type InstructionName, OPERAND_KINDS, ROLES } from "./table.ts";
import { ELEMENT_CODE, ELEMENT_TYPES } from "./types.ts";

/** Source of `src/machine/Opcodes.sol`: the codes of the instruction table as Solidity constants. */
export function solidityOpcodes(): string {
  const constant = (name: string, value: number) =>
    `    uint8 internal constant ${name.toUpperCase()} = 0x${value.toString(16).padStart(2, "0")};`;
  const names = Object.keys(INSTRUCTIONS) as InstructionName[];
  return [
    "// SPDX-License-Identifier: MIT",
    "pragma solidity ^0.8.30;",
    "",
    "// Generated from ts/machine/table.ts by tools/generate-opcodes.ts: do not edit.",
    "",
    "/// @title Codes of machine version 1",
    "/// @notice docs/machine.md, sections 2 and 3.",
    "library Opcodes {",
    ...names.map((name) => constant(name, INSTRUCTIONS[name].opcode)),
    "",
    ...ELEMENT_TYPES.map((type) => constant(`TYPE_${type}`, ELEMENT_CODE[type])),
    "",
    ...ROLES.map((role, code) => constant(`ROLE_${role}`, code)),
    "",
    ...OPERAND_KINDS.map((kind, code) => constant(`OPERAND_${kind}`, code)),
    "}",
    "",
  ].join("\n");
}
