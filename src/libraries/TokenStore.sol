// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev Where a list of tokens lies. Up to seven tokens: themselves, four bytes each from the top, and their number in the lowest byte.
///      More: the address whose code holds them, from the top, and `IN_CODE` in the lowest byte. Zero: nothing.
type StoredTokens is bytes32;

/// @title Lists of tokens that other contracts can read, stored cheaply
/// @notice 200 gas a byte as code of a contract that does nothing (EIP-170 sets the end: 6,143 tokens); short answers need one word.
library TokenStore {
    /// @notice The code could not be stored.
    error StoringFailed(uint256 tokens);

    uint256 private constant INLINE = 7;
    uint256 private constant IN_CODE = 0xff;

    /// @notice Stores at least one token.
    function write(uint32[] calldata tokens) internal returns (StoredTokens stored) {
        uint256 count = tokens.length;
        bytes memory packed = new bytes(4 * count + 32);
        // SAFETY: word `i` of calldata lies within `tokens`; it is written, shifted to four bytes, at `4 * i`, and its 28 zero bytes end
        // within `packed`, which is 32 bytes longer than the tokens.
        assembly ("memory-safe") {
            let to := add(packed, 0x20)
            let from := tokens.offset
            for { let end := add(from, shl(5, count)) } lt(from, end) { from := add(from, 0x20) } {
                mstore(to, shl(224, calldataload(from)))
                to := add(to, 4)
            }
        }
        if (count <= INLINE) {
            bytes32 word;
            // SAFETY: reads the first word of `packed`, whose bytes after the tokens are zero.
            assembly ("memory-safe") {
                word := or(mload(add(packed, 0x20)), count)
            }
            return StoredTokens.wrap(word);
        }
        address holder;
        // SAFETY: the word before the tokens, which is the length of `packed`, becomes the ten bytes that return what follows them, and
        // a first byte 0 (STOP) of the code: nobody can run it. `packed` is used no more.
        assembly ("memory-safe") {
            mstore(packed, or(0x61000080600a3d393df300, shl(64, add(shl(2, count), 1))))
            holder := create(0, add(packed, 0x15), add(shl(2, count), 0x0b))
        }
        if (holder == address(0)) revert StoringFailed(count);
        return StoredTokens.wrap(bytes32((uint256(uint160(holder)) << 96) | IN_CODE));
    }

    /// @notice The tokens; none if nothing is stored.
    function read(StoredTokens stored) internal view returns (uint32[] memory tokens) {
        uint256 word = uint256(StoredTokens.unwrap(stored));
        uint256 count = word & 0xff;
        address holder;
        if (count == IN_CODE) {
            holder = address(uint160(word >> 96));
            count = (holder.code.length - 1) / 4;
        }
        tokens = new uint32[](count);
        if (count == 0) return tokens;
        // SAFETY: the packed tokens are put at the end of `tokens`, whose size is eight times theirs; token `i` is read from there before
        // a word at or behind its place is written, because words are filled from the front: word `i` ends at `32 * (i + 1)`, and what is
        // not read yet begins at `28 * count + 4 * (i + 1)`, which is not less while `i < count`.
        assembly ("memory-safe") {
            let first := add(tokens, 0x20)
            let from := add(first, mul(28, count))
            switch holder
            case 0 {
                for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                    mstore(add(first, shl(5, i)), and(shr(sub(224, shl(5, i)), word), 0xffffffff))
                }
            }
            default {
                extcodecopy(holder, from, 1, shl(2, count))
                for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                    let token := shr(224, mload(add(from, shl(2, i))))
                    mstore(add(first, shl(5, i)), token)
                }
            }
        }
    }

    /// @notice Whether something is stored.
    function exists(StoredTokens stored) internal pure returns (bool) {
        return StoredTokens.unwrap(stored) != 0;
    }
}
