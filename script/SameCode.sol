// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Whether two contracts run the same code
/// @notice Runtime code holds addresses that differ between two deployments of one contract: its own, those of contracts that its constructor
///         made, those of libraries that it is linked to. All else, other immutables too, must be equal byte for byte.
library SameCode {
    /// @notice Whether `found` runs what `fresh` does, each address of `own` standing in for whatever `found` has in its place. What `found`
    ///         has there must run the same code in turn; in place of `fresh` itself it is `found`.
    function isSame(address found, address fresh, address[] memory own) internal view returns (bool) {
        bytes memory got = found.code;
        bytes memory expected = fresh.code;
        if (got.length != expected.length || got.length == 0) return false;
        if (!_replace(got, expected, found, fresh)) return false;
        for (uint256 i; i < own.length; ++i) {
            uint256 at = _find(expected, own[i], 0);
            if (at == expected.length) continue;
            address counterpart = _addressAt(got, at);
            if (counterpart == own[i]) continue;
            if (!isSame(counterpart, own[i], new address[](0)) || !_replace(got, expected, counterpart, own[i])) {
                return false;
            }
        }
        return keccak256(got) == keccak256(expected);
    }

    /// @dev Where `expected` has `by`, `got` must have `old`; there `got` gets `by` too.
    function _replace(bytes memory got, bytes memory expected, address old, address by) private pure returns (bool) {
        for (uint256 at; (at = _find(expected, by, at)) < expected.length; at += 20) {
            if (_addressAt(got, at) != old) return false;
            bytes20 word = bytes20(by);
            for (uint256 k; k < 20; ++k) {
                got[at + k] = word[k];
            }
        }
        return true;
    }

    /// @dev Offset of an address in code, from `start` on; the code's length if it is not there.
    function _find(bytes memory code, address what, uint256 start) private pure returns (uint256 at) {
        uint256 length = code.length;
        // SAFETY: reads within `code`, and up to 12 bytes beyond its last 20, which are shifted out.
        assembly ("memory-safe") {
            let last := sub(length, 20)
            at := start
            for {} iszero(gt(at, last)) { at := add(at, 1) } {
                if eq(shr(96, mload(add(add(code, 0x20), at))), what) { break }
            }
            if gt(at, last) { at := length }
        }
    }

    function _addressAt(bytes memory code, uint256 at) private pure returns (address what) {
        // SAFETY: as above; the caller has found 20 bytes at this place.
        assembly ("memory-safe") {
            what := shr(96, mload(add(add(code, 0x20), at)))
        }
    }
}
