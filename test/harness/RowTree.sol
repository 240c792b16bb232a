// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BinaryTree} from "src/libraries/BinaryTree.sol";

/// @title The tree of a row's bytes `B(row)`, whole in memory
library RowTree {
    /// @notice Chunk `k`, the last one padded with zeros.
    function chunk(bytes calldata data, uint256 k) internal pure returns (bytes32) {
        uint256 end = 32 * k + 32 < data.length ? 32 * k + 32 : data.length;
        return bytes32(data[32 * k:end]);
    }

    /// @notice Top of the tree.
    function top(bytes calldata data) internal pure returns (bytes32 node) {
        (node,) = open(data, 0, 0);
    }

    /// @notice Top, and the siblings of the range opening of chunks `lo..hi`.
    function open(bytes calldata data, uint256 lo, uint256 hi)
        internal
        pure
        returns (bytes32 node, bytes memory siblings)
    {
        bytes32[] memory level = new bytes32[]((data.length + 31) / 32);
        for (uint256 k; k < level.length; ++k) {
            level[k] = sha256(abi.encode(chunk(data, k)));
        }
        for (uint256 width = level.length; width > 1; width = (width + 1) / 2) {
            if (lo & 1 == 1) siblings = bytes.concat(siblings, level[lo - 1]);
            if (hi & 1 == 0 && hi + 1 < width) siblings = bytes.concat(siblings, level[hi + 1]);
            (lo, hi) = (lo / 2, hi / 2);
            for (uint256 k; k < width; k += 2) {
                level[k / 2] = BinaryTree.parent(level[k], k + 1 < width ? level[k + 1] : bytes32(0));
            }
        }
        node = level[0];
    }
}
