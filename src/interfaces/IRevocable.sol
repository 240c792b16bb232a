// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Evidence whose certificates can be revoked after it was verified
/// @notice An `IEvidenceVerifier` that puts the id of the signer's certificate into `Claims.rd1` says so by this.
interface IRevocable {
    /// @notice Whether the certificate, or one above it, is revoked now. Reverts if it is unknown.
    function isRevoked(bytes32 certificate) external view returns (bool);
}
