// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Claims, IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";

/// @title Evidence from a software root key, for machines without enclave hardware
/// @notice Runs the path of real evidence on development chains. `EnclaveRegistry` installs it only in development deployments.
///         Evidence: `abi.encode(measurement, rd0, rd1, uint64 notAfter, deviceId, signature)`, the root key's 65-byte signature
///         over `keccak256(abi.encode(keccak256("OTR/dev-evidence/1"), measurement, rd0, rd1, notAfter, deviceId))`.
contract DevEvidenceVerifier is IEvidenceVerifier {
    /// @notice This chain is no local development chain, and the deployer did not insist.
    error NotADevelopmentChain(uint256 chainId);
    /// @notice The evidence is not signed by the root key.
    error EvidenceSignature(address expected, address got);

    bytes32 private constant TAG = keccak256("OTR/dev-evidence/1");
    uint256 private constant LOCAL_CHAIN = 31_337;

    /// @inheritdoc IEvidenceVerifier
    bytes32 public constant kind = "DEV";
    /// @notice The key that stands in for a hardware vendor.
    address public immutable ROOT;

    constructor(address root, bool allowAnyChain) {
        if (block.chainid != LOCAL_CHAIN && !allowAnyChain) revert NotADevelopmentChain(block.chainid);
        ROOT = root;
    }

    /// @inheritdoc IEvidenceVerifier
    function verify(bytes calldata evidence, bytes calldata) external view returns (Claims memory claims) {
        bytes memory signature;
        (claims.measurement, claims.rd0, claims.rd1, claims.notAfter, claims.deviceId, signature) =
            abi.decode(evidence, (bytes32, bytes32, bytes32, uint64, bytes32, bytes));
        address signer = ECDSA.recover(
            keccak256(abi.encode(TAG, claims.measurement, claims.rd0, claims.rd1, claims.notAfter, claims.deviceId)),
            signature
        );
        if (signer != ROOT) revert EvidenceSignature(ROOT, signer);
        claims.kind = kind;
        claims.evidenceHash = keccak256(evidence);
    }
}
