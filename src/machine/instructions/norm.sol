// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Groups} from "../Groups.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title norm: groups scaled by their reciprocal root and by a gain (docs/machine.md, section 3)
library Norm {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        int256 a = step.element(i.a(), 0, e);
        int256 b = step.element(i.b(), 0, Groups.entry(step, i, i.b(), e));
        int256 gain = step.element(i.c(), 0, e % i.c().length());
        int256 x = Numbers.sat(Numbers.rshr(a * b, i.shift(0)), 31);
        return Numbers.sat(Numbers.rshr(x * gain, i.shift(1)), 31);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I32, Accept.ROW_I32, Accept.ROW_I64, Accept.WEIGHTS_I32, 2);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        // The gain is a row of one length, so groups are not over positions: the modes are equal.
        if (i.b().mode() != i.outMode() || i.outLength() % i.b().length() != 0) return Rule.GROUPS;
        if (!Rules.isTable(i.c(), i.outLength() / i.b().length())) return Rule.OPERAND_C;
        if (!Rules.isShift(i, 0) || !Rules.isShift(i, 1)) return Rule.PARAMETER;
    }
}
