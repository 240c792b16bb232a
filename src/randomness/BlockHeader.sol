// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What is read of an RLP-encoded block header
/// @notice The caller knows the header's hash, or rejects it: nothing here checks more than that fields can be read.
library BlockHeader {
    /// @notice Parent, number and time of a block; all zero but `ok` if they cannot be read.
    struct Fields {
        bool ok;
        bytes32 parentHash;
        uint256 number;
        uint256 time;
    }

    uint256 private constant NUMBER = 8;
    uint256 private constant TIMESTAMP = 11;
    /// @dev A header is longer than 255 bytes, for its bloom filter has 256, and shorter than 65,536.
    bytes1 private constant LIST_OF_TWO_LENGTH_BYTES = 0xf9;

    /// @notice Bytes of the list that begins at the front of `data`; zero if no header does.
    function size(bytes calldata data) internal pure returns (uint256) {
        if (data.length < 3 || data[0] != LIST_OF_TWO_LENGTH_BYTES) return 0;
        return 3 + uint16(bytes2(data[1:3]));
    }

    /// @notice Reads a header.
    function read(bytes calldata header) internal pure returns (Fields memory fields) {
        bool ok;
        bytes32 parentHash;
        uint256 height;
        uint256 time;
        uint256 cursor = 3;
        // SAFETY: reads calldata only. What lies behind the header may be read, but then the cursor ends behind it too, and nothing is returned.
        // An item is at most 65,538 bytes long, so that the cursor cannot wrap.
        assembly ("memory-safe") {
            ok := eq(byte(0, calldataload(add(header.offset, cursor))), 0xa0)
            parentHash := calldataload(add(header.offset, add(cursor, 1)))
            for { let i := 0 } lt(i, 12) { i := add(i, 1) } {
                let word := calldataload(add(header.offset, cursor))
                let head := byte(0, word)
                let length := 1
                let value := head
                if gt(head, 0x7f) {
                    length := sub(head, 0x7f)
                    // The string's bytes, at most 32 of them, as a number. No shift of 256 bits or more leaves anything.
                    let rest := calldataload(add(header.offset, add(cursor, 1)))
                    value := shr(shl(3, sub(0x21, length)), rest)
                    if gt(length, 0x21) {
                        value := 0
                        if or(eq(i, NUMBER), eq(i, TIMESTAMP)) { ok := 0 }
                    }
                    // Strings of 56 bytes or more say their length in further bytes: two at most in a header. Lists do not occur.
                    if gt(head, 0xb7) {
                        if gt(head, 0xb9) { ok := 0 }
                        length := add(sub(head, 0xb6), shr(sub(256, shl(3, sub(head, 0xb7))), shl(8, word)))
                        if gt(head, 0xb9) { length := 1 }
                    }
                }
                if eq(i, NUMBER) { height := value }
                if eq(i, TIMESTAMP) { time := value }
                cursor := add(cursor, length)
            }
            ok := and(ok, iszero(gt(cursor, header.length)))
        }
        if (ok) fields = Fields(ok, parentHash, height, time);
    }
}
