// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";
import {Receipt, ReceiptHash, Request, RequestHash} from "../types/OtrTypes.sol";
import {IElementVerifier} from "./IElementVerifier.sol";
import {BatchId, CommittedReceipt, IOtrRollup, RulesVersion} from "./IOtrRollup.sol";
import {IRandomness} from "./IRandomness.sol";
import {IStakeVault} from "./IStakeVault.sol";
import {IUptime} from "./IUptime.sol";

/// @notice What a court of draws is made with.
/// @param delta Time from what is fixed to the epoch whose round draws from it: at least the longest time by which a block can be backdated.
/// @param epoch Moments of one epoch share a round, so that its proof is paid once for all. 1: no sharing.
/// @param roundTimeout Time from when a round is due until nobody's having delivered it counts as a missed draw.
/// @param turnDuration Time for an answer, from when its round was delivered.
/// @param stride One receipt of each strip of so many is drawn: rho is `1 / stride`.
/// @param pairs Pairs (instruction, element) that are drawn of a step: m.
struct SpotCheckTerms {
    IOtrRollup rollup;
    IStakeVault vault;
    IUptime uptime;
    IRandomness randomness;
    IElementVerifier verifier;
    Duration delta;
    Duration epoch;
    Duration roundTimeout;
    Duration turnDuration;
    uint32 stride;
    uint8 pairs;
}

/// @notice Where the draw of a strip of a batch stands.
/// @dev Unknown: its round has not been delivered. Empty: the place that was drawn holds no receipt. Drawn: waits for its step. Posted: waits for
///      the proofs of its claim. Proven: they are there, `count` is missing. Answered: counted, or exempt.
enum StripState {
    Unknown,
    Empty,
    Drawn,
    Posted,
    Proven,
    Answered
}

/// @notice An executor's claim about the step that a round drew of a receipt. It answers every strip that draws the receipt by this round or a
///         later one.
/// @param stepRoot Poseidon root of the step's rows.
/// @param postedAt When it was posted; zero if it was not.
/// @param foldsPostedAt When the states of its long folds were posted; zero if they were not.
/// @param proven Pairs that are proven, one bit each.
/// @param batchId Batch that it was posted for.
/// @param strip Strip of that batch: it is counted with the last proof.
struct StepClaim {
    uint256 stepRoot;
    Timestamp postedAt;
    Timestamp foldsPostedAt;
    uint16 proven;
    BatchId batchId;
    uint24 strip;
}

/// @notice Pairs of a claim that are to be proven.
/// @param receipt What the claim is about.
/// @param round That drew its step.
/// @param pairs At least one.
struct ClaimedPairs {
    Receipt receipt;
    uint64 round;
    uint256[] pairs;
}

/// @title Draws what executors must prove, and hears the proofs (docs/draws.md)
/// @notice Of each strip of `STRIDE` receipts of a batch one is drawn, and one of its steps; the executor posts the Poseidon root of that step; `PAIRS`
///         elements of it are drawn, which the executor proves; of long folds it posts the states first, and blocks are drawn. Whatever
///         is not answered in time convicts. Nothing of a batch is final before all of it is answered. Immutable, one of the courts of the rules.
/// @dev Confidential receipts are not proven: a path to a cached row would let others test guesses of the prompt. Their request exempts them.
interface ISpotChecks {
    /// @notice A parameter of the constructor is out of its range, or does not fit the others: `name` says which.
    error InvalidTerms(bytes32 name);
    /// @notice The batch was committed under rules with another court of draws, or none.
    error NotThisCourt(BatchId batchId, RulesVersion rules);
    /// @notice The round has not been delivered.
    error RoundUnknown(uint64 round);
    /// @notice The place of this receipt was not drawn.
    error NotDrawn(BatchId batchId, uint256 index);
    /// @notice The leaf is not this receipt, or the receipt is not of the batch's executor.
    error LeafMismatch(BatchId batchId, uint256 index);
    /// @notice The strip has its answer, or a claim that will be.
    error StripTaken(BatchId batchId, uint256 strip);
    /// @notice New claims are the executor's and its delegates' only.
    error NotExecutor(address executor, address caller);
    /// @notice The time for this is over.
    error DeadlinePassed(Timestamp deadline);
    /// @notice The step of this receipt that this round drew was posted already.
    error AlreadyPosted(ReceiptHash receiptHash, uint64 round);
    /// @notice It was not posted.
    error NotPosted(ReceiptHash receiptHash, uint64 round);
    /// @notice A root of a Poseidon tree is below the field's order.
    error StepRootOutOfRange(uint256 stepRoot);
    /// @notice The receipt is of no steps, or of more than can be numbered: no honest one is.
    error NoSteps(uint32 nIn, uint32 nOut);
    /// @notice A strip is answered by a claim of its own round or an earlier one.
    error LaterClaim(uint64 round, uint64 ownRound);
    /// @notice Pairs are numbered from zero below `PAIRS`.
    error PairOutOfRange(uint256 pair);
    /// @notice So many belong here: one for each pair that is named, at least one pair, and of each claim.
    error CountMismatch(uint256 expected, uint256 got);
    /// @notice States of folds are posted once for a claim.
    error FoldsAlreadyPosted(Timestamp at);
    /// @notice A root is not zero.
    error EmptyRoot(uint256 pair);
    /// @notice The request is not the receipt's.
    error RequestMismatch(RequestHash expected, RequestHash got);
    /// @notice Only confidential receipts are exempt.
    error NotConfidential(RequestHash requestHash);
    /// @notice The strip is in another state.
    error WrongState(StripState expected, StripState got);
    /// @notice Nothing of this strip is overdue.
    error NotMissed(BatchId batchId, uint256 strip);
    /// @notice The batch has no such strip.
    error NoSuchStrip(BatchId batchId, uint256 strip);
    /// @notice Paid after the air gap.
    error NotDue(Timestamp dueAt);
    /// @notice Nobody is owed gas for this batch.
    error NothingToRepay(BatchId batchId);

