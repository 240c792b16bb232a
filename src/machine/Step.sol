// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IJudge, StepContext} from "../interfaces/IJudge.sol";
import {ElementTypes} from "./ElementTypes.sol";
import {Operand} from "./Instruction.sol";

using Reads for Step global;

/// @notice One step as an instruction sees it: its context, and reads of operands in the order of docs/machine.md, section 7.
/// @dev Where reads come from is the caller's choice: JudgeV1 takes them from a witness (`Reader`). `read` gives the memory
///      address of element `first` of `count` consecutive elements of an operand's row; bytes behind them may hold anything.
///      `row` is 0 for a row, the position for a cache, the number within the range for weights. `source` belongs to the
///      two functions.
struct Step {
    StepContext context;
    function(Step memory, Operand, uint256, uint256, uint256) internal view returns (uint256) read;
    function(Step memory) internal view returns (uint256) readToken;
    uint256 source;
}

/// @title Reads of a step
library Reads {
    /// @notice Position of the step.
    function t(Step memory step) internal pure returns (uint256) {
        return step.context.step;
    }

    /// @notice Address of elements `first .. first + count - 1` of one of the operand's rows.
    function elements(Step memory step, Operand operand, uint256 row, uint256 first, uint256 count)
        internal
        view
        returns (uint256 pointer)
    {
        return step.read(step, operand, row, first, count);
    }

    /// @notice One element of one of the operand's rows.
    function element(Step memory step, Operand operand, uint256 row, uint256 index) internal view returns (int256) {
        return ElementTypes.load(operand.elementType(), step.read(step, operand, row, index, 1), 0);
    }

    /// @notice The step's input token.
    function token(Step memory step) internal view returns (uint256) {
        return step.readToken(step);
    }

    /// @notice The request's temperature, 16.16 fixed point.
    function temperature(Step memory step) internal pure returns (uint256) {
        // INVARIANT: the temperature is used only where the caller has bound the request to the receipt.
        if (!step.context.hasRequest) revert IJudge.RequestRequired();
        return step.context.temperature;
    }

    /// @notice First 8 bytes of `keccak256(abi.encode(requestHash, outputIndex))`.
    function randomness(Step memory step) internal pure returns (uint256) {
        StepContext memory context = step.context;
        uint256 outputIndex = t(step) + 1 > context.nIn ? t(step) + 1 - context.nIn : 0;
        return uint256(keccak256(abi.encode(context.requestHash, outputIndex))) >> 192;
    }
}
