// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ElementTypes} from "../ElementTypes.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";
import {VectorBlocks} from "../VectorBlocks.sol";

/// @title fold_pick: first element at which the running sum of weights exceeds a threshold (docs/machine.md, section 3)
library FoldPick {
    /// @notice The pair (token, threshold) after block k.
    function accumulate(Step memory step, Instruction i, uint256 k, int256 token, int256 threshold)
        internal
        view
        returns (int256, int256)
    {
        (uint256 pointer, uint256 n) = VectorBlocks.readOf(step, i, 0, length(i, step.t()), k);
        if (k == 0) {
            uint256 pair = step.elements(i.b(), 0, 0, 2);
            token = ElementTypes.load(ElementTypes.I64, pair, 0);
            threshold = ElementTypes.load(ElementTypes.I64, pair, 1);
        }
        int256 first = i.p(0) + int256(k * VectorBlocks.SIZE);
        // SAFETY: only what the threshold covers is taken from it; tokens are below 2^31 + 2^28.
        unchecked {
            for (uint256 j; j < n && token < 0; ++j) {
                int256 v = Numbers.max(ElementTypes.load(ElementTypes.I32, pointer, j), 0);
                if (v > threshold) token = first + int256(j);
                else threshold -= v;
            }
        }
        return (token, threshold);
    }

    /// @notice Element e of the pair; e beyond it is padding.
    function finish(uint256 e, int256 token, int256 threshold) internal pure returns (int256) {
        if (e > 1) return 0;
        return Numbers.sat(e == 0 ? token : threshold, 63);
    }

    /// @notice The one group is the whole row.
    function length(Instruction i, uint256 t) internal pure returns (uint256) {
        return i.a().rowLengthAt(t);
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        rule = Rules.signature(i, Accept.I64, Accept.ROW_I32, Accept.ROW_I64, Accept.NONE, 1);
        if (rule != Rule.NONE) return rule;
        if (i.outMode() != 0) return Rule.OUT_MODE;
        if (i.outLength() != 2) return Rule.OUT_LENGTH;
        if (!Rules.isFixed(i.b(), 2)) return Rule.OPERAND_B;
        if (i.p(0) < 0) return Rule.PARAMETER;
    }
}