    /// @notice A drawn step's root was posted; its pairs are drawn by `nextRound`.
    event StepPosted(
        BatchId indexed batchId,
        uint256 indexed strip,
        ReceiptHash indexed receiptHash,
        uint64 round,
        uint256 step,
        uint256 stepRoot,
        uint64 nextRound
    );
    /// @notice A strip will be answered by a claim that another one was posted for.
    event StripLinked(BatchId indexed batchId, uint256 indexed strip, ReceiptHash indexed receiptHash, uint64 round);
    /// @notice Roots of the states of long folds were posted, of the pairs named; their blocks are drawn by `nextRound`.
    event FoldsPosted(
        ReceiptHash indexed receiptHash, uint64 indexed round, uint256[] pairs, bytes32[] roots, uint64 nextRound
    );
    /// @notice Pairs of a claim were proven; `proven` has a bit for each that is by now.
    event PairsProven(ReceiptHash indexed receiptHash, uint64 indexed round, uint256 proven);
    /// @notice A strip's receipt is confidential: nothing is proven of it.
    event StripExempt(BatchId indexed batchId, uint256 indexed strip, ReceiptHash indexed receiptHash);
    /// @notice A strip counts as answered.
    event StripAnswered(BatchId indexed batchId, uint256 indexed strip);
    /// @notice All strips of a batch are answered.
    event BatchSettled(BatchId indexed batchId, Timestamp settledAt);
    /// @notice A strip was not answered in time: its executor was convicted.
    event DrawMissed(BatchId indexed batchId, uint256 indexed strip, address indexed by);

    // ---------------------------------------------------------------- answers

    /// @notice Posts the root of the drawn step of a drawn receipt. By the executor or a delegate, within a turn of the delivery of the batch's round.
    /// @param committed The receipt that is drawn, with its place in the batch.
    /// @param stepRoot Poseidon root of all rows of step `DrawLib.stepOf(value, receiptHash, nIn + nOut - 1)`.
    function postStep(CommittedReceipt calldata committed, uint256 stepRoot) external;

    /// @notice Has a drawn receipt answered by a claim that was posted for another strip, of the same round or an earlier one. By the executor or a
    ///         delegate, within the same turn; the claim's own deadlines hold.
    /// @param round Round of that claim.
    function link(CommittedReceipt calldata committed, uint64 round) external;

    /// @notice Posts the roots of the states of long folds, once for a claim: blocks of them are drawn by a third round, and all that is not proven yet
    ///         is due a turn after its delivery. By the executor or a delegate, within a turn of the delivery of the second round.
    /// @param pairs Pairs that are long folds.
    /// @param roots One for each, not zero.
    function postFolds(Receipt calldata receipt, uint64 round, uint256[] calldata pairs, bytes32[] calldata roots)
        external;

