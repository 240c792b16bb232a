// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Decay} from "../Decay.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title weigh: sampling weights of logits at the request's temperature (docs/machine.md, section 3)
library Weigh {
    /// @dev Fraction bits of the temperature.
    uint256 private constant FRACTION = 16;

    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        uint256 temperature = step.temperature();
        int256 a = step.element(i.a(), 0, e);
        int256 top = step.element(i.b(), 0, 0);
        if (temperature == 0) return a >= top ? int256(1) : int256(0);
        int256 inverse = Numbers.min(Numbers.fdiv(i.p(0) << FRACTION, int256(temperature)), type(int32).max);
        int256 x = Numbers.rshr(Numbers.max(top - a, 0) * inverse, FRACTION);
        return Decay.evaluate(step, i, uint256(x), 31);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I32, Accept.ROW_I32, Accept.ROW_I32, Accept.WEIGHTS_I32, 3);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (!Rules.isFixed(i.b(), 1)) return Rule.OPERAND_B;
        if (!Rules.within(i, 0, 1, (1 << 24) - 1) || !Decay.areParameters(i)) return Rule.PARAMETER;
        if (!Decay.isTable(i)) return Rule.OPERAND_C;
    }
}
