// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction, Operand} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title rope: pairs turned by an angle of the position (docs/machine.md, section 3)
library Rope {
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        uint256 half = i.b().length() / 2;
        bool low = e % (2 * half) < half;
        int256 own = step.element(i.a(), 0, e);
        int256 partner = step.element(i.a(), 0, low ? e + half : e - half);
        (int256 cos, int256 sin) = _angle(step, i.b(), e % half);
        int256 turned = low ? own * cos - partner * sin : own * cos + partner * sin;
        return Numbers.sat(Numbers.rshr(turned, i.shift(0)), 15);
    }

    /// @dev Cosine and sine of pair j at the step's position; positions beyond the table have its last row.
    function _angle(Step memory step, Operand table, uint256 j) private view returns (int256 cos, int256 sin) {
        uint256 last = table.count() - 1;
        uint256 row = step.t() < last ? step.t() : last;
        cos = step.element(table, row, j);
        sin = step.element(table, row, table.length() / 2 + j);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I16, Accept.ROW_I32, Accept.WEIGHTS_I16, Accept.NONE, 1);
        if (rule != Rule.NONE) return rule;
        if (!i.a().hasShapeOf(i)) return Rule.OPERAND_A;
        if (i.b().length() % 2 != 0) return Rule.OPERAND_B;
        if (i.outLength() % i.b().length() != 0) return Rule.GROUPS;
        if (!Rules.isShift(i, 0)) return Rule.PARAMETER;
    }
}
