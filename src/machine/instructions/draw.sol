// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title draw: the threshold of a random choice among weights (docs/machine.md, section 3)
library Draw {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        if (e == 0) return -1;
        uint256 temperature = step.temperature();
        int256 total = Numbers.max(step.element(i.a(), 0, 0), 0);
        if (temperature == 0) return 0;
        return Numbers.sat((int256(step.randomness()) * total) >> 64, 63);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I64, Accept.ROW_I64, Accept.NONE, Accept.NONE, 0);
        if (rule != Rule.NONE) return rule;
        if (i.outMode() != 0) return Rule.OUT_MODE;
        if (i.outLength() != 2) return Rule.OUT_LENGTH;
        if (!Rules.isFixed(i.a(), 1)) return Rule.OPERAND_A;
    }
}
