// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DotProduct} from "../DotProduct.sol";
import {Instruction, MODE_PER_POSITION} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title fold_scores: scores of a query against the cached keys (docs/machine.md, section 3)
library FoldScores {
    int256 private constant MASKED = -int256(type(int32).max);
    int256 private constant MAX_HEAD = 256;

    /// @notice The one block, finished. Element `h * (t + 1) + p` is head h at position p.
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        uint256 positions = step.t() + 1;
        uint256 position = e % positions;
        uint256 window = i.shift(3);
        if (window > 0 && position + window < positions) return MASKED;
        return finish(i, _dot(step, i, e / positions, position));
    }

    function finish(Instruction i, int256 accumulator) internal pure returns (int256) {
        return Numbers.sat(Numbers.rshr(accumulator * i.p(1), i.shift(2)), 31);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I32, Accept.ROW_I16, Accept.CACHE_I16, Accept.NONE, 4);
        if (rule != Rule.NONE) return rule;
        if (i.outMode() != MODE_PER_POSITION) return Rule.OUT_MODE;
        if (
            !Rules.within(i, 0, 1, MAX_HEAD) || !Rules.within(i, 1, 1, (1 << 24) - 1) || !Rules.isShift(i, 2)
                || i.p(3) < 0
        ) return Rule.PARAMETER;
        uint256 d = i.shift(0);
        if (!Rules.isFixed(i.a(), i.outLength() * d)) return Rule.OPERAND_A;
        if (i.b().length() % d != 0 || i.outLength() % (i.b().length() / d) != 0) return Rule.GROUPS;
    }

    function _dot(Step memory step, Instruction i, uint256 head, uint256 position) private view returns (int256) {
        uint256 d = i.shift(0);
        uint256 queriesPerKey = i.outLength() / (i.b().length() / d);
        uint256 query = step.elements(i.a(), 0, head * d, d);
        uint256 key = step.elements(i.b(), position, (head / queriesPerKey) * d, d);
        return DotProduct.i16(query, key, d);
    }
}
