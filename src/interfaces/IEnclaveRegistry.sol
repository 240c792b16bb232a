// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";
import {ModelId} from "../types/OtrTypes.sol";
import {IEas} from "./IEas.sol";
import {Claims, IEvidenceVerifier} from "./IEvidenceVerifier.sol";

/// @title Keys that were shown to live inside an accepted enclave
/// @notice One enclave key serves one executor and one model. Evidence must carry the challenge of exactly that tuple in its
///         report data, so evidence of one registration proves nothing for another, nor on another chain or registry; and evidence that was
///         used proves no renewal.
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

    /// @notice What a policy demands besides its measurement. All zero: nothing.
    /// @param image Digest of the image that has the measurement.
    /// @param sources Digest of what the image was built from, e.g. a commit.
    /// @param firmwareSet Set of GPU firmware that `IEnclaveSessions` lists.
    /// @param gpus Least number of GPUs.
    /// @param minAssurance See `Assurance`.
    /// @param lifetime Longest life of keys if shorter than the registry's; zero for the registry's.
    struct Terms {
        bytes32 image;
        bytes32 sources;
        bytes32 firmwareSet;
        uint8 gpus;
        uint8 minAssurance;
        Duration lifetime;
    }

    /// @notice How a key was proved.
    /// @param evidenceHash keccak256 of all claims.
    /// @param gpuRoot keccak256 of the evidence hashes of the GPUs; zero without GPUs.
    /// @param assurance See `Assurance`.
    struct Proof {
        bytes32 evidenceHash;
        bytes32 gpuRoot;
        uint8 gpus;
        uint8 assurance;
    }

    /// @notice What is kept of the proof.
    /// @param attestation Id of the EAS attestation; zero without EAS.
    struct Standing {
        bytes32 evidenceHash;
        bytes32 attestation;
        uint8 gpus;
        uint8 assurance;
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
    /// @notice This kind is for GPUs only.
    error NotACpu(bytes32 kind);
    /// @notice The policy demands more GPUs than were proved.
    error TooFewGpus(uint8 demanded, uint8 proved);
    /// @notice The policy demands a better proof.
    error AssuranceTooLow(uint8 demanded, uint8 given);
    /// @notice Only the contract of sessions may do this.
    error NotSessions(address caller);
    /// @notice There is no EAS at this address, or it does not know the schema.
    error NoSuchSchema(IEas eas, bytes32 schema);

    /// @notice An enclave key is active.
    event EnclaveRegistered(
        address indexed enclaveKey,
        address indexed executor,
        ModelId indexed modelId,
        Enclave enclave,
        bytes32 evidenceHash
    );
    /// @notice A verifier accepted the evidence of a registration without a session: what `IEnclaveSessions.evict` asks for.
    event EvidenceProved(IEvidenceVerifier indexed verifier, Claims claims);
    /// @notice An enclave key is active no more.
    event EnclaveRevoked(address indexed enclaveKey, address indexed by);
    /// @notice A model accepts, or no longer accepts, a measurement.
    event PolicySet(ModelId indexed modelId, bytes32 indexed measurement, Timestamp validUntil);
    /// @notice The verifier for a kind of evidence; the zero address ends the kind.
    event VerifierSet(bytes32 indexed kind, IEvidenceVerifier verifier);
    /// @notice Longest life of a key registered from now on.
    event KeyLifetimeSet(Duration lifetime);
    /// @notice What a policy demands of keys registered from now on.
    event TermsSet(ModelId indexed modelId, bytes32 indexed measurement, bytes32 policyId, Terms terms);
    /// @notice How a key was proved, and its EAS attestation if there is one.
    event EnclaveProved(address indexed enclaveKey, bytes32 policyId, Proof proof, bytes32 attestation);
    /// @notice EAS refused to attest to the key, or to revoke an attestation; the registry goes on without it.
    event AttestationFailed(address indexed enclaveKey);
    /// @notice Where proofs of several transactions are made.
    event SessionsSet(address sessions);
    /// @notice Where receipts of registrations are attested to; the zero address: nowhere.
    event AttestationsSet(IEas eas, bytes32 schema);

    /// @notice Registers or renews an enclave key. By the executor or a delegate.
    /// @param enclaveSignature The enclave key's signature over the challenge (65 bytes, over the 32 bytes as they are).
    function register(Registration calldata registration, Evidence calldata evidence, bytes calldata enclaveSignature)
        external;

    /// @notice Registers or renews a key that `sessions` has proved, with the executor's consent.
    function admit(Registration calldata registration, Claims calldata claims, Proof calldata proof) external;

    /// @notice Revokes a key whose proof does not hold any more. By `sessions`.
    function evict(address enclaveKey) external;

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

    /// @notice Sets what the policy for `measurement` demands of keys registered from now on. Governance only.
    function setTerms(ModelId modelId, bytes32 measurement, Terms calldata terms) external;

    /// @notice Sets the contract that proves keys in several transactions. Governance only.
    function setSessions(address sessions_) external;

    /// @notice Sets where registrations are attested to; the zero address ends it. Governance only.
    function setAttestations(IEas eas, bytes32 schema) external;

    /// @notice Sets the longest life of keys registered from now on. Governance only.
    function setKeyLifetime(Duration lifetime) external;

    /// @notice What evidence and enclave key must prove for a registration, or for the renewal of one that ends when it ends now.
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

    /// @notice What the policy for `measurement` demands.
    function termsOf(ModelId modelId, bytes32 measurement) external view returns (Terms memory);

    /// @notice Names model, measurement and terms: what a proof is made for.
    function policyIdOf(ModelId modelId, bytes32 measurement) external view returns (bytes32);

    /// @notice How a key was proved.
    function standingOf(address enclaveKey) external view returns (Standing memory);

    /// @notice The contract that proves keys in several transactions.
    function sessions() external view returns (address);

    /// @notice Where registrations are attested to.
    function attestations() external view returns (IEas eas, bytes32 schema);
}
