// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Groups} from "../Groups.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title divide: groups divided by their sums (docs/machine.md, section 3)
library Divide {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        int256 a = step.element(i.a(), 0, e);
        int256 d = Numbers.max(step.element(i.b(), 0, Groups.entry(step, i, i.b(), e)), 1);
        return Numbers.sat(Numbers.fdiv(a * (int256(1) << i.shift(0)) + d / 2, d), 31);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I32, Accept.ROW_I64, Accept.ROW_I64, Accept.NONE, 1);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (!Groups.fit(i.outLength(), i.outMode(), i.b().length(), i.b().mode())) return Rule.GROUPS;
        if (!Rules.isShift(i, 0)) return Rule.PARAMETER;
    }
}
