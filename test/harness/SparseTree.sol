// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BinaryTree} from "src/libraries/BinaryTree.sol";

/// @title A tree of any size of which only some leaves are known
/// @dev Nodes above no known leaf are pseudo-random, so that openings in trees of real size cost nothing to make.
library SparseTree {
    struct Tree {
        uint256 n;
        mapping(uint256 level => mapping(uint256 index => bool)) covered;
        mapping(uint256 index => bytes32) leaves;
    }

    function set(Tree storage tree, uint256 index, bytes32 leaf) internal {
        tree.leaves[index] = leaf;
        uint256 depth = BinaryTree.depth(tree.n);
        for (uint256 level; level <= depth; ++level) {
            tree.covered[level][index >> level] = true;
        }
    }

    function node(Tree storage tree, uint256 level, uint256 index) internal view returns (bytes32) {
        if (index >= BinaryTree.width(tree.n, level)) return 0;
        if (!tree.covered[level][index]) return keccak256(abi.encode("filler", tree.n, level, index));
        if (level == 0) return tree.leaves[index];
        return BinaryTree.parent(node(tree, level - 1, 2 * index), node(tree, level - 1, 2 * index + 1));
    }

    function top(Tree storage tree) internal view returns (bytes32) {
        return node(tree, BinaryTree.depth(tree.n), 0);
    }

    /// @notice Siblings of the range opening of leaves `lo..hi`.
    function siblings(Tree storage tree, uint256 lo, uint256 hi) internal view returns (bytes memory out) {
        uint256 depth = BinaryTree.depth(tree.n);
        for (uint256 level; level < depth; ++level) {
            if (lo & 1 == 1) out = bytes.concat(out, node(tree, level, lo - 1));
            if (hi & 1 == 0 && hi + 1 < BinaryTree.width(tree.n, level)) {
                out = bytes.concat(out, node(tree, level, hi + 1));
            }
            lo >>= 1;
            hi >>= 1;
        }
    }
}
