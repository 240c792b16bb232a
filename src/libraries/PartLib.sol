// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BinaryTree} from "./BinaryTree.sol";

/// @title Trees too long for one transaction, in parts
/// @notice A part is the subtree of 2^11 leaves, or of the whole tree if that is smaller. The parts' nodes lead to the tree's top. So many
///         tokens of 32 bytes, or records of 36, make a transaction of at most 85 kB: nodes' pools refuse those beyond 128 KiB.
library PartLib {
    /// @notice Levels of a part.
    uint256 internal constant LEVELS = 11;

    /// @notice Number of parts of a tree of `n` leaves.
    function count(uint256 n) internal pure returns (uint256) {
        return BinaryTree.width(n, LEVELS);
    }

    /// @notice First leaf of a part, and how many it has.
    function range(uint256 n, uint256 part) internal pure returns (uint256 first, uint256 leaves) {
        return (part << LEVELS, BinaryTree.descendants(n, LEVELS, part, LEVELS));
    }

    /// @notice Node of a part from its leaves, which are overwritten.
    function nodeOf(bytes32[] memory leaves, uint256 n) internal pure returns (bytes32) {
        return BinaryTree.fold(leaves, _levels(n));
    }

    /// @notice Top of the tree from the nodes of all parts, which are overwritten.
    function topOf(bytes32[] memory nodes, uint256 n) internal pure returns (bytes32) {
        return BinaryTree.fold(nodes, BinaryTree.depth(n) - _levels(n));
    }

    function _levels(uint256 n) private pure returns (uint256) {
        uint256 depth = BinaryTree.depth(n);
        return depth < LEVELS ? depth : LEVELS;
    }
}
