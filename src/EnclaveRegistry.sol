// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    AccessManagedUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IEas} from "./interfaces/IEas.sol";
import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {Claims, IEvidenceVerifier} from "./interfaces/IEvidenceVerifier.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Assurance} from "./libraries/Assurance.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";
import {EasReceipts} from "./libraries/EasReceipts.sol";
import {ModelId} from "./types/OtrTypes.sol";

/// @title EnclaveRegistry
contract EnclaveRegistry is IEnclaveRegistry, AccessManagedUpgradeable, UUPSUpgradeable {
    using Checkpoints for Checkpoints.Trace208;

    /// @custom:storage-location erc7201:otr.storage.EnclaveRegistry
    struct Layout {
        mapping(address enclaveKey => Enclave) enclaves;
        mapping(bytes32 kind => IEvidenceVerifier) verifiers;
        mapping(ModelId modelId => mapping(bytes32 measurement => Timestamp)) policies;
        Duration keyLifetime;
        bool development;
        // When each policy that was set again had ended (1), and when it was set again (0).
        mapping(ModelId modelId => mapping(bytes32 measurement => Checkpoints.Trace208)) gaps;
        mapping(ModelId modelId => mapping(bytes32 measurement => Terms)) terms;
        mapping(address enclaveKey => Standing) standings;
        address sessions;
        IEas eas;
        bytes32 schema;
    }

    bytes32 private constant EVIDENCE_TAG = keccak256("OTR/ev/1");
    bytes32 private constant REPORT_DATA_TAG = keccak256("OTR/rd/1");
    bytes32 private constant POLICY_TAG = keccak256("OTR/policy/1");
    bytes32 private constant KIND_DEV = "DEV";
    // keccak256(abi.encode(uint256(keccak256("otr.storage.EnclaveRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant LAYOUT_SLOT = 0x383280b8d3722c3cee7bedf853c725a5c26e3321d52034b143cd64b38fd22f00;

    /// @notice Knows delegates, exits and convictions.
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    IStakeVault public immutable VAULT;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor(IStakeVault vault) {
        VAULT = vault;
        _disableInitializers();
    }

    /// @notice Sets authority, lifetime of keys and whether development evidence is accepted. Once, by the proxy's construction.
    function initialize(address authority, Duration keyLifetime_, bool development_) external initializer {
        __AccessManaged_init(authority);
        _layout().development = development_;
        _setKeyLifetime(keyLifetime_);
    }

    /// @inheritdoc IEnclaveRegistry
    function register(Registration calldata registration, Evidence calldata evidence, bytes calldata enclaveSignature)
        external
    {
        // INVARIANT: nobody registers a key in an executor's name without its consent.
        if (!VAULT.mayActFor(registration.executor, msg.sender)) revert NotExecutor(registration.executor, msg.sender);
        (bytes32 challenge, bytes32 rd0) = challengeOf(registration);
        // INVARIANT: whoever registers a key holds it.
        address signer = ECDSA.recover(challenge, enclaveSignature);
        if (signer != registration.enclaveKey) revert EnclaveSignature(registration.enclaveKey, signer);
        Claims memory claims = _verify(evidence, rd0);
        (bool isCpu, uint8 assurance) = Assurance.ofCpu(claims.kind);
        if (!isCpu) revert NotACpu(claims.kind);
        emit EvidenceProved(_layout().verifiers[claims.kind], claims);
        // Without evidence of GPUs the whole is not on-chain.
        if (assurance > Assurance.CPU_ON_CHAIN) assurance = Assurance.CPU_ON_CHAIN;
        bytes32 evidenceHash = keccak256(abi.encode(claims, new Claims[](0)));
        _enter(registration, claims, Proof(evidenceHash, 0, 0, assurance));
    }

    /// @inheritdoc IEnclaveRegistry
    function admit(Registration calldata registration, Claims calldata claims, Proof calldata proof) external {
        _onlySessions();
        _enter(registration, claims, proof);
    }

    /// @inheritdoc IEnclaveRegistry
    function evict(address enclaveKey) external {
        _onlySessions();
        _revoke(enclaveKey);
    }

    /// @inheritdoc IEnclaveRegistry
    function revoke(address enclaveKey) external {
        address executor = _layout().enclaves[enclaveKey].executor;
        if (executor == address(0)) revert UnknownKey(enclaveKey);
        if (!VAULT.mayActFor(executor, msg.sender)) revert NotExecutor(executor, msg.sender);
        _revoke(enclaveKey);
    }

    /// @inheritdoc IEnclaveRegistry
    function revokeByGovernance(address enclaveKey) external restricted {
        if (_layout().enclaves[enclaveKey].executor == address(0)) revert UnknownKey(enclaveKey);
        _revoke(enclaveKey);
    }

    /// @inheritdoc IEnclaveRegistry
    function setVerifier(IEvidenceVerifier verifier) external restricted {
        Layout storage $ = _layout();
        bytes32 kind = verifier.kind();
        // INVARIANT: a production deployment never accepts development evidence.
        if (kind == KIND_DEV && !$.development) revert DevelopmentOnly();
        $.verifiers[kind] = verifier;
        emit VerifierSet(kind, verifier);
    }

    /// @inheritdoc IEnclaveRegistry
    function removeVerifier(bytes32 kind) external restricted {
        delete _layout().verifiers[kind];
        emit VerifierSet(kind, IEvidenceVerifier(address(0)));
    }

    /// @inheritdoc IEnclaveRegistry
    function setPolicy(ModelId modelId, bytes32 measurement, Timestamp validUntil) external restricted {
        // INVARIANT: a policy never ends in the past, so what was active stays so for the past.
        if (validUntil.hasCome()) revert PolicyInThePast(validUntil);
        Layout storage $ = _layout();
        Timestamp ended = $.policies[modelId][measurement];
        // INVARIANT: a policy that is set again leaves its gap as it was, else receipts that did not stand would become final.
        if (ended.isSet() && ended.hasCome()) {
            Checkpoints.Trace208 storage gaps = $.gaps[modelId][measurement];
            gaps.push(Timestamp.unwrap(ended), 1);
            gaps.push(Timestamp.unwrap(Clock.current()), 0);
        }
        $.policies[modelId][measurement] = validUntil;
        emit PolicySet(modelId, measurement, validUntil);
    }

    /// @inheritdoc IEnclaveRegistry
    function removePolicy(ModelId modelId, bytes32 measurement) external restricted {
        Layout storage $ = _layout();
        Timestamp validUntil = $.policies[modelId][measurement].min(Clock.current());
        $.policies[modelId][measurement] = validUntil;
        emit PolicySet(modelId, measurement, validUntil);
    }

    /// @inheritdoc IEnclaveRegistry
    function setTerms(ModelId modelId, bytes32 measurement, Terms calldata terms) external restricted {
        _layout().terms[modelId][measurement] = terms;
        emit TermsSet(modelId, measurement, policyIdOf(modelId, measurement), terms);
    }

    /// @inheritdoc IEnclaveRegistry
    function setSessions(address sessions_) external restricted {
        _layout().sessions = sessions_;
        emit SessionsSet(sessions_);
    }

    /// @inheritdoc IEnclaveRegistry
    function setAttestations(IEas eas, bytes32 schema) external restricted {
        if (address(eas) != address(0) && !EasReceipts.hasSchema(eas, schema)) revert NoSuchSchema(eas, schema);
        Layout storage $ = _layout();
        ($.eas, $.schema) = (eas, schema);
        emit AttestationsSet(eas, schema);
    }

    /// @inheritdoc IEnclaveRegistry
    function setKeyLifetime(Duration lifetime) external restricted {
        _setKeyLifetime(lifetime);
    }

    /// @inheritdoc IEnclaveRegistry
    function challengeOf(Registration calldata registration) public view returns (bytes32 challenge, bytes32 rd0) {
        // INVARIANT: evidence that renews a key was made after the registration that it renews: who keeps an old quote, and the key, needs the
        // enclave all the same.
        challenge = keccak256(
            abi.encode(
                EVIDENCE_TAG,
                block.chainid,
                address(this),
                registration.executor,
                registration.modelId,
                registration.enclaveKey,
                registration.encryptionKeyHash,
                _layout().enclaves[registration.enclaveKey].expiresAt
            )
        );
        rd0 = keccak256(abi.encode(REPORT_DATA_TAG, challenge, bytes32(0), bytes32(0)));
    }

    /// @inheritdoc IEnclaveRegistry
    function isActive(address enclaveKey, address executor, ModelId modelId) external view returns (bool) {
        return wasActive(enclaveKey, executor, modelId, Clock.current());
    }

    /// @inheritdoc IEnclaveRegistry
    function wasActive(address enclaveKey, address executor, ModelId modelId, Timestamp time)
        public
        view
        returns (bool)
    {
        Layout storage $ = _layout();
        Enclave storage enclave = $.enclaves[enclaveKey];
        if (enclave.executor != executor || executor == address(0)) return false;
        if (ModelId.unwrap(enclave.modelId) != ModelId.unwrap(modelId)) return false;
        if (time.isBefore(enclave.registeredAt) || !time.isBefore(enclave.expiresAt)) return false;
        if (enclave.revokedAt.isSet() && !time.isBefore(enclave.revokedAt)) return false;
        bytes32 measurement = enclave.measurement;
        if (!time.isBefore($.policies[modelId][measurement])) return false;
        if ($.gaps[modelId][measurement].upperLookupRecent(Timestamp.unwrap(time)) != 0) return false;
        return VAULT.wasServing(executor, time);
    }

    /// @inheritdoc IEnclaveRegistry
    function enclaveOf(address enclaveKey) external view returns (Enclave memory) {
        return _layout().enclaves[enclaveKey];
    }

    /// @inheritdoc IEnclaveRegistry
    function verifierOf(bytes32 kind) external view returns (IEvidenceVerifier) {
        return _layout().verifiers[kind];
    }

    /// @inheritdoc IEnclaveRegistry
    function policyOf(ModelId modelId, bytes32 measurement) external view returns (Timestamp) {
        return _layout().policies[modelId][measurement];
    }

    /// @inheritdoc IEnclaveRegistry
    function termsOf(ModelId modelId, bytes32 measurement) external view returns (Terms memory) {
        return _layout().terms[modelId][measurement];
    }

    /// @inheritdoc IEnclaveRegistry
    function policyIdOf(ModelId modelId, bytes32 measurement) public view returns (bytes32) {
        return keccak256(abi.encode(POLICY_TAG, modelId, measurement, _layout().terms[modelId][measurement]));
    }

    /// @inheritdoc IEnclaveRegistry
    function standingOf(address enclaveKey) external view returns (Standing memory) {
        return _layout().standings[enclaveKey];
    }

    /// @inheritdoc IEnclaveRegistry
    function sessions() external view returns (address) {
        return _layout().sessions;
    }

    /// @inheritdoc IEnclaveRegistry
    function attestations() external view returns (IEas eas, bytes32 schema) {
        Layout storage $ = _layout();
        return ($.eas, $.schema);
    }

    /// @inheritdoc IEnclaveRegistry
    function keyLifetime() external view returns (Duration) {
        return _layout().keyLifetime;
    }

    /// @inheritdoc IEnclaveRegistry
    function development() external view returns (bool) {
        return _layout().development;
    }

    function _verify(Evidence calldata evidence, bytes32 rd0) private view returns (Claims memory claims) {
        IEvidenceVerifier verifier = _layout().verifiers[evidence.kind];
        if (address(verifier) == address(0)) revert UnknownKind(evidence.kind);
        claims = verifier.verify(evidence.evidence, evidence.aux);
        if (claims.kind != evidence.kind) revert KindMismatch(evidence.kind, claims.kind);
        // INVARIANT: evidence proves this registration and no other.
        if (claims.rd0 != rd0) revert ChallengeMismatch(rd0, claims.rd0);
    }

    /// @dev Registers or renews what was proved, if the policy takes it.
    function _enter(Registration calldata registration, Claims memory claims, Proof memory proof) private {
        Layout storage $ = _layout();
        Terms storage terms = $.terms[registration.modelId][claims.measurement];
        // INVARIANT: a policy's terms hold for every key of its measurement, however it was proved.
        if (proof.gpus < terms.gpus) revert TooFewGpus(terms.gpus, proof.gpus);
        if (proof.assurance < terms.minAssurance) revert AssuranceTooLow(terms.minAssurance, proof.assurance);
        Enclave memory enclave = _admit(registration, claims, terms.lifetime);
        address key = registration.enclaveKey;
        $.enclaves[key] = enclave;
        emit EnclaveRegistered(key, registration.executor, registration.modelId, enclave, claims.evidenceHash);
        bytes32 policyId = policyIdOf(registration.modelId, claims.measurement);
        bytes32 attestation = _attest(registration, enclave, claims, proof, policyId);
        $.standings[key] = Standing(proof.evidenceHash, attestation, proof.gpus, proof.assurance);
        emit EnclaveProved(key, policyId, proof, attestation);
    }

    /// @dev Attests to the key, in the place of an earlier attestation.
    function _attest(
        Registration calldata registration,
        Enclave memory enclave,
        Claims memory claims,
        Proof memory proof,
        bytes32 policyId
    ) private returns (bytes32 attestation) {
        Layout storage $ = _layout();
        _withdrawAttestation(registration.enclaveKey);
        if (address($.eas) == address(0)) return 0;
        // What they are: `TeeResolver`.
        uint256 facts = uint256(proof.assurance) | uint256(proof.gpus) << 8 | uint256(claims.tcbStatus) << 16
            | ($.development ? 1 << 24 : 0) | uint256(claims.tcbEval) << 32;
        bytes memory data = abi.encode(
            registration.executor,
            registration.encryptionKeyHash,
            policyId,
            claims.measurement,
            proof.gpuRoot,
            proof.evidenceHash,
            facts
        );
        attestation = EasReceipts.attest($.eas, $.schema, registration.enclaveKey, enclave.expiresAt, data);
        if (attestation == 0) emit AttestationFailed(registration.enclaveKey);
    }

    /// @dev Revokes the key's attestation, if there is one where attestations are made now.
    function _withdrawAttestation(address enclaveKey) private {
        Layout storage $ = _layout();
        bytes32 uid = $.standings[enclaveKey].attestation;
        if (uid == 0 || address($.eas) == address(0)) return;
        if (!EasReceipts.revoke($.eas, $.schema, uid)) emit AttestationFailed(enclaveKey);
    }

    function _onlySessions() private view {
        if (msg.sender != _layout().sessions) revert NotSessions(msg.sender);
    }

    /// @dev The entry for a key that is new, or renewed by the same registration for longer.
    function _admit(Registration calldata registration, Claims memory claims, Duration lifetime)
        private
        view
        returns (Enclave memory enclave)
    {
        Layout storage $ = _layout();
        Timestamp notAfter = Clock.fromSeconds(claims.notAfter);
        if (notAfter.hasCome()) revert EvidenceExpired(notAfter);
        Timestamp policy = $.policies[registration.modelId][claims.measurement];
        if (policy.hasCome()) revert MeasurementNotAccepted(registration.modelId, claims.measurement, policy);
        enclave = $.enclaves[registration.enclaveKey];
        // INVARIANT: a revoked key never comes back.
        if (enclave.revokedAt.isSet()) revert KeyRevoked(registration.enclaveKey, enclave.revokedAt);
        Timestamp expiresAt = notAfter.min(Clock.current().plus($.keyLifetime));
        if (lifetime.inSeconds() != 0) expiresAt = expiresAt.min(Clock.current().plus(lifetime));
        if (enclave.executor == address(0)) {
            enclave.registeredAt = Clock.current();
        } else if (
            // INVARIANT: a key serves one executor and one model in one enclave, and a renewal leaves no gap that it would fill in
            // afterwards: receipts of the gap do not stand and must not become final.
            enclave.executor != registration.executor
                || ModelId.unwrap(enclave.modelId) != ModelId.unwrap(registration.modelId)
                || enclave.encryptionKeyHash != registration.encryptionKeyHash
                || enclave.measurement != claims.measurement || enclave.expiresAt.hasCome()
                || expiresAt.isBefore(enclave.expiresAt)
        ) {
            revert KeyTaken(registration.enclaveKey);
        }
        enclave.executor = registration.executor;
        enclave.expiresAt = expiresAt;
        enclave.modelId = registration.modelId;
        enclave.encryptionKeyHash = registration.encryptionKeyHash;
        enclave.measurement = claims.measurement;
        enclave.deviceId = claims.deviceId;
        enclave.kind = claims.kind;
    }

    function _revoke(address enclaveKey) private {
        Enclave storage enclave = _layout().enclaves[enclaveKey];
        if (enclave.revokedAt.isSet()) revert KeyRevoked(enclaveKey, enclave.revokedAt);
        enclave.revokedAt = Clock.current();
        emit EnclaveRevoked(enclaveKey, msg.sender);
        _withdrawAttestation(enclaveKey);
    }

    function _setKeyLifetime(Duration lifetime) private {
        if (lifetime.inSeconds() == 0) revert ZeroLifetime();
        _layout().keyLifetime = lifetime;
        emit KeyLifetimeSet(lifetime);
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _layout() private pure returns (Layout storage $) {
        // SAFETY: a namespaced slot (ERC-7201); nothing else is written.
        assembly ("memory-safe") {
            $.slot := LAYOUT_SLOT
        }
    }
}
