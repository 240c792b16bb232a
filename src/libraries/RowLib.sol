// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Tags} from "./Tags.sol";

/// @title Rows: chunks, leaves and elements (docs/protocol.md, section 1; docs/machine.md, section 1)
library RowLib {
    /// @notice Bytes of a chunk: one SHA-256 leaf.
    uint256 internal constant CHUNK = 32;

    /// @notice Chunks of a row of `length` elements of type `elementType`.
    function chunkCount(uint8 elementType, uint256 length) internal pure returns (uint256) {
        uint256 chunks = ((length << elementType) + CHUNK - 1) / CHUNK;
        return chunks == 0 ? 1 : chunks;
    }

    /// @notice Leaf of a row in fine, cache and weights trees.
    function leaf(uint8 elementType, uint32 length, bytes32 byteRoot) internal pure returns (bytes32) {
        return keccak256(abi.encode(Tags.ROW, elementType, length, byteRoot));
    }

    /// @notice SHA-256 leaves of whole chunks.
    function chunkLeaves(bytes calldata chunks) internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](chunks.length / CHUNK);
        bool failed;
        // SAFETY: copies whole chunks over `leaves` and hashes each in its place by the precompile SHA-256 (2), which fails only for want of
        // gas.
        assembly ("memory-safe") {
            let at := add(leaves, 0x20)
            let end := add(at, shl(5, mload(leaves)))
            calldatacopy(at, chunks.offset, sub(end, at))
            for {} lt(at, end) { at := add(at, 0x20) } {
                failed := or(failed, iszero(staticcall(gas(), 2, at, 0x20, at, 0x20)))
            }
        }
        if (failed) revert();
    }

    /// @notice Number of the chunk that holds an element.
    function chunkOf(uint8 elementType, uint256 element) internal pure returns (uint256) {
        return (element << elementType) / CHUNK;
    }

    /// @notice An element of the chunk that holds it: two's complement, little-endian.
    function elementAt(bytes32 chunk, uint8 elementType, uint256 element) internal pure returns (int256 value) {
        uint256 size = uint256(1) << elementType;
        uint256 first = (element << elementType) % CHUNK;
        uint256 bits;
        for (uint256 i; i < size; ++i) {
            bits |= uint256(uint8(chunk[first + i])) << (8 * i);
        }
        uint256 byteIndex = size - 1;
        // SAFETY: no memory; `signextend` reads the sign from byte `size - 1`.
        assembly ("memory-safe") {
            value := signextend(byteIndex, bits)
        }
    }
}
