// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEas} from "../interfaces/IEas.sol";
import {Timestamp} from "./Clock.sol";

/// @title Receipts in the Ethereum Attestation Service
/// @notice EAS is told and not asked: whatever it does, the caller goes on, and spends no more than `GAS`.
library EasReceipts {
    /// @notice The transaction has not the gas that EAS is given.
    error TooLittleGas(uint256 needed);

    /// @dev To attest or to revoke, resolver included: more than twice what it takes.
    uint256 private constant GAS = 1_000_000;

    /// @notice Attests, and returns the attestation's id; zero if EAS fails.
    function attest(IEas eas, bytes32 schema, address recipient, Timestamp expiresAt, bytes memory data)
        internal
        returns (bytes32)
    {
        IEas.AttestationRequestData memory receipt = IEas.AttestationRequestData({
            recipient: recipient,
            expirationTime: Timestamp.unwrap(expiresAt),
            revocable: true,
            refUID: 0,
            data: data,
            value: 0
        });
        (bool told, uint256 size, bytes32 uid) =
            _tell(eas, abi.encodeCall(IEas.attest, (IEas.AttestationRequest(schema, receipt))));
        return told && size >= 32 ? uid : bytes32(0);
    }

    /// @notice Revokes an attestation; returns false if EAS fails.
    function revoke(IEas eas, bytes32 schema, bytes32 uid) internal returns (bool) {
        IEas.RevocationRequestData memory data = IEas.RevocationRequestData(uid, 0);
        (bool told,,) = _tell(eas, abi.encodeCall(IEas.revoke, (IEas.RevocationRequest(schema, data))));
        // Where no contract is, every call succeeds.
        return told && address(eas).code.length != 0;
    }

    /// @notice Whether there is an EAS that knows the schema.
    function hasSchema(IEas eas, bytes32 schema) internal view returns (bool) {
        return address(eas).code.length != 0 && eas.getSchemaRegistry().getSchema(schema).uid == schema;
    }

    /// @dev INVARIANT: whatever EAS returns, or if nothing is there any more, the caller goes on: Solidity's own call would revert here.
    /// @return told Whether the call succeeded.
    /// @return size Bytes that it returned.
    /// @return word The first 32 of them.
    function _tell(IEas eas, bytes memory message) private returns (bool told, uint256 size, bytes32 word) {
        _requireGas();
        // SAFETY: reads `message`, and writes scratch space: return data beyond the first word is never copied.
        assembly ("memory-safe") {
            told := call(GAS, eas, 0, add(message, 0x20), mload(message), 0x00, 0x20)
            size := returndatasize()
            word := mload(0x00)
        }
    }

    /// @dev INVARIANT: EAS fails by itself or not at all: a sender with little gas does not make it fail, and gas is estimated with it.
    function _requireGas() private view {
        if (gasleft() * 63 / 64 < GAS) revert TooLittleGas(GAS);
    }
}
