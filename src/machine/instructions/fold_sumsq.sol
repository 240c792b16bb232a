// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ElementTypes} from "../ElementTypes.sol";
import {Groups} from "../Groups.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";
import {VectorBlocks} from "../VectorBlocks.sol";

/// @title fold_sumsq: sums of squares of groups (docs/machine.md, section 3)
library FoldSumsq {
    /// @dev On honest rows, bounded to 24 bits, 2^14 squares fit an int64 with room to spare.
    uint256 private constant MAX_GROUP = 1 << 14;

    function accumulate(Step memory step, Instruction i, uint256 e, uint256 k, int256 accumulator)
        internal
        view
        returns (int256 result)
    {
        (uint256 pointer, uint256 n) = VectorBlocks.read(step, i, e, k);
        result = k == 0 ? int256(0) : accumulator;
        // SAFETY: an accumulator is below 2^127 on the wire and 128 squares below 2^70.
        unchecked {
            for (uint256 j; j < n; ++j) {
                int256 x = ElementTypes.load(ElementTypes.I32, pointer, j);
                result += x * x;
            }
        }
    }

    function finish(int256 accumulator) internal pure returns (int256) {
        return Numbers.sat(accumulator, 63);
    }

    function broken(Instruction i, uint256 contextLength) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I64, Accept.ROW_I32, Accept.NONE, Accept.NONE, 0);
        if (rule != Rule.NONE) return rule;
        if (i.outMode() != 0) return Rule.OUT_MODE;
        if (!Groups.fit(i.a().length(), i.a().mode(), i.outLength(), i.outMode())) return Rule.GROUPS;
        // The longest group is that of the last position.
        if (VectorBlocks.groupSize(i, contextLength - 1) > MAX_GROUP) return Rule.BOUND;
    }
}
