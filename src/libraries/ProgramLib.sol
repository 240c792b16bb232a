// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {INSTRUCTION_BYTES} from "../machine/Instruction.sol";
import {Tags} from "./Tags.sol";

/// @title Instructions as leaves of the program tree (docs/machine.md, section 2)
library ProgramLib {
    /// @notice Leaf of one instruction.
    function leaf(bytes calldata instruction) internal pure returns (bytes32) {
        if (instruction.length != INSTRUCTION_BYTES) revert IModelRegistry.InstructionBytes(instruction.length);
        return keccak256(abi.encodePacked(Tags.INSTRUCTION, instruction));
    }

    /// @notice Leaves of consecutive instructions.
    function leaves(bytes calldata instructions) internal pure returns (bytes32[] memory result) {
        uint256 count = instructions.length / INSTRUCTION_BYTES;
        if (count == 0 || instructions.length % INSTRUCTION_BYTES != 0) {
            revert IModelRegistry.InstructionBytes(instructions.length);
        }
        result = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            result[i] = leaf(instructions[i * INSTRUCTION_BYTES:(i + 1) * INSTRUCTION_BYTES]);
        }
    }
}
