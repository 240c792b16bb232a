// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";
import {ModelId, Receipt, ReceiptHash, Request, RequestHash} from "../types/OtrTypes.sol";

/// @dev Number of a batch, from 1.
type BatchId is uint64;
/// @dev Number of a version of the rules, from 1.
type RulesVersion is uint8;

/// @notice Where a receipt stands.
/// @dev None: nothing stands (not in the batch, could not be judged, committed late, or its key was not active).
///      Provisional: committed, the window is open, or something that was drawn of its batch is not answered. Challenged: a game is open.
///      Final: nothing can change it any more.
///      Reverted: its executor was convicted before it was final; that does not mean that this answer was false.
enum Status {
    None,
    Provisional,
    Challenged,
    Final,
    Reverted
}

/// @notice What a batch is committed under, for good.
/// @dev `game`, `frauds`, `availability` and `spotChecks` are the batch's courts: they alone report on it.
/// @param game Decides a wrong step (`IDisputeGame`).
/// @param challengeWindow Time to open a game.
/// @param turnDuration Time for a move.
/// @param machineVersion Machine that the judge judges.
/// @param judge Decides single steps; the one that `game` asks.
/// @param lockPerReceipt Wei of stake that each receipt locks.
/// @param frauds Decides what needs no game (`IFraudProofs`).
/// @param bond Wei that a challenger puts up for a game.
/// @param availability Hears demands for a receipt's data (`IAvailability`).
/// @param reserve Wei of free stake that an executor keeps beside its locks: gas of challengers is repaid from it.
/// @param uptime Knows outages of the chain's sequencer (`IUptime`).
/// @param gasPrice Wei per gas at which moves are repaid.
/// @param airGap Time between a verdict and its payouts, longer than governance's timelock.
/// @param claimPeriod Time after a conviction in which requesters can claim compensation.
/// @param expiryCap Longest time from answer to a receipt's expiry that clients accept; exits wait for it.
/// @param demandBond Wei that a demand for data puts up.
/// @param challengerBps Share of the convicted receipt's lock for the challenger.
/// @param requesterBps Share of a reverted receipt's lock for its requester. What is not paid out is burnt.
/// @param spotChecks Draws what must be proven (`ISpotChecks`); zero for rules without draws.
struct Rules {
    address game;
    Duration challengeWindow;
    Duration turnDuration;
    uint32 machineVersion;
    address judge;
    uint96 lockPerReceipt;
    address frauds;
    uint96 bond;
    address availability;
    uint96 reserve;
    address uptime;
    uint64 gasPrice;
    Duration airGap;
    Duration claimPeriod;
    Duration expiryCap;
    uint96 demandBond;
    uint16 challengerBps;
    uint16 requesterBps;
    address spotChecks;
}

/// @notice A batch.
/// @param openGames Open games and demands on its receipts, up to 2^16 - 2; 2^16 - 1 once its locks are gone.
/// @param scarce A batch of one that a stranger committed while the executor's free stake did not cover its lock.
struct Batch {
    bytes32 root;
    address executor;
    Timestamp committedAt;
    uint24 count;
    RulesVersion rules;
    uint16 openGames;
    bool scarce;
}

/// @notice A receipt with its opening in a batch.
/// @param siblings Siblings of leaf `index` in the batch tree, 32 bytes each.
struct CommittedReceipt {
    Receipt receipt;
    BatchId batchId;
    uint256 index;
    bytes siblings;
}

/// @notice What a game needs to know of the receipt that it is about.
struct GameTerms {
    ReceiptHash receiptHash;
    uint96 bond;
    uint32 instructions;
}

/// @notice What a demand for data needs to know of the batch that it is about.
struct DemandTerms {
    address executor;
    uint96 bond;
}

/// @notice The verdict on an executor, and who earns by it.
/// @param challenger Opened the earliest of the winning cases so far; zero if that is a draw that was missed.
/// @param openedAt When that case was opened.
/// @param batchId Batch of the receipt that it convicted; its lock pays the challenger's share.
struct Conviction {
    address challenger;
    Timestamp openedAt;
    BatchId batchId;
}