    /// @notice Proves pairs of claims, all of them or none; those with posted states need the third round. Anyone may: proofs prove themselves. Proofs of
    ///         several claims are verified as one, which costs less than one after the other.
    /// @param claims Of any batches and executors, each within its own deadline. One may come twice.
    /// @param openings One for each pair, claim after claim, in the verifier's format.
    /// @param proofs Of all pairs in their order.
    function provePairs(ClaimedPairs[] calldata claims, bytes[] calldata openings, bytes calldata proofs) external;

    /// @notice Counts a strip that is answered by another strip's claim, once it is proven. Anyone may; of one that is counted it does nothing.
    function count(BatchId batchId, uint256 strip) external;

    /// @notice Counts a strip whose drawn receipt is confidential as answered. Anyone may, before the strip's deadline; of one that is counted it
    ///         does nothing.
    function exempt(CommittedReceipt calldata committed, Request calldata request) external;

    // ---------------------------------------------------------------- missed draws

    /// @notice Convicts the executor of a batch of which a strip was not answered in time, or whose round nobody delivered. Anyone may; the gas is
    ///         repaid after the air gap.
    function missed(BatchId batchId, uint256 strip) external;

    /// @notice Repays the gas of `missed` by a constant. Anyone may.
    function payOut(BatchId batchId) external;

    // ---------------------------------------------------------------- views

    /// @notice Since when nothing of this batch waits for a draw or an answer; the last moment of the type while something does. It lies after
    ///         the moment in which it became known, and never changes then.
    function settledAt(BatchId batchId) external view returns (Timestamp);

    /// @notice The round that draws from what was fixed at `time`.
    function roundOf(Timestamp time) external view returns (uint64);

    /// @notice The draws of a batch: its round, how many strips have a receipt to answer for and how many are answered.
    /// @return round Its value draws receipts and steps.
    /// @return drawn Zero while the round is unknown.
    function drawsOf(BatchId batchId) external view returns (uint64 round, uint256 drawn, uint256 answered);

    /// @notice The draw of one strip.
    /// @return state Where it stands.
    /// @return index The receipt that is drawn, from state `Drawn` on.
    /// @return claimId The claim that answers it, in the states `Posted` and `Proven`.
    /// @return deadline When what it waits for is due, by the chain's clock without outages; the last moment of the type if nothing is.
    function stripOf(BatchId batchId, uint256 strip)
        external
        view
        returns (StripState state, uint256 index, bytes32 claimId, Timestamp deadline);

    /// @notice Id of the claim about the step of a receipt that a round drew.
    function claimIdOf(ReceiptHash receiptHash, uint64 round) external pure returns (bytes32);

    /// @notice A claim; all zero if it was not posted.
    function claimOf(bytes32 claimId) external view returns (StepClaim memory);

    /// @notice Root of the states of a pair; zero if none was posted.
    function statesRootOf(bytes32 claimId, uint256 pair) external view returns (bytes32);

    /// @notice The longest time from a commit until its draws are answered, or their executor can be convicted, outages aside.
    function longestDraws() external view returns (Duration);

    /// @notice Whether draws or proofs can be forged by anyone: for development only.
    function development() external view returns (bool);

    /// @notice Gas that is repaid for `missed`.
    function MISSED_GAS() external view returns (uint256);

    /// @notice The rollup that this court reports to.
    function ROLLUP() external view returns (IOtrRollup);

    /// @notice Knows executors' delegates.
    function VAULT() external view returns (IStakeVault);

    /// @notice Decides whether deadlines have passed.
    function UPTIME() external view returns (IUptime);

    /// @notice Gives the values that draw.
    function RANDOMNESS() external view returns (IRandomness);

    /// @notice Decides proofs.
    function VERIFIER() external view returns (IElementVerifier);

    /// @notice Time between what is fixed and the epoch whose round draws from it.
    function DELTA() external view returns (Duration);

    /// @notice Moments of one epoch share a round.
    function EPOCH() external view returns (Duration);

    /// @notice Time to deliver a round.
    function ROUND_TIMEOUT() external view returns (Duration);

    /// @notice Time for an answer.
    function TURN_DURATION() external view returns (Duration);

    /// @notice Receipts in a strip.
    function STRIDE() external view returns (uint256);

    /// @notice Pairs of a step.
    function PAIRS() external view returns (uint256);
}
