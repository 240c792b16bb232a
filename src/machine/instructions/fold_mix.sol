// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction, MODE_PER_POSITION} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title fold_mix: cached values weighted by position (docs/machine.md, section 3)
library FoldMix {
    /// @notice Block k is position k. Element `h * D + j` is value j of head h.
    function accumulate(Step memory step, Instruction i, uint256 e, uint256 k, int256 accumulator)
        internal
        view
        returns (int256)
    {
        uint256 d = i.shift(0);
        uint256 head = e / d;
        uint256 queriesPerValue = i.a().length() / (i.b().length() / d);
        int256 weight = step.element(i.a(), 0, head * (step.t() + 1) + k);
        int256 value = step.element(i.b(), k, (head / queriesPerValue) * d + e % d);
        return k == 0 ? weight * value : accumulator + weight * value;
    }

    function finish(int256 accumulator) internal pure returns (int256) {
        return Numbers.sat(accumulator, 63);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I64, Accept.ROW_I16, Accept.CACHE_I16, Accept.NONE, 1);
        if (rule != Rule.NONE) return rule;
        if (i.outMode() != 0) return Rule.OUT_MODE;
        if (i.p(0) < 1) return Rule.PARAMETER;
        uint256 d = i.shift(0);
        if (i.a().mode() != MODE_PER_POSITION || i.a().length() * d != i.outLength()) return Rule.OPERAND_A;
        if (i.b().length() % d != 0 || i.a().length() % (i.b().length() / d) != 0) return Rule.GROUPS;
    }
}