/// @title Batches of receipts and their finality
/// @notice The executor commits one root per batch and locks stake for each receipt; status is a pure function of state and time;
///         games decide through `convict`. One conviction suspends the executor and reverts all its receipts that are not final.
interface IOtrRollup {
    /// @notice New commits are paused.
    error CommitsPaused();
    /// @notice A batch holds 1 to 2^24 - 1 receipts.
    error CountOutOfRange(uint256 count);
    /// @notice A batch has a root.
    error EmptyRoot();
    /// @notice The caller is neither the executor nor its delegate.
    error NotExecutor(address executor, address caller);
    /// @notice No rules are installed.
    error NoRules();
    /// @notice No such rules.
    error UnknownRules(RulesVersion version);
    /// @notice The rules break a limit: `rule` names it.
    error InvalidRules(bytes32 rule);
    /// @notice No such batch.
    error UnknownBatch(BatchId batchId);
    /// @notice Before this moment only the executor commits its receipt.
    error TooEarlyToCommit(Timestamp commitBy);
    /// @notice The receipt may no longer be committed.
    error ReceiptExpired(Timestamp expiry);
    /// @notice The receipt was committed on its own already.
    error ReceiptCommitted(ReceiptHash receiptHash, BatchId batchId);
    /// @notice The enclave key did not sign the receipt.
    error EnclaveSignature(address expected, address got);
    /// @notice The executor did not sign the receipt.
    error OperatorSignature(address executor);
    /// @notice The receipt cannot be challenged in this batch: it is not in it, cannot be judged, or is final or reverted.
    error NotChallengeable(ReceiptHash receiptHash, Status status);
    /// @notice Only a court of the batch's rules reports on it.
    error NotCourt(RulesVersion rules, address caller);
    /// @notice No game is open on this receipt in this batch.
    error NoOpenGame(BatchId batchId, ReceiptHash receiptHash);
    /// @notice The batch's window is open, or one of its games.
    error BatchUnsettled(BatchId batchId, Timestamp windowEnd, uint256 openGames);
    /// @notice The batch's window and games are over, but something that was drawn of it is not answered, or its draw is not known.
    error DrawsUnsettled(BatchId batchId);
    /// @notice Verdicts are paid after the air gap, the challenger's share once every earlier case must have ended.
    error NotDue(Timestamp dueAt);
    /// @notice These rules are in refund mode: everyone gets its own back.
    error RefundMode(RulesVersion version);
    /// @notice The batch has no lock that could pay: a stranger committed it when the executor's stake was taken.
    error NoLock(BatchId batchId);
    /// @notice The executor was not convicted, or its challenger's share is paid.
    error NothingToReward(address executor);
    /// @notice Data is demanded in the first half of the window, and once.
    error NotDemandable(BatchId batchId, uint256 index);
    /// @notice No demand is open on this leaf.
    error NoOpenDemand(BatchId batchId, uint256 index);
    /// @notice Requesters can still claim compensation.
    error ClaimsOpen(Timestamp until);
    /// @notice The batch's locks are gone.
    error BatchReleased(BatchId batchId);
    /// @notice The receipt of a batch of one is not in the other batch of the same executor, or that came later; or its window is over.
    error NotADuplicate(BatchId batchId, BatchId original);
    /// @notice Only reverted receipts are compensated.
    error NotReverted(ReceiptHash receiptHash, Status status);
    /// @notice The request is not the receipt's.
    error RequestMismatch(RequestHash expected, RequestHash got);
    /// @notice The requester did not sign the request.
    error RequesterSignature(address requester);
    /// @notice The request was compensated already.
    error AlreadyCompensated(RequestHash requestHash);

