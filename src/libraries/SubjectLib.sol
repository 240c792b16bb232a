// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameId, Subject} from "../interfaces/IDisputeGame.sol";
import {CommittedReceipt} from "../interfaces/IOtrRollup.sol";
import {Receipt} from "../types/OtrTypes.sol";

/// @title The id of a game: `keccak256(abi.encode(Subject))`
library SubjectLib {
    /// @notice Id of the game on a subject.
    function idOf(Subject calldata subject) internal pure returns (GameId gameId) {
        // SAFETY: a struct of nineteen static words lies in calldata as `abi.encode` writes it. Bits outside a field's type only lead
        // to the id of no game. Memory beyond the free pointer is scratch.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, subject, 0x260)
            gameId := keccak256(buffer, 0x260)
        }
    }

    /// @notice Id of the game that opens with these fields.
    function idOf(CommittedReceipt calldata committed, uint32 step, bytes32 record, address challenger, uint96 bond)
        internal
        pure
        returns (GameId gameId)
    {
        Receipt calldata receipt = committed.receipt;
        bytes memory tail = abi.encode(committed.batchId, step, record, challenger, bond);
        // SAFETY: as above; the fourteen words of the receipt, then the five of `tail`.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, receipt, 0x1c0)
            mcopy(add(buffer, 0x1c0), add(tail, 0x20), 0xa0)
            gameId := keccak256(buffer, 0x260)
        }
    }
}
