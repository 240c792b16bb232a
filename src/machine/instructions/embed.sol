// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title embed: the input token's weight row, scaled (docs/machine.md, section 3)
library Embed {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        uint256 token = step.token();
        uint256 last = i.b().count() - 1;
        if (token > last) token = last;
        int256 value = step.element(i.b(), token, e);
        uint256 scaleRow = token / i.c().length();
        if (scaleRow > i.c().count() - 1) scaleRow = i.c().count() - 1;
        int256 scale = step.element(i.c(), scaleRow, token % i.c().length());
        return Numbers.sat(Numbers.rshr(value * scale, i.shift(0)), i.shift(1));
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I32, Accept.TOKEN, Accept.WEIGHTS_I8, Accept.WEIGHTS_I32, 2);
        if (rule != Rule.NONE) return rule;
        if (i.outMode() != 0) return Rule.OUT_MODE;
        if (i.b().length() != i.outLength()) return Rule.OPERAND_B;
        if (i.c().length() * i.c().count() < i.b().count()) return Rule.OPERAND_C;
        if (!Rules.isShift(i, 0) || !Rules.isBits(i, 1)) return Rule.PARAMETER;
    }
}