    /// @notice A batch was committed.
    event BatchCommitted(
        BatchId indexed batchId, address indexed executor, bytes32 root, uint256 count, RulesVersion rules
    );
    /// @notice A receipt was committed on its own, as a batch of one.
    event ReceiptCommittedAlone(BatchId indexed batchId, ReceiptHash indexed receiptHash, address by);
    /// @notice A batch of one was dropped: the receipt is in an earlier batch.
    event DuplicateDropped(BatchId indexed batchId, BatchId indexed original, ReceiptHash indexed receiptHash);
    /// @notice The executor was convicted of a receipt.
    event ReceiptConvicted(
        BatchId indexed batchId, ReceiptHash indexed receiptHash, address indexed executor, address challenger
    );
    /// @notice The executor was convicted because something that was drawn of this batch was not answered.
    event BatchConvicted(BatchId indexed batchId, address indexed executor);
    /// @notice An earlier-opened case won too: its challenger earns the share instead.
    event ConvictionMoved(address indexed executor, address indexed challenger, BatchId indexed batchId);
    /// @notice The challenger's share was paid.
    event ChallengerRewarded(address indexed executor, address indexed challenger, uint256 amount);
    /// @notice Gas of a case was repaid from the executor's free stake.
    event GasRepaid(BatchId indexed batchId, address indexed to, uint256 amount);
    /// @notice A leaf's data is demanded; `answered` or not when the demand ends.
    event DemandEntered(BatchId indexed batchId, uint256 indexed index);
    /// @notice The demand ended.
    event DemandLeft(BatchId indexed batchId, uint256 indexed index, bool answered);
    /// @notice These rules pay nothing any more: everyone gets its own back.
    event RefundModeSet(RulesVersion indexed version);
    /// @notice The batch's locks are gone: `unlocked` freed, `burnt` destroyed.
    event BatchLocksReleased(BatchId indexed batchId, uint256 unlocked, uint256 burnt);
    /// @notice The requester of a reverted receipt was compensated.
    event Compensated(
        RequestHash indexed requestHash, address indexed requester, BatchId indexed batchId, uint256 amount
    );
    /// @notice New batches are committed under these rules.
    event RulesAdded(RulesVersion indexed version, Rules rules);
    /// @notice New commits are paused, or go on.
    event PauseSet(bool paused);

    /// @notice Commits a batch of the caller's receipts under the current rules.
    /// @param root Root of the batch tree (`OTR/batch/1`), leaves: receipt hashes.
    function commitBatch(bytes32 root, uint256 count) external returns (BatchId batchId);

    /// @notice The same by a delegate of `executor`.
    function commitBatchFor(address executor, bytes32 root, uint256 count) external returns (BatchId batchId);

    /// @notice Commits one signed receipt as a batch of one. Its executor at any time before expiry, anyone from `commitBy` on: nobody can
    ///         hide a receipt that it signed, not by a pause, nor by having no free stake left (then the batch has no lock).
    function commitReceipt(Receipt calldata receipt, bytes calldata enclaveSignature, bytes calldata operatorSignature)
        external
        returns (BatchId batchId);

    /// @notice Drops a batch of one whose receipt an earlier batch of the same executor holds, within its window, and frees its lock. Anyone
    ///         may.
    /// @param original The receipt in the earlier batch.
    function dropDuplicate(BatchId batchId, CommittedReceipt calldata original) external;

    /// @notice Frees the locks of a batch whose receipts are all settled; those of reverted receipts are burnt. Anyone may.
    function releaseBatch(BatchId batchId) external;

    /// @notice Pays the requester of a reverted receipt its share of the receipt's lock. Anyone may, once per request.
    /// @param signature The requester's signature over the request's digest (ECDSA or EIP-1271).
    function claimCompensation(CommittedReceipt calldata committed, Request calldata request, bytes calldata signature)
        external;

    /// @notice Pays the challenger's share of a conviction to the earliest-opened winning case, once all earlier-opened ones must have
    ///         ended: `max(convictedAt + airGap, openedAt + MAX_TURNS * turnDuration)`. Anyone may.
    function payReward(address executor) external;

    /// @notice A court of the batch's rules opens a case on a receipt. Within the window only.
    function enterGame(CommittedReceipt calldata committed) external returns (GameTerms memory terms);

    /// @notice The case ends without a conviction.
    function leaveGame(BatchId batchId, ReceiptHash receiptHash) external;

