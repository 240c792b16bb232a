// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IEnclaveSessions} from "./interfaces/IEnclaveSessions.sol";
import {Claims, IEvidenceVerifier} from "./interfaces/IEvidenceVerifier.sol";
import {IRevocable} from "./interfaces/IRevocable.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Assurance} from "./libraries/Assurance.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";

/// @title EnclaveSessions
/// @dev Words that `prove` leaves are keyed by verifier and claims: whoever verifies more leaves more words, and takes nobody's away. What
///      ties claims to a session is in them: nonces and report data.
contract EnclaveSessions is IEnclaveSessions, AccessManaged {
    bytes32 private constant SESSION_TAG = keccak256("OTR/session/1");
    bytes32 private constant GPU_TAG = keccak256("OTR/gpu/1");
    bytes32 private constant REPORT_DATA_TAG = keccak256("OTR/rd/1");
    /// @dev Time for evidence and its transactions, and so the age of evidence at a registration.
    Duration private constant LIFE = Duration.wrap(1 hours);

    /// @notice Admits what is proved here.
    IEnclaveRegistry public immutable REGISTRY;
    /// @notice Knows delegates.
    IStakeVault public immutable VAULT;

    /// @notice Sessions so far.
    uint256 public opened;
    mapping(bytes32 session => Timestamp) private _ends;
    mapping(bytes32 word => bool) private _proved;
    mapping(bytes32 set => mapping(bytes32 firmware => Timestamp)) private _firmware;
    mapping(bytes32 firmware => bool) private _withdrawn;

    constructor(address authority, IEnclaveRegistry registry, IStakeVault vault) AccessManaged(authority) {
        (REGISTRY, VAULT) = (registry, vault);
    }

    /// @inheritdoc IEnclaveSessions
    function open(IEnclaveRegistry.Registration calldata registration, bytes32 measurement)
        external
        returns (bytes32 session)
    {
        _requireConsent(registration.executor);
        // INVARIANT: no two sessions have one challenge, whatever the chain makes of the block's properties; and where one of them is random,
        // nobody knows a challenge before its block, so evidence that answers it is younger.
        bytes32 anchor = keccak256(abi.encode(blockhash(block.number - 1), block.prevrandao, block.timestamp, ++opened));
        session = challengeOf(registration, measurement, anchor);
        Timestamp end = Clock.current().plus(LIFE);
        _ends[session] = end;
        emit SessionOpened(session, registration, measurement, anchor, end);
    }

    /// @inheritdoc IEnclaveSessions
    function prove(IEnclaveRegistry.Evidence calldata evidence) external {
        IEvidenceVerifier verifier = _verifier(evidence.kind);
        Claims memory claims = verifier.verify(evidence.evidence, evidence.aux);
        if (claims.kind != evidence.kind) revert KindMismatch(evidence.kind, claims.kind);
        _proved[_word(verifier, claims)] = true;
        emit EvidenceProved(verifier, claims);
    }

    /// @inheritdoc IEnclaveSessions
    function finalize(
        IEnclaveRegistry.Registration calldata registration,
        bytes32 anchor,
        Claims calldata cpu,
        Claims[] calldata gpus,
        bytes32 imageConfig,
        bytes calldata enclaveSignature
    ) external {
        // INVARIANT: nobody registers a key in an executor's name without its consent.
        _requireConsent(registration.executor);
        bytes32 session = challengeOf(registration, cpu.measurement, anchor);
        _close(session);
        // INVARIANT: whoever registers a key holds it.
        address signer = ECDSA.recover(session, enclaveSignature);
        if (signer != registration.enclaveKey) revert EnclaveSignature(registration.enclaveKey, signer);

        (IEnclaveRegistry.Proof memory proof, uint64 notAfter) = _gpus(session, registration, cpu, gpus);
        _checkCpu(session, cpu, proof, imageConfig);
        Claims memory claims = cpu;
        if (notAfter < claims.notAfter) claims.notAfter = notAfter;
        REGISTRY.admit(registration, claims, proof);
        emit SessionClosed(session, registration.enclaveKey);
    }

    /// @inheritdoc IEnclaveSessions
    function evict(address enclaveKey, Claims calldata cpu, Claims[] calldata gpus, uint256 part, bytes calldata proof)
        external
    {
        bytes32 expected = REGISTRY.standingOf(enclaveKey).evidenceHash;
        bytes32 got = keccak256(abi.encode(cpu, gpus));
        if (expected != got || part > gpus.length) revert OtherProof(expected, got);
        Claims calldata claims = part == 0 ? cpu : gpus[part - 1];
        // INVARIANT: what only grows old evicts nobody; keys live to their own expiry.
        if (!(part != 0 && _withdrawn[claims.measurement]) && !_isRevoked(claims, proof)) {
            revert StillProved(enclaveKey);
        }
        REGISTRY.evict(enclaveKey);
    }

    /// @inheritdoc IEnclaveSessions
    function setFirmware(bytes32 set, bytes32[] calldata firmware, Timestamp validUntil) external restricted {
        if (validUntil.hasCome()) revert FirmwareInThePast(validUntil);
        for (uint256 k; k < firmware.length; ++k) {
            delete _withdrawn[firmware[k]];
            _firmware[set][firmware[k]] = validUntil;
            emit FirmwareSet(set, firmware[k], validUntil);
        }
    }

    /// @inheritdoc IEnclaveSessions
    function withdrawFirmware(bytes32 firmware) external restricted {
        _withdrawn[firmware] = true;
        emit FirmwareWithdrawn(firmware);
    }

    /// @inheritdoc IEnclaveSessions
    function challengeOf(IEnclaveRegistry.Registration calldata registration, bytes32 measurement, bytes32 anchor)
        public
        view
        returns (bytes32)
    {
        // INVARIANT: evidence proves this registration under these terms, on this chain, in this registry, and no other.
        return keccak256(
            abi.encode(
                SESSION_TAG,
                block.chainid,
                address(REGISTRY),
                address(this),
                registration,
                REGISTRY.policyIdOf(registration.modelId, measurement),
                anchor
            )
        );
    }

    /// @inheritdoc IEnclaveSessions
    function nonceOf(bytes32 session, uint256 index) public pure returns (bytes32) {
        return sha256(abi.encode(GPU_TAG, session, index));
    }

    /// @inheritdoc IEnclaveSessions
    function reportDataOf(bytes32 session, bytes32[] calldata evidenceHashes, bytes32 imageConfig)
        external
        pure
        returns (bytes32)
    {
        return _reportData(session, _root(evidenceHashes), imageConfig);
    }

    /// @inheritdoc IEnclaveSessions
    function endOf(bytes32 session) external view returns (Timestamp) {
        return _ends[session];
    }

    /// @inheritdoc IEnclaveSessions
    function firmwareOf(bytes32 set, bytes32 firmware) public view returns (Timestamp) {
        return _withdrawn[firmware] ? Timestamp.wrap(0) : _firmware[set][firmware];
    }

    /// @dev INVARIANT: a session is used once, in its time.
    function _close(bytes32 session) private {
        Timestamp end = _ends[session];
        if (!end.isSet()) revert UnknownSession(session);
        if (end.hasCome()) revert SessionExpired(end);
        _ends[session] = Timestamp.wrap(0);
    }

    /// @dev What all GPUs prove, and the first expiry.
    function _gpus(
        bytes32 session,
        IEnclaveRegistry.Registration calldata registration,
        Claims calldata cpu,
        Claims[] calldata gpus
    ) private returns (IEnclaveRegistry.Proof memory proof, uint64 notAfter) {
        if (gpus.length > type(uint8).max) revert TooManyGpus(gpus.length);
        bytes32 set = REGISTRY.termsOf(registration.modelId, cpu.measurement).firmwareSet;
        // Without evidence of GPUs the whole is not on-chain.
        proof.assurance = gpus.length == 0 ? Assurance.CPU_ON_CHAIN : Assurance.ON_CHAIN;
        proof.gpus = uint8(gpus.length);
        proof.evidenceHash = keccak256(abi.encode(cpu, gpus));
        notAfter = type(uint64).max;
        bytes32[] memory hashes = new bytes32[](gpus.length);
        for (uint256 k; k < gpus.length; ++k) {
            Claims calldata gpu = gpus[k];
            uint8 assurance = _checkGpu(session, set, gpu, k);
            for (uint256 j; j < k; ++j) {
                // INVARIANT: a GPU counts once.
                if (gpus[j].deviceId == gpu.deviceId) revert SameGpu(gpu.deviceId);
            }
            if (assurance < proof.assurance) proof.assurance = assurance;
            if (gpu.notAfter < notAfter) notAfter = gpu.notAfter;
            hashes[k] = gpu.evidenceHash;
        }
        proof.gpuRoot = _root(hashes);
    }

    /// @dev One GPU's assurance.
    function _checkGpu(bytes32 session, bytes32 set, Claims calldata gpu, uint256 index) private returns (uint8) {
        (bool isGpu, uint8 assurance) = Assurance.ofGpu(gpu.kind);
        if (!isGpu) revert NotAGpu(gpu.kind);
        bytes32 nonce = nonceOf(session, index);
        if (gpu.rd0 != nonce) revert NonceMismatch(index, nonce, gpu.rd0);
        Timestamp validUntil = firmwareOf(set, gpu.measurement);
        if (validUntil.hasCome()) revert FirmwareNotAccepted(set, gpu.measurement, validUntil);
        _consume(gpu);
        return assurance;
    }

    /// @dev The CPU's part; lowers the proof's assurance to it.
    function _checkCpu(bytes32 session, Claims calldata cpu, IEnclaveRegistry.Proof memory proof, bytes32 imageConfig)
        private
    {
        (bool isCpu, uint8 assurance) = Assurance.ofCpu(cpu.kind);
        if (!isCpu) revert IEnclaveRegistry.NotACpu(cpu.kind);
        if (assurance < proof.assurance) proof.assurance = assurance;
        bytes32 rd0 = _reportData(session, proof.gpuRoot, imageConfig);
        // INVARIANT: the measured code has seen this session, and these reports of GPUs.
        if (cpu.rd0 != rd0) revert ReportDataMismatch(rd0, cpu.rd0);
        _consume(cpu);
    }

    function _root(bytes32[] memory evidenceHashes) private pure returns (bytes32) {
        return evidenceHashes.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(evidenceHashes));
    }

    function _reportData(bytes32 session, bytes32 gpuRoot, bytes32 imageConfig) private pure returns (bytes32) {
        return keccak256(abi.encode(REPORT_DATA_TAG, session, gpuRoot, imageConfig));
    }

    /// @dev INVARIANT: claims count if the verifier that is installed now has accepted evidence for them. No other session can use them, so the
    ///      word is given back.
    function _consume(Claims calldata claims) private {
        bytes32 word = _word(_verifier(claims.kind), claims);
        if (!_proved[word]) revert NotProved(claims);
        delete _proved[word];
    }

    function _verifier(bytes32 kind) private view returns (IEvidenceVerifier verifier) {
        verifier = REGISTRY.verifierOf(kind);
        if (address(verifier) == address(0)) revert UnknownKind(kind);
    }

    function _word(IEvidenceVerifier verifier, Claims memory claims) private pure returns (bytes32) {
        return keccak256(abi.encode(verifier, claims));
    }

    /// @dev Kinds without certificates have none to revoke, and no such function; what others refuse a proof for, they say.
    function _isRevoked(Claims calldata claims, bytes calldata proof) private view returns (bool) {
        IEvidenceVerifier verifier = _verifier(claims.kind);
        try IRevocable(address(verifier)).isRevoked(claims, proof) returns (bool revoked) {
            return revoked;
        } catch (bytes memory reason) {
            if (reason.length == 0) return false;
            // SAFETY: hands the verifier's own error on.
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }

    function _requireConsent(address executor) private view {
        if (!VAULT.mayActFor(executor, msg.sender)) revert NotExecutor(executor, msg.sender);
    }
}
