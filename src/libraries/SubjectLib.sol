// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameId, Subject} from "../interfaces/IDisputeGame.sol";
import {CommittedReceipt} from "../interfaces/IOtrRollup.sol";
import {Receipt} from "../types/OtrTypes.sol";
import {Timestamp} from "./Clock.sol";

/// @title The id of a game: `keccak256(abi.encode(Subject))`
library SubjectLib {
    /// @notice Id of the game on a subject.
    function idOf(Subject calldata subject) internal pure returns (GameId gameId) {
        // SAFETY: a struct of twenty static words lies in calldata as `abi.encode` writes it. Bits outside a field's type only lead
        // to the id of no game. Memory beyond the free pointer is scratch.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, subject, 0x280)
            gameId := keccak256(buffer, 0x280)
        }
    }

    /// @notice Id of the game that goes on with this step and record.
    function idOf(Subject calldata subject, uint32 step, bytes32 record) internal pure returns (GameId gameId) {
        // SAFETY: as above; step and record are words 15 and 16.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, subject, 0x280)
            mstore(add(buffer, 0x1e0), step)
            mstore(add(buffer, 0x200), record)
            gameId := keccak256(buffer, 0x280)
        }
    }

    /// @notice Id of the game that opens with these fields.
    function idOf(
        CommittedReceipt calldata committed,
        uint32 step,
        bytes32 record,
        address challenger,
        uint96 bond,
        Timestamp openedAt
    ) internal pure returns (GameId gameId) {
        Receipt calldata receipt = committed.receipt;
        bytes memory tail = abi.encode(committed.batchId, step, record, challenger, bond, openedAt);
        // SAFETY: as above; the fourteen words of the receipt, then the six of `tail`.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, receipt, 0x1c0)
            mcopy(add(buffer, 0x1c0), add(tail, 0x20), 0xc0)
            gameId := keccak256(buffer, 0x280)
        }
    }
}
