// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Decay} from "../Decay.sol";
import {ElementTypes} from "../ElementTypes.sol";
import {Groups} from "../Groups.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title exp2: powers of two of the distance to a group's maximum (docs/machine.md, section 3)
library Exp2 {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        int256 a = step.element(i.a(), 0, e);
        int256 top = step.element(i.b(), 0, Groups.entry(step, i, i.b(), e));
        int256 x = Numbers.rshr(Numbers.max(top - a, 0), i.shift(0) - i.shift(1));
        return Decay.evaluate(step, i, uint256(x), ElementTypes.bits(i.outType()));
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I16 | Accept.I32, Accept.ROW_I32, Accept.ROW_I32, Accept.WEIGHTS_I32, 3);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (!Groups.fit(i.outLength(), i.outMode(), i.b().length(), i.b().mode())) return Rule.GROUPS;
        if (!Rules.isShift(i, 0) || i.p(0) < i.p(1) || !Decay.areParameters(i)) return Rule.PARAMETER;
        if (!Decay.isTable(i)) return Rule.OPERAND_C;
    }
}
