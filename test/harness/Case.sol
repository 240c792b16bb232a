// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice One row of an operand in plain: its number (0 for a row, the position for a cache, the number within the range for
///         weights) and its little-endian bytes without padding.
struct PlainRow {
    uint256 number;
    bytes data;
}

/// @notice An instruction, what its step depends on, operands in plain, and the elements to compute.
struct Case {
    bytes instruction;
    uint32 t;
    uint32 nIn;
    uint32 token;
    bytes32 requestHash;
    uint32 temperature;
    PlainRow[] a;
    PlainRow[] b;
    PlainRow[] c;
    uint256[] elements;
}

/// @notice A read that an evaluation made: operand descriptor and place (0, 1, 2 for a, b, c), row number and elements.
struct Read {
    uint256 operand;
    uint256 row;
    uint256 first;
    uint256 count;
}
