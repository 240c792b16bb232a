// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ElementTypes} from "../ElementTypes.sol";
import {Groups} from "../Groups.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";
import {VectorBlocks} from "../VectorBlocks.sol";

/// @title fold_amax: largest magnitudes of groups (docs/machine.md, section 3)
library FoldAmax {
    function accumulate(Step memory step, Instruction i, uint256 e, uint256 k, int256 accumulator)
        internal
        view
        returns (int256 result)
    {
        (uint256 pointer, uint256 n) = VectorBlocks.read(step, i, e, k);
        result = k == 0 ? int256(0) : accumulator;
        // SAFETY: elements are of 32 bits.
        unchecked {
            for (uint256 j; j < n; ++j) {
                int256 x = ElementTypes.load(ElementTypes.I32, pointer, j);
                result = Numbers.max(result, x < 0 ? -x : x);
            }
        }
    }

    function finish(int256 accumulator) internal pure returns (int256) {
        return Numbers.sat(accumulator, 31);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I32, Accept.ROW_I32, Accept.NONE, Accept.NONE, 0);
        if (rule != Rule.NONE) return rule;
        if (i.outMode() != 0) return Rule.OUT_MODE;
        if (!Groups.fit(i.a().length(), i.a().mode(), i.outLength(), i.outMode())) return Rule.GROUPS;
    }
}
