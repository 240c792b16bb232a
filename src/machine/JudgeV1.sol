// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IJudge, StepContext} from "../interfaces/IJudge.sol";
import {Evaluation} from "./Evaluation.sol";
import {INSTRUCTION_BYTES, Instruction, instructionAt} from "./Instruction.sol";
import {Reader} from "./Reader.sol";
import {Step} from "./Step.sol";

/// @title The meaning of machine version 1
/// @dev Without state. Formulas are in `instructions/`, the witness in `Reader`.
contract JudgeV1 is IJudge {
    /// @inheritdoc IJudge
    uint32 public constant machineVersion = 1;

    /// @inheritdoc IJudge
    function rowShape(bytes calldata instruction, uint32 step)
        external
        pure
        returns (uint8 elementType, uint256 length)
    {
        Instruction i = _instruction(instruction);
        return (i.outType(), i.lengthAt(step));
    }

    /// @inheritdoc IJudge
    function blocks(bytes calldata instruction, uint32 step)
        external
        pure
        returns (uint256 count, uint256 accumulatorBytes)
    {
        Instruction i = _instruction(instruction);
        return (Evaluation.blocks(i, step), Evaluation.accumulatorBytes(i));
    }

    /// @inheritdoc IJudge
    function evaluate(bytes calldata instruction, StepContext calldata context, uint256 element, bytes calldata witness)
        external
        view
        returns (int256 value)
    {
        Instruction i = _instruction(instruction);
        Step memory step = Reader.open(context, witness);
        if (element < i.lengthAt(context.step)) {
            uint256 count = Evaluation.blocks(i, context.step);
            // INVARIANT: a fold of several blocks is decided block by block, so that gas is bounded.
            if (count != 1) revert BlockOutOfRange(0, count);
            value = Evaluation.evaluate(step, i, element);
        }
        Reader.close(step);
    }

    /// @inheritdoc IJudge
    function evaluateBlock(
        bytes calldata instruction,
        StepContext calldata context,
        uint256 element,
        uint256 block_,
        bytes calldata before,
        bytes calldata witness
    ) external view returns (bytes memory accumulator) {
        Instruction i = _instruction(instruction);
        uint256 count = Evaluation.blocks(i, context.step);
        // INVARIANT: only blocks of folds of several blocks have accumulators.
        if (count == 1 || block_ >= count) revert BlockOutOfRange(block_, count);
        int256 x;
        int256 y;
        if (block_ > 0) (x, y) = Evaluation.decode(i, before);
        else if (before.length != 0) revert WitnessLength(0, before.length);

        Step memory step = Reader.open(context, witness);
        if (element < i.lengthAt(context.step)) (x, y) = Evaluation.accumulate(step, i, element, block_, x, y);
        else (x, y) = (0, 0);
        Reader.close(step);
        return Evaluation.encode(i, x, y);
    }

    /// @inheritdoc IJudge
    function finish(bytes calldata instruction, uint256 element, bytes calldata accumulator)
        external
        pure
        returns (int256 value)
    {
        Instruction i = _instruction(instruction);
        (int256 x, int256 y) = Evaluation.decode(i, accumulator);
        return Evaluation.finish(i, element, x, y);
    }

    function _instruction(bytes calldata instruction) private pure returns (Instruction) {
        // INVARIANT: an instruction is 128 bytes, as its leaf in the program tree says.
        if (instruction.length != INSTRUCTION_BYTES) revert WitnessLength(INSTRUCTION_BYTES, instruction.length);
        return instructionAt(instruction, 0);
    }
}
