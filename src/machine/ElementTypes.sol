// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Element types of rows (docs/machine.md, section 1)
/// @notice A type of code c has `2^c` bytes, two's complement, little-endian.
library ElementTypes {
    uint8 internal constant I8 = 0;
    uint8 internal constant I16 = 1;
    uint8 internal constant I32 = 2;
    uint8 internal constant I64 = 3;

    /// @notice Saturation bits of a type: 7, 15, 31, 63.
    function bits(uint256 elementType) internal pure returns (uint256) {
        return (8 << elementType) - 1;
    }

    /// @notice 32-byte chunks of a row of `length` elements.
    function chunks(uint256 elementType, uint256 length) internal pure returns (uint256) {
        return ((length << elementType) + 31) >> 5;
    }

    /// @notice Element number `index` of those that begin at memory address `pointer`.
    function load(uint256 elementType, uint256 pointer, uint256 index) internal pure returns (int256 value) {
        // SAFETY: reads memory only. The 8 bytes at the element are reversed as a whole; its own bytes are then the lowest
        // ones, and the sign extension drops the rest.
        assembly ("memory-safe") {
            let x := shr(192, mload(add(pointer, shl(elementType, index))))
            x := or(shr(8, and(x, 0xff00ff00ff00ff00)), shl(8, and(x, 0x00ff00ff00ff00ff)))
            x := or(shr(16, and(x, 0xffff0000ffff0000)), shl(16, and(x, 0x0000ffff0000ffff)))
            x := or(shr(32, x), shl(32, and(x, 0xffffffff)))
            value := signextend(sub(shl(elementType, 1), 1), x)
        }
    }
}
