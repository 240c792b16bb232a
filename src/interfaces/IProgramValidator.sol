// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice What the validator carries from one chunk of instructions to the next.
/// @param count Instructions validated so far.
/// @param cacheRows Cached rows among them.
/// @param ended The token instruction, which must be the last one, has been seen.
/// @param descriptors Hash of the descriptors so far: 8 bytes a row, `type, mode, role, 0, length(4)`.
struct ValidationState {
    uint32 count;
    uint32 cacheRows;
    bool ended;
    bytes32 descriptors;
}

/// @title Static checks of a program, in chunks
/// @notice A program that passes can be decided in every element on every input (docs/machine.md, "Limits").
interface IProgramValidator {
    /// @notice Instruction `index` breaks a rule; `rule` names it (`src/machine/Rules.sol`).
    error InvalidInstruction(uint256 index, bytes32 rule);
    /// @notice The descriptors handed in are not the ones of the chunks before.
    error DescriptorsMismatch(bytes32 expected, bytes32 got);

    /// @param state State after the chunks before (all zero at first).
    /// @param instructions Whole instructions, 128 bytes each.
    /// @param descriptors Descriptors of all rows so far, 8 bytes each; their hash is in `state`.
    function validate(
        ValidationState calldata state,
        bytes calldata instructions,
        bytes calldata descriptors,
        uint32 weightRows,
        uint32 contextLength
    ) external pure returns (ValidationState memory next);
}
