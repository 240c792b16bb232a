// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title dequant: a dot product back to fixed point (docs/machine.md, section 3)
library Dequant {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        int256 a = step.element(i.a(), 0, e);
        int256 b = step.element(i.b(), 0, 0);
        int256 scale = step.element(i.c(), 0, e);
        int256 m = Numbers.sat(Numbers.rshr(b * scale, i.shift(0)), i.shift(1));
        return Numbers.sat(Numbers.rshr(Numbers.sat(a, i.shift(2)) * m, i.shift(3)), i.shift(4));
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I32, Accept.ROW_I32 | Accept.ROW_I64, Accept.ROW_I32, Accept.WEIGHTS_I32, 5);
        if (rule != Rule.NONE) return rule;
        // The scales are a row of one length, so the output is too.
        if (i.outMode() != 0) return Rule.OUT_MODE;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (!Rules.isFixed(i.b(), 1)) return Rule.OPERAND_B;
        if (i.c().count() != 1 || i.c().length() < i.outLength()) return Rule.OPERAND_C;
        if (
            !Rules.isShift(i, 0) || !Rules.within(i, 1, 1, 61) || !Rules.within(i, 2, 1, 61) || !Rules.isShift(i, 3)
                || !Rules.isBits(i, 4) || i.p(1) + i.p(2) > 62
        ) return Rule.PARAMETER;
    }
}
