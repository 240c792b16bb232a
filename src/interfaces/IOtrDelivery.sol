// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Timestamp} from "../libraries/Clock.sol";
import {ReceiptHash, Request, RequestHash} from "../types/OtrTypes.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {BatchId, CommittedReceipt, IOtrRollup, Status} from "./IOtrRollup.sol";
import {IUptime} from "./IUptime.sol";

/// @title Requests of contracts: the executor's side
/// @notice An answer is delivered with its committed receipt: it is then a **candidate**. The first candidate whose receipt is final is the
///         answer, and its executor is paid.
/// @dev Why nobody can block a payment or a refund:
///      - Any number of candidates stand side by side. One that lies holds the provisional answer at most; a later honest one is paid as soon
///        as its receipt is final, whatever became of the others. Whoever committed in time and sees a lie delivered, disputes it and
///        delivers its own.
///      - A candidate under challenge stays one: a challenge that fails delays the payment of this candidate, no more. Half of the
///        challenger's bond pays for that. Only another executor's right answer, final before, can take the payment.
///      - A refund waits for the candidates delivered by `deliverBy` and for nobody else. All were committed by the deadline, so that each is
///        final or reverted at the latest when window, extension and longest game after the deadline are over. A candidate delivered only to
///        delay the refund costs its executor the lock, or it is right.
///      - A candidate is one leaf of one batch, with its opening: a receipt in two batches is two candidates, of which one is paid, and a
///        wrong opening, for which the rollup would report `None`, is not the candidate.
///      - What an answer must be besides true is checked at once: fields, length, stop tokens, output root. An executor cannot be paid for an
///        answer that it cut short ("cancelled").
interface IOtrDelivery {
    /// @notice The receipt answers another request.
    error RequestMismatch(RequestHash expected, RequestHash got);
    /// @notice The receipt contradicts its request in `field`.
    error ReceiptContradicts(bytes32 field);
    /// @notice The answer was committed after the deadline.
    error CommittedLate(Timestamp deadline, Timestamp committedAt);
    /// @notice The batch has no lock: a stranger committed it when the executor's stake was taken. The executor commits the receipt itself.
    error NoLock(BatchId batchId);
    /// @notice Answers are delivered until `until`.
    error DeliveryOver(Timestamp until);
    /// @notice The receipt does not stand.
    error NotStanding(ReceiptHash receiptHash, Status status);
    /// @notice This answer was delivered already.
    error AlreadyDelivered(RequestHash requestHash, bytes32 candidate);
    /// @notice This answer was not delivered, or has been dropped.
    error NotDelivered(RequestHash requestHash, bytes32 candidate);
    /// @notice Nothing has changed for this candidate.
    error Unsettled(RequestHash requestHash, Status status);

    /// @notice An answer was delivered.
    event Delivered(
        RequestHash indexed requestHash, address indexed executor, ReceiptHash indexed receiptHash, bytes32 candidate
    );
    /// @notice A candidate's receipt was reverted, or does not stand any more.
    event Dropped(RequestHash indexed requestHash, bytes32 candidate, Status status);

    /// @notice Delivers an answer. Anyone may. A final one is paid at once; a provisional one is shown at once, if the requester wants that
    ///         and no other is shown.
    /// @param output The answer's tokens.
    function deliver(Request calldata request, CommittedReceipt calldata committed, uint32[] calldata output) external;

    /// @notice Acts on what became of a candidate: final, it is paid; reverted, it is dropped; provisional, it is shown if the requester
    ///         wants that and no other is shown. Anyone may.
    /// @param committed As it was delivered.
    function finish(RequestHash requestHash, CommittedReceipt calldata committed) external;

    /// @notice Whether this answer was delivered and is not dropped.
    function isCandidate(RequestHash requestHash, CommittedReceipt calldata committed) external view returns (bool);

    /// @notice Knows where receipts stand.
    function ROLLUP() external view returns (IOtrRollup);

    /// @notice Knows which models can be judged.
    function MODELS() external view returns (IModelRegistry);

    /// @notice Decides whether `deliverBy` has passed.
    function UPTIME() external view returns (IUptime);
}
