// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {BinaryTree} from "./BinaryTree.sol";

/// @dev A node of a binary tree: `2^(depth - level) + index`, so 1 is the top.
type Position is uint32;

using PositionLib for Position global;

/// @title Positions in a tree of known size
library PositionLib {
    /// @notice The top of any tree.
    Position internal constant TOP = Position.wrap(1);

    /// @notice Level (0: leaves) and index of a node in a tree of `n` leaves.
    function coordinates(Position position, uint256 n) internal pure returns (uint256 level, uint256 index) {
        uint256 below = Math.log2(Position.unwrap(position));
        level = BinaryTree.depth(n) - below;
        index = Position.unwrap(position) - (uint256(1) << below);
    }

    /// @notice Descendant number `child` of those `levels` below.
    function descend(Position position, uint256 child, uint256 levels) internal pure returns (Position) {
        return Position.wrap(uint32((uint256(Position.unwrap(position)) << levels) + child));
    }
}
