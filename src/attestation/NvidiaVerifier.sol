// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Claims, IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";
import {IRevocable} from "../interfaces/IRevocable.sol";
import {H100} from "./H100.sol";
import {NvidiaCertificates} from "./NvidiaCertificates.sol";
import {SpdmReport} from "./SpdmReport.sol";

/// @title Evidence of H100 GPUs: attestation reports, signed by keys of cached certificates
/// @notice Evidence: the report (SPDM request and response). `aux`: the leaf's id in `NvidiaCertificates`, 32 bytes; the measurements that the
///         list of accepted firmware names, 8 bytes (bit k stands for measurement k + 1); hints for the signature (see `P384`).
/// @dev Claims: `rd0` is the requester's nonce, `certificate` the leaf's id, `measurement` what `H100.firmwareOf` names, `deviceId` the GPU's stable name,
///      hashed. `evidenceHash` is that of what is signed: a signature has a twin, which proves the same.
contract NvidiaVerifier is IEvidenceVerifier, IRevocable {
    /// @notice `aux` is too short for what precedes the hints, or a proof of revocation is not empty.
    error AuxLength(uint256 expected, uint256 got);
    /// @notice The report answers the challenge of NVIDIA's samples, which its tools hand out on machines without a GPU.
    error CannedNonce(bytes32 nonce);

    uint256 private constant AUX_HEAD = 40;
    bytes32 private constant CANNED = 0x931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb;
    bytes32 private constant CANNED_TOO = 0x4cff7f5380ead8fad8ec2c531c110aca4302a88f603792801a8ca29ee151af2e;

    /// @inheritdoc IEvidenceVerifier
    bytes32 public constant kind = "NV_SPDM";
    /// @notice Where the leaves are.
    NvidiaCertificates public immutable CERTIFICATES;

    constructor(NvidiaCertificates certificates) {
        CERTIFICATES = certificates;
    }

    /// @inheritdoc IEvidenceVerifier
    function verify(bytes calldata evidence, bytes calldata aux) external view returns (Claims memory claims) {
        if (aux.length < AUX_HEAD) revert AuxLength(AUX_HEAD, aux.length);
        bytes32 id = bytes32(aux[:32]);
        H100.Leaf memory leaf = CERTIFICATES.leafOf(id);
        SpdmReport.Report memory report = H100.verifySigned(evidence, leaf, aux[AUX_HEAD:]);
        // INVARIANT: evidence that everybody has proves nothing, whoever asks with this nonce.
        if (report.nonce == CANNED || report.nonce == CANNED_TOO) revert CannedNonce(report.nonce);
        claims.kind = kind;
        claims.deviceId = leaf.deviceId;
        claims.measurement = H100.firmwareOf(evidence, report, uint64(bytes8(aux[32:AUX_HEAD])));
        claims.rd0 = report.nonce;
        claims.certificate = id;
        claims.notAfter = leaf.notAfter;
        claims.evidenceHash = keccak256(evidence[:report.signedEnd]);
    }

    /// @inheritdoc IRevocable
    /// @dev Certificates are all that NVIDIA revokes.
    function isRevoked(Claims calldata claims, bytes calldata proof) external view returns (bool) {
        if (proof.length != 0) revert AuxLength(0, proof.length);
        return CERTIFICATES.isRevoked(claims.certificate);
    }
}
