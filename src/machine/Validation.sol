// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Instruction} from "./Instruction.sol";
import {Opcodes} from "./Opcodes.sol";
import {Rule} from "./Rules.sol";
import {Add} from "./instructions/add.sol";
import {Dequant} from "./instructions/dequant.sol";
import {Divide} from "./instructions/divide.sol";
import {Draw} from "./instructions/draw.sol";
import {Embed} from "./instructions/embed.sol";
import {Exp2} from "./instructions/exp2.sol";
import {FoldAmax} from "./instructions/fold_amax.sol";
import {FoldDot} from "./instructions/fold_dot.sol";
import {FoldMax} from "./instructions/fold_max.sol";
import {FoldMix} from "./instructions/fold_mix.sol";
import {FoldPick} from "./instructions/fold_pick.sol";
import {FoldScores} from "./instructions/fold_scores.sol";
import {FoldSumsq} from "./instructions/fold_sumsq.sol";
import {FoldSum} from "./instructions/fold_sum.sol";
import {Gate} from "./instructions/gate.sol";
import {Norm} from "./instructions/norm.sol";
import {Quantize} from "./instructions/quantize.sol";
import {Rescale} from "./instructions/rescale.sol";
import {Rms} from "./instructions/rms.sol";
import {Rope} from "./instructions/rope.sol";
import {Weigh} from "./instructions/weigh.sol";

/// @title Opcodes to the rules of instructions
library Validation {
    /// @notice The rule of its own that an instruction breaks, or none.
    /// @dev Assumes that its operands are well formed: lengths are not zero.
    function broken(Instruction i, uint256 contextLength) internal pure returns (bytes32) {
        uint8 op = i.opcode();
        if (op == Opcodes.FOLD_SUMSQ) return FoldSumsq.broken(i, contextLength);
        if (op == Opcodes.FOLD_AMAX) return FoldAmax.broken(i);
        if (op == Opcodes.FOLD_MAX) return FoldMax.broken(i);
        if (op == Opcodes.FOLD_SUM) return FoldSum.broken(i);
        if (op == Opcodes.FOLD_PICK) return FoldPick.broken(i);
        if (op == Opcodes.FOLD_DOT) return FoldDot.broken(i);
        if (op == Opcodes.FOLD_SCORES) return FoldScores.broken(i);
        if (op == Opcodes.FOLD_MIX) return FoldMix.broken(i);
        if (op == Opcodes.EMBED) return Embed.broken(i);
        if (op == Opcodes.RMS) return Rms.broken(i);
        if (op == Opcodes.NORM) return Norm.broken(i);
        if (op == Opcodes.QUANTIZE) return Quantize.broken(i);
        if (op == Opcodes.DEQUANT) return Dequant.broken(i);
        if (op == Opcodes.ADD) return Add.broken(i);
        if (op == Opcodes.ROPE) return Rope.broken(i);
        if (op == Opcodes.RESCALE) return Rescale.broken(i);
        if (op == Opcodes.EXP2) return Exp2.broken(i);
        if (op == Opcodes.DIVIDE) return Divide.broken(i);
        if (op == Opcodes.GATE) return Gate.broken(i);
        if (op == Opcodes.WEIGH) return Weigh.broken(i);
        if (op == Opcodes.DRAW) return Draw.broken(i);
        return Rule.OPCODE;
    }
}
