// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ElementTypes} from "../ElementTypes.sol";
import {Groups} from "../Groups.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title quantize: groups scaled by their largest magnitude (docs/machine.md, section 3)
library Quantize {
    /// @dev Fraction bits of the reciprocal.
    uint256 private constant FRACTION = 47;

    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        uint256 bits = ElementTypes.bits(i.outType());
        int256 a = step.element(i.a(), 0, e);
        int256 amax = step.element(i.b(), 0, Groups.entry(step, i, i.b(), e));
        int256 inverse = Numbers.fdiv(((int256(1) << bits) - 1) << FRACTION, amax);
        return Numbers.sat(Numbers.rshr(a * inverse, FRACTION), bits);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I8 | Accept.I16, Accept.ROW_I32, Accept.ROW_I32, Accept.NONE, 0);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (!Groups.fit(i.outLength(), i.outMode(), i.b().length(), i.b().mode())) return Rule.GROUPS;
    }
}
