// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IDisputeGame} from "../interfaces/IDisputeGame.sol";

/// @title Long folds: parts and accumulators (docs/protocol.md, section 4)
library FoldLib {
    /// @notice Up to this many blocks, each is a part of its own.
    uint256 internal constant FLAT = 64;

    /// @notice Which accumulators one post holds: that after each `stride` blocks, from block `first` on, `count` of them.
    struct Span {
        uint256 first;
        uint256 stride;
        uint256 count;
    }

    /// @notice The span of the whole fold (`part` 0), or of its part number `part - 1`.
    function span(uint256 blocks, uint256 part) internal pure returns (Span memory result) {
        result.stride = blocks <= FLAT ? 1 : Math.ceilDiv(blocks, Math.sqrt(blocks, Math.Rounding.Ceil));
        if (part != 0) {
            result.first = (part - 1) * result.stride;
            result.count = Math.min(result.stride, blocks - result.first);
            result.stride = 1;
        } else {
            result.count = Math.ceilDiv(blocks, result.stride);
        }
    }

    /// @notice Accumulator number `index` of a post, `size` bytes each.
    function at(bytes calldata accumulators, uint256 size, uint256 index) internal pure returns (bytes calldata) {
        uint256 available = accumulators.length / size;
        if (index >= available) revert IDisputeGame.ChoiceOutOfRange(index, available);
        return accumulators[index * size:(index + 1) * size];
    }
}
