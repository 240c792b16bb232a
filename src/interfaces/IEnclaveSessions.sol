// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Timestamp} from "../libraries/Clock.sol";
import {IEnclaveRegistry} from "./IEnclaveRegistry.sol";
import {Claims, IEvidenceVerifier} from "./IEvidenceVerifier.sol";

/// @title Proofs of enclaves with GPUs, made in several transactions
/// @notice A session's challenge is made on the chain, so evidence is fresh. The GPUs answer it first (`nonceOf`), each in its own report. The CPU's
///         report data names the challenge and those reports (`reportDataOf`), so that the measured code vouches for having seen them. Each
///         piece of evidence is verified in a transaction of its own (`prove`), which leaves one word; `finalize` reads the words and registers the key.
interface IEnclaveSessions {
    /// @notice The caller is neither the executor nor its delegate.
    error NotExecutor(address executor, address caller);
    /// @notice No session has this challenge: it was not opened, is over, or its policy's terms have changed.
    error UnknownSession(bytes32 session);
    /// @notice The session was opened too long ago.
    error SessionExpired(Timestamp end);
    /// @notice No verifier is installed for this kind of evidence.
    error UnknownKind(bytes32 kind);
    /// @notice A verifier vouched for another kind than its own.
    error KindMismatch(bytes32 expected, bytes32 got);
    /// @notice The verifier installed for this kind has not accepted evidence with these claims.
    error NotProved(Claims claims);
    /// @notice This kind is not for GPUs.
    error NotAGpu(bytes32 kind);
    /// @notice A GPU answered another challenge.
    error NonceMismatch(uint256 index, bytes32 expected, bytes32 got);
    /// @notice The CPU's report data is another.
    error ReportDataMismatch(bytes32 expected, bytes32 got);
    /// @notice The policy's set does not accept this firmware now.
    error FirmwareNotAccepted(bytes32 set, bytes32 firmware, Timestamp validUntil);
    /// @notice Two of the reports are of one GPU.
    error SameGpu(bytes32 deviceId);
    /// @notice More GPUs than a key can state.
    error TooManyGpus(uint256 count);
    /// @notice The enclave key did not sign the challenge.
    error EnclaveSignature(address expected, address got);
    /// @notice The key was proved with other claims.
    error OtherProof(bytes32 expected, bytes32 got);
    /// @notice That part of the key's proof still holds: its vendor has not revoked it, and its firmware is not withdrawn.
    error StillProved(address enclaveKey);
    /// @notice An acceptance ends in the future; `withdrawFirmware` ends it now.
    error FirmwareInThePast(Timestamp validUntil);

    /// @notice A session has begun. `anchor` is what is new about it.
    event SessionOpened(
        bytes32 indexed session,
        IEnclaveRegistry.Registration registration,
        bytes32 measurement,
        bytes32 anchor,
        Timestamp end
    );
    /// @notice A verifier accepted evidence.
    event EvidenceProved(IEvidenceVerifier indexed verifier, Claims claims);
    /// @notice A session has ended in a registration.
    event SessionClosed(bytes32 indexed session, address indexed enclaveKey);
    /// @notice A set accepts firmware until then.
    event FirmwareSet(bytes32 indexed set, bytes32 indexed firmware, Timestamp validUntil);
    /// @notice No set accepts this firmware any more.
    event FirmwareWithdrawn(bytes32 indexed firmware);

    /// @notice Opens a session for a policy of the model. By the executor or a delegate.
    function open(IEnclaveRegistry.Registration calldata registration, bytes32 measurement)
        external
        returns (bytes32 session);

    /// @notice Verifies evidence and notes its claims. By anybody.
    function prove(IEnclaveRegistry.Evidence calldata evidence) external;

    /// @notice Registers or renews the key of a session. By the executor or a delegate.
    /// @param anchor As `SessionOpened` gave it.
    /// @param gpus In the order of their nonces.
    /// @param imageConfig Digest of the image's configuration, as in the report data.
    /// @param enclaveSignature The enclave key's signature over the session (65 bytes, over the 32 bytes as they are).
    function finalize(
        IEnclaveRegistry.Registration calldata registration,
        bytes32 anchor,
        Claims calldata cpu,
        Claims[] calldata gpus,
        bytes32 imageConfig,
        bytes calldata enclaveSignature
    ) external;

    /// @notice Revokes a key whose CPU or one of whose GPUs its vendor has revoked, or a GPU of which has withdrawn firmware. By anybody, with
    ///         the claims that proved the key (`EvidenceProved` of the registry or of this contract); also of keys that no session proved.
    /// @param part 0 for the CPU, `k + 1` for GPU number `k`.
    /// @param proof What shows it to that part's verifier (see `IRevocable`); empty for certificates, and for firmware.
    function evict(address enclaveKey, Claims calldata cpu, Claims[] calldata gpus, uint256 part, bytes calldata proof)
        external;

    /// @notice Accepts firmware until then, also if it was withdrawn. Governance only.
    function setFirmware(bytes32 set, bytes32[] calldata firmware, Timestamp validUntil) external;

    /// @notice Ends the firmware's acceptance in all sets, now; its keys can be evicted. Guardian.
    function withdrawFirmware(bytes32 firmware) external;

    /// @notice The challenge of a session with this anchor.
    function challengeOf(IEnclaveRegistry.Registration calldata registration, bytes32 measurement, bytes32 anchor)
        external
        view
        returns (bytes32 session);

    /// @notice The nonce of GPU number `index`, from 0 on.
    function nonceOf(bytes32 session, uint256 index) external pure returns (bytes32);

    /// @notice First half of the CPU's report data. `evidenceHashes` are the GPUs', in their order.
    function reportDataOf(bytes32 session, bytes32[] calldata evidenceHashes, bytes32 imageConfig)
        external
        pure
        returns (bytes32);

    /// @notice When the session ends; zero if there is none.
    function endOf(bytes32 session) external view returns (Timestamp);

    /// @notice Until when firmware is accepted; zero if it is not.
    function firmwareOf(bytes32 set, bytes32 firmware) external view returns (Timestamp);
}
