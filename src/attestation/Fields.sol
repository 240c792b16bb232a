// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Fields at known offsets of binary evidence
/// @dev Integers are little-endian, as in quotes and SPDM messages.
library Fields {
    /// @notice A field reaches beyond the bytes.
    error FieldTruncated(uint256 at, uint256 end);
    /// @notice Something at this offset is not what it must be.
    error FieldValue(uint256 at, uint256 expected, uint256 got);

    /// @notice Reverts unless there are `end` bytes of `length`.
    function need(uint256 end, uint256 length) internal pure {
        if (end > length) revert FieldTruncated(end, length);
    }

    /// @notice Reverts unless the field at `at` is as expected.
    function equal(uint256 at, uint256 expected, uint256 got) internal pure {
        if (expected != got) revert FieldValue(at, expected, got);
    }

    /// @notice The number of `size` bytes at `at`; callers have checked the range.
    function little(bytes calldata data, uint256 at, uint256 size) internal pure returns (uint256 value) {
        for (uint256 k = size; k > 0; --k) {
            value = value << 8 | uint8(data[at + k - 1]);
        }
    }
}
