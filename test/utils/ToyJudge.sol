// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IJudge, StepContext} from "src/interfaces/IJudge.sol";
import {IProgramValidator, ValidationState} from "src/interfaces/IProgramValidator.sol";

/// @title A machine without operands, to play games of any geometry
/// @notice Instruction: byte 1 type, 2 per-position, 3 role, 4..7 length, 8..11 cacheSlot, 12..15 `seed`, 16..19 `blocks`, 20 pair.
///         An element `e` at step `t` is the fold over `k < blocks` of `seed + 3 e + 5 t + k`. A pair's second half is `-1 - k`.
contract ToyJudge is IJudge {
    uint32 public constant machineVersion = 7;

    /// @notice What the last evaluation was told.
    error SawContext(StepContext context);

    function rowShape(bytes calldata instruction, uint32 step) external pure returns (uint8, uint256) {
        uint256 length = uint32(bytes4(instruction[4:8]));
        return (uint8(instruction[1]), instruction[2] == 0 ? length : length * (step + 1));
    }

    function blocks(bytes calldata instruction, uint32) external pure returns (uint256, uint256) {
        return (_blocks(instruction), _accumulatorBytes(instruction));
    }

    function evaluate(bytes calldata instruction, StepContext calldata context, uint256 element, bytes calldata witness)
        external
        pure
        returns (int256)
    {
        if (_blocks(instruction) != 1) revert BlockOutOfRange(0, _blocks(instruction));
        _look(context, witness);
        return valueAfter(instruction, context.step, element, 0);
    }

    function evaluateBlock(
        bytes calldata instruction,
        StepContext calldata context,
        uint256 element,
        uint256 block_,
        bytes calldata before,
        bytes calldata witness
    ) external pure returns (bytes memory) {
        uint256 count = _blocks(instruction);
        if (count == 1 || block_ >= count) revert BlockOutOfRange(block_, count);
        _requireBytes(block_ == 0 ? 0 : _accumulatorBytes(instruction), before);
        _look(context, witness);
        int256 accumulator = block_ == 0 ? int256(0) : int256(int64(uint64(bytes8(before[0:8]))));
        accumulator += _term(instruction, context.step, element, block_);
        return _encode(instruction, accumulator, block_);
    }

    function finish(bytes calldata instruction, uint256, bytes calldata accumulator) external pure returns (int256) {
        _requireBytes(_accumulatorBytes(instruction), accumulator);
        return int64(uint64(bytes8(accumulator[0:8])));
    }

    /// @notice Accumulator after block `block_`.
    function valueAfter(bytes calldata instruction, uint32 step, uint256 element, uint256 block_)
        public
        pure
        returns (int256 value)
    {
        for (uint256 k; k <= block_; ++k) {
            value += _term(instruction, step, element, k);
        }
    }

    /// @notice The same on the wire.
    function accumulatorAfter(bytes calldata instruction, uint32 step, uint256 element, uint256 block_)
        external
        pure
        returns (bytes memory)
    {
        return _encode(instruction, valueAfter(instruction, step, element, block_), block_);
    }

    function _encode(bytes calldata instruction, int256 value, uint256 block_) private pure returns (bytes memory) {
        if (instruction[20] == 0) return abi.encodePacked(int64(value));
        return abi.encodePacked(int64(value), int64(-1 - int256(block_)));
    }

    function _term(bytes calldata instruction, uint32 step, uint256 element, uint256 block_)
        private
        pure
        returns (int256)
    {
        return int256(int32(uint32(bytes4(instruction[12:16])))) + int256(3 * element + 5 * step + block_);
    }

    function _blocks(bytes calldata instruction) private pure returns (uint256) {
        uint256 count = uint32(bytes4(instruction[16:20]));
        return count == 0 ? 1 : count;
    }

    function _accumulatorBytes(bytes calldata instruction) private pure returns (uint256) {
        return instruction[20] == 0 ? 8 : 16;
    }

    /// @dev As `JudgeV1`: an accumulator has its length, and none stands before the first block.
    function _requireBytes(uint256 expected, bytes calldata accumulator) private pure {
        if (accumulator.length != expected) revert WitnessLength(expected, accumulator.length);
    }

    /// @dev The witness "look" makes the judge show what it was told.
    function _look(StepContext calldata context, bytes calldata witness) private pure {
        if (witness.length == 4) revert SawContext(context);
        if (witness.length != 0) revert WitnessLength(0, witness.length);
    }
}

/// @title Accepts any program for `ToyJudge`
contract ToyValidator is IProgramValidator {
    function validate(
        ValidationState calldata state,
        bytes calldata instructions,
        bytes calldata descriptors,
        uint32,
        uint32
    ) external pure returns (ValidationState memory next) {
        if (state.count != 0 && keccak256(descriptors) != state.descriptors) {
            revert DescriptorsMismatch(state.descriptors, keccak256(descriptors));
        }
        next = state;
        for (uint256 at; at < instructions.length; at += 128) {
            if (next.ended) revert InvalidInstruction(next.count, "after the end");
            if (instructions[at + 3] == 0x01) ++next.cacheRows;
            if (instructions[at + 3] == 0x02) next.ended = true;
            ++next.count;
        }
        next.descriptors = keccak256(bytes.concat(descriptors, new bytes(instructions.length / 16)));
    }
}
