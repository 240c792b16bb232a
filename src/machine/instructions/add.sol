// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction, KIND_WEIGHTS} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title add: a saturated sum of two rows (docs/machine.md, section 3)
library Add {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        int256 a = step.element(i.a(), 0, e);
        return Numbers.sat(a + step.element(i.b(), 0, e), i.shift(0));
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I32, Accept.ROW_I32, Accept.ROW_I32 | Accept.WEIGHTS_I32, Accept.NONE, 1);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (!i.b().hasShapeOf(i) || (i.b().kind() == KIND_WEIGHTS && i.b().count() != 1)) return Rule.OPERAND_B;
        if (!Rules.isBits(i, 0)) return Rule.PARAMETER;
    }
}
