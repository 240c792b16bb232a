// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction} from "./Instruction.sol";
import {Step} from "./Step.sol";

/// @title Blocks of the folds over one vector: 128 elements of a group of operand a
library VectorBlocks {
    uint256 internal constant SIZE = 128;

    /// @notice Elements of operand a behind each output element at position t.
    function groupSize(Instruction i, uint256 t) internal pure returns (uint256) {
        return i.a().rowLengthAt(t) / i.lengthAt(t);
    }

    /// @notice Blocks of a group of `size` elements.
    function count(uint256 size) internal pure returns (uint256) {
        return (size + SIZE - 1) / SIZE;
    }

    /// @notice Reads block k of group e.
    /// @return pointer Address of its first element.
    /// @return n Elements in it.
    function read(Step memory step, Instruction i, uint256 e, uint256 k)
        internal
        view
        returns (uint256 pointer, uint256 n)
    {
        uint256 size = groupSize(i, step.t());
        (pointer, n) = readOf(step, i, e * size, size, k);
    }

    /// @notice Reads block k of the `size` elements of operand a from `start` on.
    function readOf(Step memory step, Instruction i, uint256 start, uint256 size, uint256 k)
        internal
        view
        returns (uint256 pointer, uint256 n)
    {
        uint256 first = k * SIZE;
        n = size - first < SIZE ? size - first : SIZE;
        pointer = step.elements(i.a(), 0, start + first, n);
    }
}
