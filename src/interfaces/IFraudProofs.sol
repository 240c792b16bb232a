// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";
import {Receipt, ReceiptHash, Request, RequestHash} from "../types/OtrTypes.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {BatchId, CommittedReceipt, IOtrRollup} from "./IOtrRollup.sol";

/// @notice What a one-shot fraud contradicts.
/// @dev Field: receipt and request differ, or nobody may answer the request. Length: more output than asked for. Stop: a stop token before
///      the end, or a wrong stop reason.
///      Output: the output root is not over the records' tokens. SecondAnswer: two receipts for one request. SeqReuse: two receipts of
///      one key with one `seq`.
enum Fraud {
    Field,
    Length,
    Stop,
    Output,
    SecondAnswer,
    SeqReuse
}

/// @notice Another receipt, and what shows that its executor made it: both signatures; or, if `enclaveSignature` is empty, that the
///         executor committed it.
/// @param committed The receipt. Its opening counts only without signatures; the batch may be final or released.
struct OtherReceipt {
    CommittedReceipt committed;
    bytes enclaveSignature;
    bytes operatorSignature;
}

/// @title Lies that need no game
/// @notice Each function convicts in one transaction, within the challenge window (docs/protocol.md, section 6). Immutable, one of the
///         courts of the rules. A proof must be announced first, by a hash that only its sender can use, so that copying it from the mempool
///         gains nothing: `announce(keccak256(abi.encode(sender, keccak256(calldata of the proof))))`, then the proof at a later
///         timestamp, within `ANNOUNCEMENT_LIFETIME`. The case is opened when it is proven: games and demands that are open by then
///         come first.
interface IFraudProofs {
    /// @notice This proof was not announced by its sender, or too long ago, or only just now.
    error NotAnnounced(bytes32 announcement);
    /// @notice Announced already, and not outdated.
    error AlreadyAnnounced(bytes32 announcement, Timestamp announcedAt);
    /// @notice The request is not the receipt's.
    error RequestMismatch(RequestHash expected, RequestHash got);
    /// @notice The secret is not the one that a confidential request's seed commits to.
    error SecretMismatch(bytes32 expected, bytes32 got);
    /// @notice The opening does not lead to the committed root.
    error RootMismatch(bytes32 expected, bytes32 got);
    /// @notice So many records have another number of bytes.
    error RecordBytes(uint256 expected, uint256 got);
    /// @notice This part of the output was not noted.
    error PartMissing(uint256 part);
    /// @notice Both receipts are the same one, not about the same thing, or of two executors; or the other's batch is not its executor's.
    error NotTwice();
    /// @notice Nothing in it contradicts the receipt.
    error NothingProven();

    /// @notice A proof was announced.
    event Announced(bytes32 indexed announcement, address indexed by);
    /// @notice A part of a long output was noted.
    event OutputPartNoted(ReceiptHash indexed receiptHash, uint256 part);
    /// @notice A lie was proven.
    event FraudProven(BatchId indexed batchId, ReceiptHash indexed receiptHash, address indexed by, Fraud fraud);

    /// @notice Announces a proof.
    function announce(bytes32 announcement) external;

    /// @notice The receipt's model, input root, input length, output length or stop reason contradicts its request, or its sampler is
    ///         unknown (docs/protocol.md, section 6).
    function proveField(CommittedReceipt calldata committed, Request calldata request) external;

    /// @notice Output token `i` is a stop token and not the last; or the last one and `stopReason` does not say so; or no stop token and
    ///         `stopReason` says so.
    /// @param salt Salt of the token's leaf, `siblings` its opening under `outputRoot`.
    function proveStop(
        CommittedReceipt calldata committed,
        Request calldata request,
        uint32 i,
        uint32 token,
        bytes32 salt,
        bytes calldata siblings
    ) external;

    /// @notice `outputRoot` is not over the tokens of the records `nIn - 1 .. nIn + nOut - 2`, salted as the request says.
    /// @dev Shows the secret to everybody: of a confidential receipt the tokens can be guessed from then on.
    /// @param secret The request's seed, or what a confidential request's seed commits to.
    /// @param records These records, 36 bytes each: token (4), cache root (32). Their salts follow from the request.
    /// @param siblings Range opening of the records under `traceRoot`.
    function proveOutput(
        CommittedReceipt calldata committed,
        Request calldata request,
        bytes32 secret,
        bytes calldata records,
        bytes calldata siblings
    ) external;

    /// @notice For an output too long for one transaction: notes the node that 2^11 outputs (the last part: the rest) make in the output tree.
    ///         Anyone may, without announcement: it is a fact about the receipt, committed or not.
    function noteOutputPart(
        Receipt calldata receipt,
        Request calldata request,
        bytes32 secret,
        uint256 part,
        bytes calldata records,
        bytes calldata siblings
    ) external;

    /// @notice As `proveOutput`, once all parts were noted.
    function proveOutputOfParts(CommittedReceipt calldata committed) external;

    /// @notice The executor answered one request with two receipts. The one that is convicted is `committed`.
    function proveSecondAnswer(CommittedReceipt calldata committed, OtherReceipt calldata other) external;

    /// @notice The executor's enclave key used one `seq` in two receipts. The one that is convicted is `committed`.
    function proveSeqReuse(CommittedReceipt calldata committed, OtherReceipt calldata other) external;

    /// @notice When `announcement` was made; zero if never, or if it was used.
    function announcedAt(bytes32 announcement) external view returns (Timestamp);

    /// @notice How long an announcement can be used.
    function ANNOUNCEMENT_LIFETIME() external view returns (Duration);

    /// @notice The rollup that this court reports to.
    function ROLLUP() external view returns (IOtrRollup);

    /// @notice Where models are known.
    function MODELS() external view returns (IModelRegistry);
}
