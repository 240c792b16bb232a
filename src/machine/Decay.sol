// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction} from "./Instruction.sol";
import {Numbers} from "./Numbers.sol";
import {Rules} from "./Rules.sol";
import {Step} from "./Step.sol";

/// @title Powers `2^-x` from a table of one octave: the end of `exp2` and `weigh` (docs/machine.md, section 3)
/// @dev Both have the table in operand c (`2^tb` entries), `tb` in p1 and the output's shift in p2.
library Decay {
    /// @dev Shifts beyond it leave nothing of an i32.
    uint256 private constant MAX_SHIFT = 62;

    /// @notice `rshr(c[x mod 2^tb], (x div 2^tb) + s)`, saturated to `bits`.
    function evaluate(Step memory step, Instruction i, uint256 x, uint256 bits) internal view returns (int256) {
        uint256 tb = i.shift(1);
        uint256 n = (x >> tb) + i.shift(2);
        if (n > MAX_SHIFT) return 0;
        int256 fraction = step.element(i.c(), 0, x & ((1 << tb) - 1));
        return Numbers.sat(Numbers.rshr(fraction, n), bits);
    }

    function areParameters(Instruction i) internal pure returns (bool) {
        return Rules.within(i, 1, 1, 16) && Rules.isShift(i, 2);
    }

    /// @notice Whether operand c has the table's length; to be asked after `areParameters`.
    function isTable(Instruction i) internal pure returns (bool) {
        return Rules.isTable(i.c(), 1 << i.shift(1));
    }
}
