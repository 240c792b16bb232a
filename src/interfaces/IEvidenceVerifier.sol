// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice What a piece of attestation evidence proves, once it verifies.
/// @param kind Verifier family, e.g. `TDX_DCAP`, `NV_SPDM`, `DEV`.
/// @param deviceId Hash of the hardware's stable identity.
/// @param measurement What runs inside.
/// @param rd0 First half of the report data: binds the challenge.
/// @param rd1 Second half of the report data: binds transport keys.
/// @param notAfter Seconds since 1970 after which the evidence proves nothing.
/// @param tcbStatus Reasons to distrust the hardware's or its firmware's security version, as a set (see `TcbStatus`); 0 for none.
/// @param tcbEval Vendor's number of the evaluation that said so; 0 without one.
/// @param evidenceHash keccak256 of the evidence, or of the part of it that is signed.
/// @param certificate Name of the certificate whose key signed, which the verifier knows (see `IRevocable`); 0 for kinds without certificates.
struct Claims {
    bytes32 kind;
    bytes32 deviceId;
    bytes32 measurement;
    bytes32 rd0;
    bytes32 rd1;
    uint8 tcbStatus;
    uint32 tcbEval;
    uint64 notAfter;
    bytes32 evidenceHash;
    bytes32 certificate;
}

/// @title One adapter per kind of evidence, stateless towards its callers
interface IEvidenceVerifier {
    /// @notice Verifier family; equals `Claims.kind` of what it accepts.
    function kind() external view returns (bytes32);

    /// @notice Verifies evidence or reverts with a typed error.
    /// @param evidence The evidence, in the family's own format.
    /// @param aux Hints that save gas; they are checked, never trusted.
    function verify(bytes calldata evidence, bytes calldata aux) external view returns (Claims memory);
}
