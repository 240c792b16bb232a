// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title gate: an activation from a table, times a second row (docs/machine.md, section 3)
library Gate {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        int256 a = step.element(i.a(), 0, e);
        int256 b = step.element(i.b(), 0, e);
        int256 size = int256(i.c().length());
        int256 entry = Numbers.clamp(Numbers.rshr(a, i.shift(0)) + size / 2, 0, size - 1);
        int256 weight = step.element(i.c(), 0, uint256(entry));
        int256 x = Numbers.sat(Numbers.rshr(a * weight, i.shift(1)), 31);
        return Numbers.sat(Numbers.rshr(x * b, i.shift(2)), 31);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I32, Accept.ROW_I32, Accept.ROW_I32, Accept.WEIGHTS_I16, 3);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (!i.b().hasShapeOf(i)) return Rule.OPERAND_B;
        if (i.c().count() != 1 || i.c().length() % 2 != 0) return Rule.OPERAND_C;
        if (!Rules.isShift(i, 0) || !Rules.isShift(i, 1) || !Rules.isShift(i, 2)) return Rule.PARAMETER;
    }
}
