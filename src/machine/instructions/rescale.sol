// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ElementTypes} from "../ElementTypes.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title rescale: a row times a constant, to any type up to i32 (docs/machine.md, section 3)
library Rescale {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        int256 a = step.element(i.a(), 0, e);
        return Numbers.sat(Numbers.rshr(a * i.p(0), i.shift(1)), ElementTypes.bits(i.outType()));
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I8 | Accept.I16 | Accept.I32, Accept.ROW_I32, Accept.NONE, Accept.NONE, 2);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (i.p(0) < 1 || !Rules.isShift(i, 1)) return Rule.PARAMETER;
    }
}
