// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IJudge} from "../interfaces/IJudge.sol";
import {Instruction} from "./Instruction.sol";
import {Opcodes} from "./Opcodes.sol";
import {Step} from "./Step.sol";
import {VectorBlocks} from "./VectorBlocks.sol";
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
import {FoldSum} from "./instructions/fold_sum.sol";
import {FoldSumsq} from "./instructions/fold_sumsq.sol";
import {Gate} from "./instructions/gate.sol";
import {Norm} from "./instructions/norm.sol";
import {Quantize} from "./instructions/quantize.sol";
import {Rescale} from "./instructions/rescale.sol";
import {Rms} from "./instructions/rms.sol";
import {Rope} from "./instructions/rope.sol";
import {Weigh} from "./instructions/weigh.sol";

/// @title Opcodes to instructions
/// @notice Evaluates elements and blocks over any source of reads (`Step`).
/// @dev An accumulator is a pair of integers; only `fold_pick` uses the second one.
library Evaluation {
    /// @notice Blocks of the fold behind an element at position t, 1 for maps.
    function blocks(Instruction i, uint256 t) internal pure returns (uint256) {
        uint8 op = i.opcode();
        if (op >= Opcodes.EMBED && op <= Opcodes.DRAW) return 1;
        if (op >= Opcodes.FOLD_SUMSQ && op <= Opcodes.FOLD_SUM) {
            return VectorBlocks.count(VectorBlocks.groupSize(i, t));
        }
        if (op == Opcodes.FOLD_PICK) return VectorBlocks.count(FoldPick.length(i, t));
        if (op == Opcodes.FOLD_DOT) return FoldDot.blocks(i);
        if (op == Opcodes.FOLD_SCORES) return 1;
        if (op == Opcodes.FOLD_MIX) return t + 1;
        revert IJudge.UnknownOpcode(op);
    }

    /// @notice Bytes of an accumulator on the wire, 0 for maps, which have none.
    function accumulatorBytes(Instruction i) internal pure returns (uint256) {
        uint8 op = i.opcode();
        if (op == Opcodes.FOLD_PICK || _isWide(op)) return 16;
        return op <= Opcodes.FOLD_MIX ? 8 : 0;
    }

    /// @notice Value of element e of a map or of a fold of one block.
    function evaluate(Step memory step, Instruction i, uint256 e) internal view returns (int256) {
        uint8 op = i.opcode();
        if (op < Opcodes.EMBED) {
            if (op == Opcodes.FOLD_SCORES) return FoldScores.evaluate(step, i, e);
            (int256 x, int256 y) = accumulate(step, i, e, 0, 0, 0);
            return finish(i, e, x, y);
        }
        if (op == Opcodes.DEQUANT) return Dequant.evaluate(step, i, e);
        if (op == Opcodes.ADD) return Add.evaluate(step, i, e);
        if (op == Opcodes.QUANTIZE) return Quantize.evaluate(step, i, e);
        if (op == Opcodes.NORM) return Norm.evaluate(step, i, e);
        if (op == Opcodes.RMS) return Rms.evaluate(step, i, e);
        if (op == Opcodes.ROPE) return Rope.evaluate(step, i, e);
        if (op == Opcodes.RESCALE) return Rescale.evaluate(step, i, e);
        if (op == Opcodes.EXP2) return Exp2.evaluate(step, i, e);
        if (op == Opcodes.DIVIDE) return Divide.evaluate(step, i, e);
        if (op == Opcodes.GATE) return Gate.evaluate(step, i, e);
        if (op == Opcodes.EMBED) return Embed.evaluate(step, i, e);
        if (op == Opcodes.WEIGH) return Weigh.evaluate(step, i, e);
        if (op == Opcodes.DRAW) return Draw.evaluate(step, i, e);
        revert IJudge.UnknownOpcode(op);
    }

    /// @notice Accumulator after block k, (x, y) being the one before it. At block 0 they are not looked at.
    function accumulate(Step memory step, Instruction i, uint256 e, uint256 k, int256 x, int256 y)
        internal
        view
        returns (int256, int256)
    {
        uint8 op = i.opcode();
        if (op == Opcodes.FOLD_DOT) return (FoldDot.accumulate(step, i, e, k, x), 0);
        if (op == Opcodes.FOLD_MIX) return (FoldMix.accumulate(step, i, e, k, x), 0);
        if (op == Opcodes.FOLD_SUMSQ) return (FoldSumsq.accumulate(step, i, e, k, x), 0);
        if (op == Opcodes.FOLD_AMAX) return (FoldAmax.accumulate(step, i, e, k, x), 0);
        if (op == Opcodes.FOLD_MAX) return (FoldMax.accumulate(step, i, e, k, x), 0);
        if (op == Opcodes.FOLD_SUM) return (FoldSum.accumulate(step, i, e, k, x), 0);
        if (op == Opcodes.FOLD_PICK) return FoldPick.accumulate(step, i, k, x, y);
        revert IJudge.UnknownOpcode(op);
    }

    /// @notice Value of element e that the finished accumulator (x, y) gives.
    function finish(Instruction i, uint256 e, int256 x, int256 y) internal pure returns (int256) {
        uint8 op = i.opcode();
        if (op == Opcodes.FOLD_DOT) return FoldDot.finish(i, x);
        if (op == Opcodes.FOLD_MIX) return FoldMix.finish(x);
        if (op == Opcodes.FOLD_SUMSQ) return FoldSumsq.finish(x);
        if (op == Opcodes.FOLD_AMAX) return FoldAmax.finish(x);
        if (op == Opcodes.FOLD_MAX) return FoldMax.finish(x);
        if (op == Opcodes.FOLD_SUM) return FoldSum.finish(x);
        if (op == Opcodes.FOLD_PICK) return FoldPick.finish(e, x, y);
        if (op == Opcodes.FOLD_SCORES) return FoldScores.finish(i, x);
        revert IJudge.UnknownOpcode(op);
    }

    /// @notice An accumulator as on the wire: one signed integer that fills it, for `fold_pick` two.
    /// @dev A liar's accumulator before the block may push it beyond the wire's width; it is then given in 32 bytes, so that no posted
    ///      one equals it.
    function encode(Instruction i, int256 x, int256 y) internal pure returns (bytes memory) {
        uint8 op = i.opcode();
        if (_isWide(op)) return x == int128(x) ? abi.encodePacked(int128(x)) : abi.encodePacked(x);
        bool pair = op == Opcodes.FOLD_PICK;
        if (x != int64(x) || y != int64(y)) return pair ? abi.encodePacked(x, y) : abi.encodePacked(x);
        return pair ? abi.encodePacked(int64(x), int64(y)) : abi.encodePacked(int64(x));
    }

    /// @notice The accumulator on the wire.
    function decode(Instruction i, bytes calldata accumulator) internal pure returns (int256 x, int256 y) {
        uint8 op = i.opcode();
        uint256 expected = accumulatorBytes(i);
        // INVARIANT: an accumulator is exactly as long as its fold says.
        if (expected == 0) revert IJudge.UnknownOpcode(op);
        if (accumulator.length != expected) revert IJudge.WitnessLength(expected, accumulator.length);
        if (_isWide(op)) return (int128(uint128(bytes16(accumulator))), 0);
        x = int64(uint64(bytes8(accumulator)));
        if (op == Opcodes.FOLD_PICK) y = int64(uint64(bytes8(accumulator[8:])));
    }

    /// @dev Sums of 32-bit squares, or on top of an i64, outgrow 64 bits.
    function _isWide(uint8 op) private pure returns (bool) {
        return op == Opcodes.FOLD_SUMSQ || op == Opcodes.FOLD_SUM;
    }
}
