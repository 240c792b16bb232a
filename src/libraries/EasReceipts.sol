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
        _requireGas();
        try eas.attest{gas: GAS}(IEas.AttestationRequest(schema, receipt)) returns (bytes32 uid) {
            return uid;
        } catch {
            return 0;
        }
    }

    /// @notice Revokes an attestation; returns false if EAS fails.
    function revoke(IEas eas, bytes32 schema, bytes32 uid) internal returns (bool) {
        _requireGas();
        try eas.revoke{gas: GAS}(IEas.RevocationRequest(schema, IEas.RevocationRequestData(uid, 0))) {
            return true;
        } catch {
            return false;
        }
    }

    /// @notice Whether there is an EAS that knows the schema.
    function hasSchema(IEas eas, bytes32 schema) internal view returns (bool) {
        return address(eas).code.length != 0 && eas.getSchemaRegistry().getSchema(schema).uid == schema;
    }

    /// @dev INVARIANT: EAS fails by itself or not at all: a sender with little gas does not make it fail, and gas is estimated with it.
    function _requireGas() private view {
        if (gasleft() * 63 / 64 < GAS) revert TooLittleGas(GAS);
    }
}
