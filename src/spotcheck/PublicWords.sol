// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Packed public words of circuits (docs/spotchecks.md, section 4)
/// @notice Fields from the least significant bit on; `ts/circuits/words.ts` packs the same.
library PublicWords {
    /// @notice A number is larger than the circuits take: the model is beyond their limits.
    error BeyondCircuits(uint256 value, uint256 bits);

    /// @notice Bits of a read.
    uint256 internal constant READ_BITS = 83;

    /// @notice The word with a field of `bits` bits at bit `at`, which was zero.
    function put(uint256 word, uint256 value, uint256 at, uint256 bits) internal pure returns (uint256) {
        // INVARIANT: no field runs over into the next one, so a word says one thing.
        if (value >> bits != 0) revert BeyondCircuits(value, bits);
        return word | value << at;
    }

    /// @notice A flag.
    function flag(bool set, uint256 at) internal pure returns (uint256) {
        return set ? uint256(1) << at : 0;
    }

    /// @notice Element `first` of a row of the step or of the weights.
    function read(uint256 row, uint256 elementType, uint256 length, uint256 first)
        internal
        pure
        returns (uint256 word)
    {
        word = put(put(0, row, 0, 24), elementType, 24, 2);
        word = put(put(word, length, 26, 29), first, 55, 28);
    }

    /// @notice Three reads.
    function reads(uint256 out, uint256 second, uint256 third) internal pure returns (uint256) {
        return out | second << READ_BITS | third << (2 * READ_BITS);
    }
}
