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
        if (token >= 0) return (token, threshold);
        int256 first = i.p(0) + int256(k * VectorBlocks.SIZE);
        // SAFETY: reads memory only. Eight little-endian elements are loaded at a time and reversed within their four bytes; `v` is an
        // element or 0 if that is negative. What the threshold covers is taken from it, so it does not wrap; tokens are below
        // 2^31 + 2^28.
        assembly ("memory-safe") {
            let w
            for { let j := 0 } lt(j, n) { j := add(j, 1) } {
                if iszero(and(j, 7)) {
                    w := mload(add(pointer, shl(2, j)))
                    let m := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                    w := or(and(shr(8, w), m), shl(8, and(w, m)))
                    m := 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
                    w := or(and(shr(16, w), m), shl(16, and(w, m)))
                }
                let v := signextend(3, shr(224, w))
                w := shl(32, w)
                v := mul(v, sgt(v, 0))
                if sgt(v, threshold) {
                    token := add(first, j)
                    break
                }
                threshold := sub(threshold, v)
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
