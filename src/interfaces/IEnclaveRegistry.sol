// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";
import {ModelId} from "../types/OtrTypes.sol";
import {IEvidenceVerifier} from "./IEvidenceVerifier.sol";

/// @title Keys that were shown to live inside an accepted enclave
/// @notice One enclave key serves one executor and one model. Evidence must carry the challenge of exactly that tuple in its
///         report data, so evidence of one registration proves nothing for another, nor on another chain or registry.
interface IEnclaveRegistry {
    /// @notice The registration to be proved.
    /// @param encryptionKeyHash keccak256 of the enclave's public encryption key.
    struct Registration {
        address executor;
        ModelId modelId;
        address enclaveKey;
        bytes32 encryptionKeyHash;
    }

    /// @notice What proves it.
    /// @param kind Verifier family.
    /// @param evidence Evidence whose first half of the report data is `rd0` of `challengeOf`.
    /// @param aux Hints for the verifier.
    struct Evidence {
        bytes32 kind;
        bytes evidence;
        bytes aux;
    }

    /// @notice What is known of an enclave key.
    /// @param expiresAt It proves nothing from this moment on.
    /// @param revokedAt When it was revoked; zero if never.
    struct Enclave {
        address executor;
        Timestamp registeredAt;
        Timestamp expiresAt;
        ModelId modelId;
        bytes32 encryptionKeyHash;
        bytes32 measurement;
        bytes32 deviceId;
        bytes32 kind;
        Timestamp revokedAt;
    }

    /// @notice The caller is neither the executor nor its delegate.
    error NotExecutor(address executor, address caller);
    /// @notice No verifier is installed for this kind of evidence.
    error UnknownKind(bytes32 kind);
    /// @notice A verifier vouched for another kind than its own.
    error KindMismatch(bytes32 expected, bytes32 got);
    /// @notice Development evidence is not accepted by this deployment.
    error DevelopmentOnly();
    /// @notice The evidence does not carry this registration's challenge.
    error ChallengeMismatch(bytes32 expected, bytes32 got);
    /// @notice The evidence proves nothing any more.
    error EvidenceExpired(Timestamp notAfter);
    /// @notice The policy of the model does not accept this measurement now.
    error MeasurementNotAccepted(ModelId modelId, bytes32 measurement, Timestamp validUntil);
    /// @notice The enclave key did not sign the challenge.
    error EnclaveSignature(address expected, address got);
    /// @notice The key is bound to another registration or enclave, has expired, or this renewal would shorten its life.
    error KeyTaken(address enclaveKey);
    /// @notice The key was revoked: it never comes back.
    error KeyRevoked(address enclaveKey, Timestamp revokedAt);
    /// @notice No such key.
    error UnknownKey(address enclaveKey);
    /// @notice A policy ends in the future; `removePolicy` ends it now.
    error PolicyInThePast(Timestamp validUntil);
    /// @notice The lifetime of keys must not be zero.
    error ZeroLifetime();

    /// @notice An enclave key is active.
    event EnclaveRegistered(
        address indexed enclaveKey,
        address indexed executor,
        ModelId indexed modelId,
        Enclave enclave,
        bytes32 evidenceHash
    );
    /// @notice An enclave key is active no more.
    event EnclaveRevoked(address indexed enclaveKey, address indexed by);
    /// @notice A model accepts, or no longer accepts, a measurement.
    event PolicySet(ModelId indexed modelId, bytes32 indexed measurement, Timestamp validUntil);
    /// @notice The verifier for a kind of evidence; the zero address ends the kind.
    event VerifierSet(bytes32 indexed kind, IEvidenceVerifier verifier);
    /// @notice Longest life of a key registered from now on.
    event KeyLifetimeSet(Duration lifetime);

    /// @notice Registers or renews an enclave key. By the executor or a delegate.
    /// @param enclaveSignature The enclave key's signature over the challenge (65 bytes, over the 32 bytes as they are).
    function register(Registration calldata registration, Evidence calldata evidence, bytes calldata enclaveSignature)
        external;

    /// @notice Revokes a key for good. By its executor or a delegate.
    function revoke(address enclaveKey) external;

    /// @notice Revokes a key for good. Governance only.
    function revokeByGovernance(address enclaveKey) external;

    /// @notice Installs the verifier of the kind that it names. Governance only.
    function setVerifier(IEvidenceVerifier verifier) external;

    /// @notice Removes the verifier of a kind. Governance only.
    function removeVerifier(bytes32 kind) external;

    /// @notice Accepts `measurement` for `modelId` until `validUntil`. Governance only.
    function setPolicy(ModelId modelId, bytes32 measurement, Timestamp validUntil) external;

    /// @notice Stops accepting `measurement` for `modelId` now; its keys are inactive at once. Guardian.
    function removePolicy(ModelId modelId, bytes32 measurement) external;

    /// @notice Sets the longest life of keys registered from now on. Governance only.
    function setKeyLifetime(Duration lifetime) external;

    /// @notice What evidence and enclave key must prove for a registration.
    /// @return challenge What the enclave key signs.
    /// @return rd0 What the evidence carries as first half of its report data.
    function challengeOf(Registration calldata registration) external view returns (bytes32 challenge, bytes32 rd0);

    /// @notice Whether the key may vouch for `executor` and `modelId` now.
    function isActive(address enclaveKey, address executor, ModelId modelId) external view returns (bool);

    /// @notice Whether it could at `time`. Once true for a past moment, it stays true.
    function wasActive(address enclaveKey, address executor, ModelId modelId, Timestamp time)
        external
        view
        returns (bool);

    /// @notice What is known of a key.
    function enclaveOf(address enclaveKey) external view returns (Enclave memory);

    /// @notice The verifier of a kind.
    function verifierOf(bytes32 kind) external view returns (IEvidenceVerifier);

    /// @notice Until when `measurement` is accepted for `modelId`.
    function policyOf(ModelId modelId, bytes32 measurement) external view returns (Timestamp);

    /// @notice Longest life of a key.
    function keyLifetime() external view returns (Duration);

    /// @notice Whether this deployment accepts development evidence. Fixed when it was initialised.
    function development() external view returns (bool);
}