    /// @notice The case convicts the batch's executor; `challenger` earns its share unless an earlier-opened case wins too.
    /// @return won False if a case that was not opened after this one had convicted it before: then this one ends without a conviction.
    function convict(BatchId batchId, ReceiptHash receiptHash, address challenger, Timestamp openedAt)
        external
        returns (bool won);

    /// @notice A court demands the data of leaf `index`. In the first half of the window, once for each leaf.
    function enterDemand(BatchId batchId, uint256 index) external returns (DemandTerms memory terms);

    /// @notice The demand was answered. The receipt's window is extended by half of the window from now, if that is later.
    function leaveDemand(BatchId batchId, uint256 index) external;

    /// @notice The demand was not answered: convicts the batch's executor.
    function convictUnanswered(BatchId batchId, uint256 index, address challenger, Timestamp openedAt) external;

    /// @notice Something that was drawn of the batch was not answered: convicts its executor. Nobody earns a share by it, unless a case that was opened
    ///         before wins too: it is burnt. Reverts with `IStakeVault.Suspended` if the executor was convicted before, and with `RefundMode`.
    function convictUndrawn(BatchId batchId) external;

    /// @notice A court repays `gas` at the rules' price, as far as the convicted executor's free stake goes.
    function repayGas(BatchId batchId, address to, uint256 gas) external;

    /// @notice Switches rules to refund mode, for good: bonds go back, locks return to their executor, nothing else is paid. Never redirects.
    ///         Governance only.
    function setRefundMode(RulesVersion version) external;

    /// @notice Adds rules and makes them current. Governance only.
    function addRules(Rules calldata rules) external returns (RulesVersion version);

    /// @notice Pauses new commits, nothing else. Guardian.
    function pause() external;

    /// @notice Lets commits go on. Governance only.
    function unpause() external;

    /// @notice Where a receipt stands.
    /// @dev Takes the whole receipt: only then is it known to be its executor's, decidable, and in time.
    function statusOf(CommittedReceipt calldata committed) external view returns (Status);

    /// @notice A batch; all zero if unknown.
    function batchOf(BatchId batchId) external view returns (Batch memory);

    /// @notice Number of batches so far, which is the newest one's id.
    function batchCount() external view returns (uint256);

    /// @notice The batch of one that holds this receipt; zero if none.
    function singleBatchOf(ReceiptHash receiptHash) external view returns (BatchId);

    /// @notice The verdict on an executor; all zero if there is none.
    function convictionOf(address executor) external view returns (Conviction memory);

    /// @notice When the challenger's share is due; zero if there is none, or it is paid.
    function rewardDueAt(address executor) external view returns (Timestamp);

    /// @notice From when verdicts on a batch are paid: `verdictAt + airGap`; and whether its rules are in refund mode.
    function payoutOf(BatchId batchId, Timestamp verdictAt) external view returns (Timestamp dueAt, bool refunds);

    /// @notice Whether the rules are in refund mode.
    function inRefundMode(RulesVersion version) external view returns (bool);

    /// @notice Open games on a receipt in a batch.
    function openGamesOn(BatchId batchId, ReceiptHash receiptHash) external view returns (uint256);

    /// @notice Rules of a version.
    function rulesOf(RulesVersion version) external view returns (Rules memory);

    /// @notice The court of draws of a version; zero if it has none, or is unknown.
    function spotChecksOf(RulesVersion version) external view returns (address);

    /// @notice The version that new batches get; zero if none.
    function currentRules() external view returns (RulesVersion);

    /// @notice Whether the request has been compensated.
    function isCompensated(RequestHash requestHash) external view returns (bool);

    /// @notice Whether new commits are paused.
    function paused() external view returns (bool);

    /// @notice EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);

    /// @notice EIP-712 digest of a receipt.
    function hashReceipt(Receipt calldata receipt) external view returns (ReceiptHash);

    /// @notice EIP-712 digest of a request.
    function hashRequest(Request calldata request) external view returns (RequestHash);
}
