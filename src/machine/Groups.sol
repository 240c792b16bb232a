// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction, MODE_PER_POSITION, Operand} from "./Instruction.sol";
import {Step} from "./Step.sol";

/// @title Groups of equal size in a row (docs/machine.md, section 2)
library Groups {
    /// @notice Whether a row of stated `length` and `mode` falls into equal groups, one per entry of the grouped side.
    /// @dev Modes equal: the stated lengths divide. A per-position row over fixed entries: one group of t + 1 per head.
    function fit(uint256 length, uint256 mode, uint256 groups, uint256 groupMode) internal pure returns (bool) {
        if (mode == groupMode) return length % groups == 0;
        return mode == MODE_PER_POSITION && length == groups;
    }

    /// @notice Entry of `grouped` that element e of the instruction's row belongs to: `e div g`.
    function entry(Step memory step, Instruction i, Operand grouped, uint256 e) internal pure returns (uint256) {
        uint256 t = step.t();
        return e / (i.lengthAt(t) / grouped.rowLengthAt(t));
    }
}
