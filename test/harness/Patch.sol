// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Changes to encoded instructions
library Patch {
    /// @dev Where operands begin.
    uint256 private constant OPERANDS = 32;
    uint256 private constant OPERAND_BYTES = 16;

    /// @notice Overwrites `size` bytes at `offset` with the low bytes of `value`, big-endian.
    function field(bytes memory instruction, uint256 offset, uint256 size, uint256 value)
        internal
        pure
        returns (bytes memory out)
    {
        out = bytes.concat(instruction);
        for (uint256 k; k < size; ++k) {
            out[offset + k] = bytes1(uint8(value >> (8 * (size - 1 - k))));
        }
    }

    /// @notice Gives the operands different indices, and caches a slot: 3, 50 and 170, for weights far apart.
    function indices(bytes memory instruction) internal pure returns (bytes memory out) {
        out = bytes.concat(instruction);
        for (uint256 place; place < 3; ++place) {
            uint256 at = OPERANDS + place * OPERAND_BYTES;
            uint8 kind = uint8(out[at]);
            if (kind == 1 || kind == 2) out = field(out, at + 4, 4, [uint256(3), 50, 170][place]);
            if (kind == 2) out = field(out, at + 12, 4, 37);
            if (kind == 3) out = field(out, at + 4, 4, 11111 * (place + 1));
        }
    }
}
