// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Claims} from "./IEvidenceVerifier.sol";

/// @title Evidence that its vendor can disown after it was verified
/// @notice An `IEvidenceVerifier` whose claims name a certificate says so by this.
interface IRevocable {
    /// @notice Whether what vouched for these claims is revoked by now. What has only grown old (certificates, lists, documents) is not.
    /// @param claims What `verify` once returned; the caller answers for that.
    /// @param proof What shows it, in the family's own format. Empty: a certificate was revoked, that of the claims or one above it.
    /// @dev Reverts with a typed error if the certificate is unknown, or the proof is of something else.
    function isRevoked(Claims calldata claims, bytes calldata proof) external view returns (bool);
}
