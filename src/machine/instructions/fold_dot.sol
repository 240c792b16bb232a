// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {DotProduct} from "../DotProduct.sol";
import {ElementTypes} from "../ElementTypes.sol";
import {Instruction} from "../Instruction.sol";
import {Numbers} from "../Numbers.sol";
import {Accept, Rule, Rules} from "../Rules.sol";
import {Step} from "../Step.sol";

/// @title fold_dot: a row times weight rows (docs/machine.md, section 3)
library FoldDot {
    uint256 private constant BLOCK = 512;
    /// @dev Rows up to these lengths are one block.
    uint256 private constant WHOLE_I8 = 1024;
    uint256 private constant WHOLE_I16 = 512;
    /// @dev Products of i8 rows up to this length fit an int32.
    uint256 private constant MAX_LENGTH_I8 = 1 << 16;

    function blocks(Instruction i) internal pure returns (uint256) {
        return (i.a().length() + blockSize(i) - 1) / blockSize(i);
    }

    function accumulate(Step memory step, Instruction i, uint256 e, uint256 k, int256 accumulator)
        internal
        view
        returns (int256)
    {
        uint256 first = k * blockSize(i);
        uint256 left = i.a().length() - first;
        uint256 n = left < blockSize(i) ? left : blockSize(i);
        uint256 a = step.elements(i.a(), 0, first, n);
        uint256 b = step.elements(i.b(), e, first, n);
        int256 dot = i.a().elementType() == ElementTypes.I8 ? DotProduct.i8(a, b, n) : DotProduct.i16i8(a, b, n);
        return k == 0 ? dot : accumulator + dot;
    }

    function finish(Instruction i, int256 accumulator) internal pure returns (int256) {
        return Numbers.sat(accumulator, ElementTypes.bits(i.outType()));
    }

    function blockSize(Instruction i) internal pure returns (uint256) {
        uint256 length = i.a().length();
        return length <= (i.a().elementType() == ElementTypes.I8 ? WHOLE_I8 : WHOLE_I16) ? length : BLOCK;
    }

    function broken(Instruction i) internal pure returns (bytes32 rule) {
        bool small = i.a().elementType() == ElementTypes.I8;
        rule = Rules.signature(
            i, small ? Accept.I32 : Accept.I64, Accept.ROW_I8 | Accept.ROW_I16, Accept.WEIGHTS_I8, Accept.NONE, 0
        );
        if (rule != Rule.NONE) return rule;
        if (i.outMode() != 0) return Rule.OUT_MODE;
        if (i.a().mode() != 0) return Rule.OPERAND_A;
        if (i.b().length() != i.a().length() || i.b().count() != i.outLength()) return Rule.OPERAND_B;
        if (small && i.a().length() > MAX_LENGTH_I8) return Rule.BOUND;
    }
}
