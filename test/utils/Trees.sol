// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BinaryTree} from "src/libraries/BinaryTree.sol";

/// @title Whole trees in memory, with openings and reveals
/// @dev Written from docs/protocol.md, section 1, apart from the verifier in `BinaryTree`, of which it takes `parent` only.
library Trees {
    struct Tree {
        bytes32[][] levels;
    }

    function over(bytes32[] memory leaves) internal pure returns (Tree memory tree) {
        uint256 depth;
        for (uint256 w = leaves.length; w > 1; w = (w + 1) / 2) {
            ++depth;
        }
        tree.levels = new bytes32[][](depth + 1);
        tree.levels[0] = leaves;
        for (uint256 level = 1; level <= depth; ++level) {
            bytes32[] memory below = tree.levels[level - 1];
            bytes32[] memory nodes = new bytes32[]((below.length + 1) / 2);
            for (uint256 i; i < nodes.length; ++i) {
                nodes[i] = BinaryTree.parent(below[2 * i], 2 * i + 1 < below.length ? below[2 * i + 1] : bytes32(0));
            }
            tree.levels[level] = nodes;
        }
    }

    function count(Tree memory tree) internal pure returns (uint256) {
        return tree.levels[0].length;
    }

    function depthOf(Tree memory tree) internal pure returns (uint256) {
        return tree.levels.length - 1;
    }

    function top(Tree memory tree) internal pure returns (bytes32) {
        return tree.levels[tree.levels.length - 1][0];
    }

    function root(Tree memory tree, bytes32 tag) internal pure returns (bytes32) {
        return keccak256(abi.encode(tag, count(tree), top(tree)));
    }

    /// @notice Siblings of the range opening of leaves `lo..hi`, up to the top.
    function range(Tree memory tree, uint256 lo, uint256 hi) internal pure returns (bytes memory) {
        return range(tree, lo, hi, 0, depthOf(tree));
    }

    /// @notice Siblings of leaf `index`.
    function siblings(Tree memory tree, uint256 index) internal pure returns (bytes memory) {
        return range(tree, index, index, 0, depthOf(tree));
    }

    /// @notice Siblings of the range `lo..hi` of `level`, up to `toLevel`.
    function range(Tree memory tree, uint256 lo, uint256 hi, uint256 level, uint256 toLevel)
        internal
        pure
        returns (bytes memory out)
    {
        for (; level < toLevel; ++level) {
            bytes32[] memory nodes = tree.levels[level];
            if (lo % 2 == 1) out = bytes.concat(out, nodes[lo - 1]);
            if (hi % 2 == 0 && hi + 1 < nodes.length) out = bytes.concat(out, nodes[hi + 1]);
            (lo, hi) = (lo / 2, hi / 2);
        }
    }

    /// @notice Existing descendants of a node, `levels` below.
    function descendants(Tree memory tree, uint256 level, uint256 index, uint256 levels)
        internal
        pure
        returns (bytes32[] memory out)
    {
        bytes32[] memory nodes = tree.levels[level - levels];
        uint256 from = index << levels;
        uint256 end = from + (1 << levels);
        if (end > nodes.length) end = nodes.length;
        out = new bytes32[](end - from);
        for (uint256 i = from; i < end; ++i) {
            out[i - from] = nodes[i];
        }
    }

    /// @notice What a move shows of the whole tree: the top's descendants, at most four levels down.
    function first(Tree memory tree) internal pure returns (bytes32[] memory) {
        uint256 depth = depthOf(tree);
        return descendants(tree, depth, 0, depth < 4 ? depth : 4);
    }
}
