// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction, Operand} from "./Instruction.sol";

/// @title Names of the rules that a program obeys (docs/machine.md, "Limits that the validator enforces")
/// @dev `InvalidInstruction.rule` is one of them.
library Rule {
    bytes32 internal constant NONE = 0;
    /// @dev The chunk is not whole instructions.
    bytes32 internal constant BYTES = "bytes";
    /// @dev The model's context has no positions, or too many.
    bytes32 internal constant CONTEXT = "context";
    /// @dev The opcode is not part of this machine version.
    bytes32 internal constant OPCODE = "opcode";
    /// @dev A byte that must be zero is not.
    bytes32 internal constant RESERVED = "reserved";
    /// @dev Type of the row made.
    bytes32 internal constant OUT_TYPE = "out-type";
    bytes32 internal constant OUT_MODE = "out-mode";
    bytes32 internal constant OUT_LENGTH = "out-length";
    bytes32 internal constant ROLE = "role";
    bytes32 internal constant CACHE_SLOT = "cache-slot";
    /// @dev The token row is i64 of length 2, and the last.
    bytes32 internal constant TOKEN_ROW = "token-row";
    bytes32 internal constant AFTER_TOKEN = "after-token";
    /// @dev The operand kind does not exist.
    bytes32 internal constant OPERAND_KIND = "operand-kind";
    /// @dev An operand comes from an instruction that is not before this one.
    bytes32 internal constant OPERAND_ORDER = "operand-order";
    /// @dev An operand is described otherwise than its producer.
    bytes32 internal constant OPERAND_SHAPE = "operand-shape";
    /// @dev A cache operand names a row that is not cached, or another slot.
    bytes32 internal constant OPERAND_CACHE = "operand-cache";
    /// @dev A weight range leaves the weights, or is empty, per-position or too long.
    bytes32 internal constant OPERAND_WEIGHTS = "operand-weights";
    /// @dev A field that the operand's kind does not use is not zero.
    bytes32 internal constant OPERAND_UNUSED = "operand-unused";
    /// @dev Kind and type of an operand, or its shape beside the others, do not suit the instruction.
    bytes32 internal constant OPERAND_A = "operand-a";
    bytes32 internal constant OPERAND_B = "operand-b";
    bytes32 internal constant OPERAND_C = "operand-c";
    /// @dev Lengths do not fall into groups or heads.
    bytes32 internal constant GROUPS = "groups";
    /// @dev A parameter is out of its range, or not zero where there is none.
    bytes32 internal constant PARAMETER = "parameter";
    /// @dev Rows so long that an accumulator could leave its bound on honest rows.
    bytes32 internal constant BOUND = "bound";
}

/// @title What an operand or a row may be: sets of (kind, type) pairs and of types
library Accept {
    uint256 internal constant NONE = 1;
    uint256 internal constant ROW_I8 = 1 << 4;
    uint256 internal constant ROW_I16 = 1 << 5;
    uint256 internal constant ROW_I32 = 1 << 6;
    uint256 internal constant ROW_I64 = 1 << 7;
    uint256 internal constant CACHE_I16 = 1 << 9;
    uint256 internal constant WEIGHTS_I8 = 1 << 12;
    uint256 internal constant WEIGHTS_I16 = 1 << 13;
    uint256 internal constant WEIGHTS_I32 = 1 << 14;
    uint256 internal constant TOKEN = 1 << 16;

    uint256 internal constant I8 = 1;
    uint256 internal constant I16 = 2;
    uint256 internal constant I32 = 4;
    uint256 internal constant I64 = 8;

    /// @notice Whether the operand's (kind, type) is in the set.
    function has(uint256 set, Operand operand) internal pure returns (bool) {
        return (set >> (operand.kind() * 4 + operand.elementType())) & 1 == 1;
    }
}

/// @title Checks that instructions share
library Rules {
    uint256 internal constant MAX_LENGTH = 1 << 24;
    uint256 internal constant MAX_CONTEXT = 1 << 22;
    uint256 internal constant MAX_POSITIONS_LENGTH = 1 << 28;

    /// @notice Checks an instruction's types against its line of the table, and that it has `parameters` parameters.
    /// @return broken The rule that is broken, or none.
    function signature(Instruction i, uint256 outTypes, uint256 a, uint256 b, uint256 c, uint256 parameters)
        internal
        pure
        returns (bytes32 broken)
    {
        if ((outTypes >> i.outType()) & 1 == 0) return Rule.OUT_TYPE;
        if (!Accept.has(a, i.a())) return Rule.OPERAND_A;
        if (!Accept.has(b, i.b())) return Rule.OPERAND_B;
        if (!Accept.has(c, i.c())) return Rule.OPERAND_C;
        if (i.parametersFrom(parameters) != 0) return Rule.PARAMETER;
    }

    /// @notice Whether parameter `number` is in `lo..hi`.
    function within(Instruction i, uint256 number, int256 lo, int256 hi) internal pure returns (bool) {
        int256 value = i.p(number);
        return lo <= value && value <= hi;
    }

    /// @notice Whether parameter `number` is a shift or an exponent.
    function isShift(Instruction i, uint256 number) internal pure returns (bool) {
        return within(i, number, 0, 62);
    }

    /// @notice Whether parameter `number` is a width that an i32 can have.
    function isBits(Instruction i, uint256 number) internal pure returns (bool) {
        return within(i, number, 1, 31);
    }

    /// @notice Whether the operand is a table: one weight row of this length.
    function isTable(Operand operand, uint256 length) internal pure returns (bool) {
        return operand.count() == 1 && operand.length() == length;
    }

    /// @notice Whether the operand has this stated length and is not per position.
    function isFixed(Operand operand, uint256 length) internal pure returns (bool) {
        return operand.length() == length && operand.mode() == 0;
    }
}
