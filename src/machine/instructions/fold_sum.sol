// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ElementTypes} from "../ElementTypes.sol";
import {Groups} from "../Groups.sol";
import {Instruction, KIND_NONE} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";
import {VectorBlocks} from "../VectorBlocks.sol";

/// @title fold_sum: sums of groups, each with an initial value (docs/machine.md, section 3)
library FoldSum {
    function accumulate(Step memory step, Instruction i, uint256 e, uint256 k, int256 accumulator)
        internal
        view
        returns (int256 result)
    {
        (uint256 pointer, uint256 n) = VectorBlocks.read(step, i, e, k);
        result = k == 0 ? _initial(step, i, e) : accumulator;
        uint256 elementType = i.a().elementType();
        // SAFETY: an accumulator is below 2^127 on the wire and 128 elements below 2^38.
        unchecked {
            for (uint256 j; j < n; ++j) {
                result += ElementTypes.load(elementType, pointer, j);
            }
        }
    }

    function finish(int256 accumulator) internal pure returns (int256) {
        return Numbers.sat(accumulator, 63);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(
            i, Accept.I64, Accept.ROW_I16 | Accept.ROW_I32, Accept.NONE | Accept.ROW_I64, Accept.NONE, 0
        );
        if (rule != Rule.NONE) return rule;
        if (i.outMode() != 0) return Rule.OUT_MODE;
        if (!Groups.fit(i.a().length(), i.a().mode(), i.outLength(), i.outMode())) return Rule.GROUPS;
        if (i.b().kind() != KIND_NONE && !i.b().hasShapeOf(i)) return Rule.OPERAND_B;
    }

    function _initial(Step memory step, Instruction i, uint256 e) private view returns (int256) {
        return i.b().kind() == KIND_NONE ? int256(0) : step.element(i.b(), 0, e);
    }
}
