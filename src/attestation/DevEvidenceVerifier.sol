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
    /// @notice The evidence is not the one ABI encoding of its fields with a 65-byte signature.
    error EvidenceEncoding();
    /// @notice The evidence is not signed by the root key.
    error EvidenceSignature(address expected, address got);

    bytes32 private constant TAG = keccak256("OTR/dev-evidence/1");
    uint256 private constant LOCAL_CHAIN = 31_337;
    // Six words, the signature's length, and its 65 bytes in three words.
    uint256 private constant EVIDENCE_BYTES = 320;
    uint256 private constant SIGNATURE_OFFSET = 192;
    uint256 private constant SIGNATURE_BYTES = 65;

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
        // INVARIANT: whatever the bytes, what follows ends in a value or in a typed error.
        if (!_isEncoded(evidence)) revert EvidenceEncoding();
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

    /// @dev Whether `abi.decode` takes these bytes, and `abi.encode` would give them back.
    function _isEncoded(bytes calldata evidence) private pure returns (bool) {
        return evidence.length == EVIDENCE_BYTES && _word(evidence, 3) <= type(uint64).max
            && _word(evidence, 5) == SIGNATURE_OFFSET && _word(evidence, 6) == SIGNATURE_BYTES
            && uint248(_word(evidence, 9)) == 0;
    }

    function _word(bytes calldata evidence, uint256 number) private pure returns (uint256) {
        return uint256(bytes32(evidence[32 * number:32 * number + 32]));
    }
}
