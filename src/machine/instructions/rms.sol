// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title rms: reciprocal root of a mean of squares (docs/machine.md, section 3)
library Rms {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        int256 mean = Numbers.fdiv(Numbers.max(step.element(i.a(), 0, e), 0), i.p(0));
        int256 root = Numbers.isqrt((mean + i.p(1)) << (2 * i.shift(2)));
        return Numbers.fdiv(int256(1) << i.shift(3), root);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I64, Accept.ROW_I64, Accept.NONE, Accept.NONE, 4);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (i.p(0) < 1 || i.p(1) < 1 || !Rules.within(i, 2, 0, 16) || !Rules.isShift(i, 3)) return Rule.PARAMETER;
    }
}
