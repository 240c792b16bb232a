// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {DrawnPair, DrawnStep, IElementVerifier} from "./interfaces/IElementVerifier.sol";
import {IFallbackRandomness} from "./interfaces/IFallbackRandomness.sol";
import {Batch, BatchId, CommittedReceipt, IOtrRollup} from "./interfaces/IOtrRollup.sol";
import {IRandomness} from "./interfaces/IRandomness.sol";
import {ClaimedPairs, ISpotChecks, SpotCheckTerms, StepClaim, StripState} from "./interfaces/ISpotChecks.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IUptime} from "./interfaces/IUptime.sol";
import {BinaryTree} from "./libraries/BinaryTree.sol";
import {Bn254} from "./libraries/Bn254.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {Tags} from "./libraries/Tags.sol";
import {DrawLib} from "./spotcheck/DrawLib.sol";
import {Receipt, ReceiptHash, Request, RequestHash} from "./types/OtrTypes.sol";

/// @title SpotChecks
/// @dev An executor with many draws answers several in one transaction (`multicall`). Nothing here takes ETH.
contract SpotChecks is ISpotChecks, Multicall {
    using ReceiptLib for Receipt;
    using ReceiptLib for Request;

    /// @dev How many strips of a batch are answered, and since when all are; zero while some are not.
    struct Tally {
        uint24 answered;
        Timestamp settledAt;
    }

    /// @dev Who showed that a draw was missed, and when.
    struct Repayment {
        address to;
        Timestamp at;
    }

    /// @dev Kinds of randomness that the constructor tells apart.
    bytes32 private constant DEVELOPMENT = "DEV";
    bytes32 private constant FALLBACK = "FALLBACK";
    /// @dev In place of a claim's id.
    bytes32 private constant ANSWERED = bytes32(uint256(1));
    Timestamp private constant NEVER = Timestamp.wrap(type(uint40).max);
    /// @dev Rounds that a batch may wait for one after the other.
    uint256 private constant PHASES = 3;
    /// @dev Bits of `StepClaim.proven`.
    uint256 private constant MOST_PAIRS = 16;

    /// @inheritdoc ISpotChecks
    uint256 public constant MISSED_GAS = 125_000;

    /// @inheritdoc ISpotChecks
    IOtrRollup public immutable ROLLUP;
    /// @inheritdoc ISpotChecks
    IStakeVault public immutable VAULT;
    /// @inheritdoc ISpotChecks
    IUptime public immutable UPTIME;
    /// @inheritdoc ISpotChecks
    IRandomness public immutable RANDOMNESS;
    /// @inheritdoc ISpotChecks
    IElementVerifier public immutable VERIFIER;
    /// @inheritdoc ISpotChecks
    Duration public immutable DELTA;
    /// @inheritdoc ISpotChecks
    Duration public immutable EPOCH;
    /// @inheritdoc ISpotChecks
    Duration public immutable ROUND_TIMEOUT;
    /// @inheritdoc ISpotChecks
    Duration public immutable TURN_DURATION;
    /// @inheritdoc ISpotChecks
    uint256 public immutable STRIDE;
    /// @inheritdoc ISpotChecks
    uint256 public immutable PAIRS;

    mapping(BatchId batchId => Tally) private _tallies;
    mapping(BatchId batchId => mapping(uint256 strip => bytes32 claimId)) private _answers;
    mapping(bytes32 claimId => StepClaim) private _claims;
    mapping(bytes32 claimId => mapping(uint256 pair => bytes32 root)) private _statesRoots;
    mapping(BatchId batchId => Repayment) private _repayments;

    constructor(SpotCheckTerms memory terms) {
        _require(address(terms.rollup).code.length != 0, "rollup");
        _require(address(terms.vault).code.length != 0, "vault");
        _require(address(terms.uptime).code.length != 0, "uptime");
        _require(terms.verifier.BLOCKS() != 0, "verifier");
        uint256 turn = terms.turnDuration.inSeconds();
        _require(turn != 0, "turnDuration");
        _require(terms.epoch.inSeconds() != 0, "epoch");
        _require(terms.stride != 0 && terms.stride <= type(uint24).max, "stride");
        _require(terms.pairs != 0 && terms.pairs <= MOST_PAIRS, "pairs");
        uint256 needed = turn;
        if (terms.randomness.kind() == FALLBACK) {
            IFallbackRandomness source = IFallbackRandomness(address(terms.randomness));
            needed += source.DEAD_AFTER().inSeconds() + source.LOST_AFTER().inSeconds();
        }
        // INVARIANT: whoever answers for a round has time to replace a dead beacon, and once more if that fails.
        _require(terms.roundTimeout.inSeconds() >= needed, "roundTimeout");
        uint256 phase = terms.delta.inSeconds() + terms.epoch.inSeconds() + terms.randomness.PERIOD().inSeconds()
            + terms.roundTimeout.inSeconds() + turn;
        _require(PHASES * phase <= type(uint32).max, "longestDraws");
        (ROLLUP, VAULT, UPTIME) = (terms.rollup, terms.vault, terms.uptime);
        (RANDOMNESS, VERIFIER) = (terms.randomness, terms.verifier);
        (DELTA, EPOCH, ROUND_TIMEOUT) = (terms.delta, terms.epoch, terms.roundTimeout);
        (TURN_DURATION, STRIDE, PAIRS) = (terms.turnDuration, terms.stride, terms.pairs);
    }

    // ---------------------------------------------------------------- answers

    /// @inheritdoc ISpotChecks
    function postStep(CommittedReceipt calldata committed, uint256 stepRoot) external {
        (ReceiptHash receiptHash, uint64 round, uint256 strip) = _claimable(committed);
        if (stepRoot >= Bn254.R) revert StepRootOutOfRange(stepRoot);
        bytes32 claimId = claimIdOf(receiptHash, round);
        StepClaim storage claim = _claims[claimId];
        // INVARIANT: a root is posted once, before anyone knows what will be drawn of it.
        if (claim.postedAt.isSet()) revert AlreadyPosted(receiptHash, round);
        uint32 step = _stepOf(committed.receipt, receiptHash, round);
        (claim.stepRoot, claim.postedAt) = (stepRoot, Clock.current());
        (claim.batchId, claim.strip) = (committed.batchId, uint24(strip));
        _answers[committed.batchId][strip] = claimId;
        emit StepPosted(committed.batchId, strip, receiptHash, round, step, stepRoot, roundOf(Clock.current()));
    }

    /// @inheritdoc ISpotChecks
    function link(CommittedReceipt calldata committed, uint64 round) external {
        (ReceiptHash receiptHash, uint64 ownRound, uint256 strip) = _claimable(committed);
        // INVARIANT: the earliest draw of a receipt is answered, and no later one chosen instead of it.
        if (round > ownRound) revert LaterClaim(round, ownRound);
        bytes32 claimId = claimIdOf(receiptHash, round);
        if (!_claims[claimId].postedAt.isSet()) revert NotPosted(receiptHash, round);
        _answers[committed.batchId][strip] = claimId;
        emit StripLinked(committed.batchId, strip, receiptHash, round);
    }

    /// @inheritdoc ISpotChecks
    function postFolds(Receipt calldata receipt, uint64 round, uint256[] calldata pairs, bytes32[] calldata roots)
        external
    {
        (ReceiptHash receiptHash, bytes32 claimId, StepClaim storage claim) = _posted(receipt, round);
        _requireExecutor(receipt.executor);
        if (claim.foldsPostedAt.isSet()) revert FoldsAlreadyPosted(claim.foldsPostedAt);
        _valueOf(roundOf(claim.postedAt));
        _requireNotPassed(_dueAt(claim));
        if (pairs.length == 0 || roots.length != pairs.length) {
            revert CountMismatch(Math.max(pairs.length, 1), roots.length);
        }
        for (uint256 i; i < pairs.length; ++i) {
            _bitOf(pairs[i]);
            if (roots[i] == 0) revert EmptyRoot(pairs[i]);
            _statesRoots[claimId][pairs[i]] = roots[i];
        }
        // INVARIANT: states are posted once, before anyone knows which blocks will be drawn of them.
        claim.foldsPostedAt = Clock.current();
        emit FoldsPosted(receiptHash, round, pairs, roots, roundOf(Clock.current()));
    }

    /// @inheritdoc ISpotChecks
    function provePairs(ClaimedPairs[] calldata claims, bytes[] calldata openings, bytes calldata proofs) external {
        DrawnStep[] memory steps = new DrawnStep[](claims.length);
        uint256 expected;
        for (uint256 i; i < claims.length; ++i) {
            // INVARIANT: each claim is posted, in time and drawn by itself, whatever it comes with.
            steps[i] = _provable(claims[i]);
            expected += claims[i].pairs.length;
        }
        if (expected == 0 || openings.length != expected) revert CountMismatch(Math.max(expected, 1), openings.length);
        // INVARIANT: nothing is set proven before all of it is.
        VERIFIER.requireProven(steps, openings, proofs);
        for (uint256 i; i < claims.length; ++i) {
            _setProven(steps[i].receiptHash, claims[i].round, claims[i].pairs);
        }
    }

    /// @inheritdoc ISpotChecks
    function count(BatchId batchId, uint256 strip) external {
        Batch memory batch = _batchOf(batchId);
        (StripState state,,,) = _stripOf(batchId, batch, strip);
        // INVARIANT: nobody makes an executor's transaction of many answers fail by sending one of them first.
        if (state == StripState.Answered) return;
        if (state != StripState.Proven) revert WrongState(StripState.Proven, state);
        _answer(batchId, batch, strip);
    }

    /// @inheritdoc ISpotChecks
    function exempt(CommittedReceipt calldata committed, Request calldata request) external {
        BatchId batchId = committed.batchId;
        (Batch memory batch, ReceiptHash receiptHash,) = _drawn(committed);
        uint256 strip = committed.index / STRIDE;
        (StripState state,,, Timestamp deadline) = _stripOf(batchId, batch, strip);
        if (state == StripState.Answered) return;
        _requireNotPassed(deadline);
        RequestHash requestHash = request.hash(address(ROLLUP));
        if (RequestHash.unwrap(requestHash) != RequestHash.unwrap(committed.receipt.requestHash)) {
            revert RequestMismatch(committed.receipt.requestHash, requestHash);
        }
        if (!request.confidential) revert NotConfidential(requestHash);
        emit StripExempt(batchId, strip, receiptHash);
        _answer(batchId, batch, strip);
    }

    // ---------------------------------------------------------------- missed draws

    /// @inheritdoc ISpotChecks
    function missed(BatchId batchId, uint256 strip) external {
        (,,, Timestamp deadline) = _stripOf(batchId, _batchOf(batchId), strip);
        // INVARIANT: only what could be answered, and was not, convicts: outages of the sequencer move deadlines.
        if (!UPTIME.hasPassed(deadline)) revert NotMissed(batchId, strip);
        _repayments[batchId] = Repayment(msg.sender, Clock.current());
        emit DrawMissed(batchId, strip, msg.sender);
        ROLLUP.convictUndrawn(batchId);
    }

    /// @inheritdoc ISpotChecks
    function payOut(BatchId batchId) external {
        Repayment memory repayment = _repayments[batchId];
        if (repayment.to == address(0)) revert NothingToRepay(batchId);
        (Timestamp dueAt,) = ROLLUP.payoutOf(batchId, repayment.at);
        // INVARIANT: nothing is paid before governance could switch faulty rules to refund mode.
        if (!dueAt.hasCome()) revert NotDue(dueAt);
        delete _repayments[batchId];
        ROLLUP.repayGas(batchId, repayment.to, MISSED_GAS);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc ISpotChecks
    function settledAt(BatchId batchId) external view returns (Timestamp) {
        Timestamp settled = _tallies[batchId].settledAt;
        if (settled.isSet()) return settled;
        (uint64 round, uint256 drawn,) = drawsOf(batchId);
        // INVARIANT: a batch of which nothing is drawn waits for nobody, so that committing an executor's receipts one by one costs it nothing.
        Timestamp deliveredAt = RANDOMNESS.deliveredAt(round);
        return drawn == 0 && deliveredAt.isSet() ? _afterwards(deliveredAt) : NEVER;
    }

    /// @inheritdoc ISpotChecks
    function roundOf(Timestamp time) public view returns (uint64) {
        Timestamp origin;
        uint256 epoch = time.plus(DELTA).firstAfter(origin, EPOCH);
        return RANDOMNESS.roundAfter(origin.nth(EPOCH, epoch));
    }

    /// @inheritdoc ISpotChecks
    function drawsOf(BatchId batchId) public view returns (uint64 round, uint256 drawn, uint256 answered) {
        Batch memory batch = _knownBatch(batchId);
        round = roundOf(batch.committedAt);
        bytes32 value = RANDOMNESS.valueOf(round);
        if (value != 0) drawn = DrawLib.drawnCount(_seed(value, batchId), batch.count, STRIDE);
        answered = _tallies[batchId].answered;
    }

    /// @inheritdoc ISpotChecks
    function stripOf(BatchId batchId, uint256 strip)
        external
        view
        returns (StripState state, uint256 index, bytes32 claimId, Timestamp deadline)
    {
        return _stripOf(batchId, _knownBatch(batchId), strip);
    }

    /// @inheritdoc ISpotChecks
    function claimIdOf(ReceiptHash receiptHash, uint64 round) public pure returns (bytes32) {
        return keccak256(abi.encode(receiptHash, round));
    }

    /// @inheritdoc ISpotChecks
    function claimOf(bytes32 claimId) external view returns (StepClaim memory) {
        return _claims[claimId];
    }

    /// @inheritdoc ISpotChecks
    function statesRootOf(bytes32 claimId, uint256 pair) external view returns (bytes32) {
        return _statesRoots[claimId][pair];
    }

    /// @inheritdoc ISpotChecks
    function longestDraws() external view returns (Duration) {
        uint256 phase = DELTA.inSeconds() + EPOCH.inSeconds() + RANDOMNESS.PERIOD().inSeconds()
            + ROUND_TIMEOUT.inSeconds() + TURN_DURATION.inSeconds();
        return Duration.wrap(uint32(PHASES * phase));
    }

    /// @inheritdoc ISpotChecks
    function development() external view returns (bool) {
        return RANDOMNESS.kind() == DEVELOPMENT || VERIFIER.development();
    }

    // ---------------------------------------------------------------- internals

    /// @dev A drawn receipt whose strip waits for its executor, who calls in time.
    function _claimable(CommittedReceipt calldata committed)
        private
        view
        returns (ReceiptHash receiptHash, uint64 round, uint256 strip)
    {
        (, receiptHash, round) = _drawn(committed);
        strip = committed.index / STRIDE;
        if (_answers[committed.batchId][strip] != 0) revert StripTaken(committed.batchId, strip);
        // INVARIANT: nobody else can spoil or choose what an executor will be asked for.
        _requireExecutor(committed.receipt.executor);
        _requireNotPassed(_turnEnd(round));
    }

    /// @dev The receipt is the executor's, and drawn in the batch.
    function _drawn(CommittedReceipt calldata committed)
        private
        view
        returns (Batch memory batch, ReceiptHash receiptHash, uint64 round)
    {
        (BatchId batchId, uint256 index) = (committed.batchId, committed.index);
        batch = _batchOf(batchId);
        round = roundOf(batch.committedAt);
        bytes32 seed = _seed(_valueOf(round), batchId);
        if (index >= batch.count || !DrawLib.isDrawn(seed, index, STRIDE)) revert NotDrawn(batchId, index);
        receiptHash = committed.receipt.hash(address(ROLLUP));
        bytes32 leaf = ReceiptHash.unwrap(receiptHash);
        if (
            committed.receipt.executor != batch.executor
                || BinaryTree.rootOf(Tags.BATCH, leaf, index, batch.count, committed.siblings) != batch.root
        ) revert LeafMismatch(batchId, index);
    }

    function _posted(Receipt calldata receipt, uint64 round)
        private
        view
        returns (ReceiptHash receiptHash, bytes32 claimId, StepClaim storage claim)
    {
        receiptHash = receipt.hash(address(ROLLUP));
        claimId = claimIdOf(receiptHash, round);
        claim = _claims[claimId];
        if (!claim.postedAt.isSet()) revert NotPosted(receiptHash, round);
    }

    /// @dev The step of a claim whose proofs are not overdue, with the pairs that are to be proven.
    function _provable(ClaimedPairs calldata claimed) private view returns (DrawnStep memory step) {
        (ReceiptHash receiptHash, bytes32 claimId, StepClaim storage claim) = _posted(claimed.receipt, claimed.round);
        if (claimed.pairs.length == 0) revert CountMismatch(1, 0);
        _requireNotPassed(_dueAt(claim));
        step = _drawnStep(claimed.receipt, receiptHash, claimed.round, claim);
        step.pairs = _drawnPairs(claim, claimId, claimed.pairs);
    }

    /// @dev The pairs with the values that draw them.
    function _drawnPairs(StepClaim storage claim, bytes32 claimId, uint256[] calldata pairs)
        private
        view
        returns (DrawnPair[] memory drawn)
    {
        bytes32 value = _valueOf(roundOf(claim.postedAt));
        Timestamp foldsPostedAt = claim.foldsPostedAt;
        drawn = new DrawnPair[](pairs.length);
        for (uint256 i; i < pairs.length; ++i) {
            (drawn[i].pair, drawn[i].value) = (pairs[i], value);
            if (!foldsPostedAt.isSet()) continue;
            drawn[i].statesRoot = _statesRoots[claimId][pairs[i]];
            // INVARIANT: blocks are drawn by a value that nobody knew when the states were posted.
            if (drawn[i].statesRoot != 0) drawn[i].blockValue = _valueOf(roundOf(foldsPostedAt));
        }
    }

    function _drawnStep(Receipt calldata receipt, ReceiptHash receiptHash, uint64 round, StepClaim storage claim)
        private
        view
        returns (DrawnStep memory step)
    {
        step.modelId = receipt.modelId;
        step.receiptHash = receiptHash;
        step.requestHash = receipt.requestHash;
        step.inputRoot = receipt.inputRoot;
        step.outputRoot = receipt.outputRoot;
        step.traceRoot = receipt.traceRoot;
        step.nIn = receipt.nIn;
        step.nOut = receipt.nOut;
        step.step = _stepOf(receipt, receiptHash, round);
        step.stepRoot = claim.stepRoot;
    }

    /// @dev The step that a known round drew of a receipt.
    function _stepOf(Receipt calldata receipt, ReceiptHash receiptHash, uint64 round) private view returns (uint32) {
        uint256 steps = uint256(receipt.nIn) + receipt.nOut;
        // What is of no steps is nobody's honest receipt; one of more than the type holds cannot be in any model's context.
        if (receipt.nIn == 0 || receipt.nOut == 0 || steps > type(uint32).max) {
            revert NoSteps(receipt.nIn, receipt.nOut);
        }
        return uint32(DrawLib.stepOf(RANDOMNESS.valueOf(round), receiptHash, steps - 1));
    }

    function _setProven(ReceiptHash receiptHash, uint64 round, uint256[] calldata pairs) private {
        bytes32 claimId = claimIdOf(receiptHash, round);
        StepClaim storage claim = _claims[claimId];
        // What an entry before this one has proven of the same claim is read again.
        uint256 proven = claim.proven;
        for (uint256 i; i < pairs.length; ++i) {
            // INVARIANT: the loss of one pair's proof is not made good by another's. One that is proven already may come again, so that nobody
            // makes an executor's proofs fail by sending a part of them first.
            proven |= _bitOf(pairs[i]);
        }
        claim.proven = uint16(proven);
        emit PairsProven(receiptHash, round, proven);
        if (_isProven(proven)) _answerOwn(claim, claimId);
    }

    function _bitOf(uint256 pair) private view returns (uint256) {
        if (pair >= PAIRS) revert PairOutOfRange(pair);
        return 1 << pair;
    }

    function _isProven(uint256 proven) private view returns (bool) {
        return proven == (1 << PAIRS) - 1;
    }

    /// @dev Counts the strip that a claim was posted for. It may be gone with a dropped batch, or answered by the receipt's request.
    function _answerOwn(StepClaim storage claim, bytes32 claimId) private {
        (BatchId batchId, uint256 strip) = (claim.batchId, claim.strip);
        Batch memory batch = ROLLUP.batchOf(batchId);
        if (batch.executor != address(0) && _answers[batchId][strip] == claimId) _answer(batchId, batch, strip);
    }

    function _answer(BatchId batchId, Batch memory batch, uint256 strip) private {
        // INVARIANT: a strip is counted once.
        _answers[batchId][strip] = ANSWERED;
        emit StripAnswered(batchId, strip);
        Tally storage tally = _tallies[batchId];
        uint24 answered = tally.answered + 1;
        tally.answered = answered;
        bytes32 seed = _seed(RANDOMNESS.valueOf(roundOf(batch.committedAt)), batchId);
        if (answered != DrawLib.drawnCount(seed, batch.count, STRIDE)) return;
        tally.settledAt = _afterwards(Clock.current());
        emit BatchSettled(batchId, tally.settledAt);
    }

    /// @dev Where the draw of a strip stands, and when what it waits for is due.
    function _stripOf(BatchId batchId, Batch memory batch, uint256 strip)
        private
        view
        returns (StripState state, uint256 index, bytes32 claimId, Timestamp deadline)
    {
        if (strip >= DrawLib.strips(batch.count, STRIDE)) revert NoSuchStrip(batchId, strip);
        uint64 round = roundOf(batch.committedAt);
        bytes32 value = RANDOMNESS.valueOf(round);
        if (value == 0) return (StripState.Unknown, 0, 0, _turnEnd(round));
        bool any;
        (any, index) = DrawLib.drawnIn(_seed(value, batchId), strip, batch.count, STRIDE);
        if (!any) return (StripState.Empty, 0, 0, NEVER);
        claimId = _answers[batchId][strip];
        if (claimId == 0) return (StripState.Drawn, index, 0, _turnEnd(round));
        if (claimId == ANSWERED) return (StripState.Answered, index, 0, NEVER);
        StepClaim storage claim = _claims[claimId];
        if (_isProven(claim.proven)) return (StripState.Proven, index, claimId, NEVER);
        return (StripState.Posted, index, claimId, _dueAt(claim));
    }

    /// @dev When the proofs of a claim are due: the posting of folds gives all that is left the time of the third round.
    function _dueAt(StepClaim storage claim) private view returns (Timestamp) {
        return _turnEnd(roundOf(claim.postedAt.max(claim.foldsPostedAt)));
    }

    /// @dev A turn after the round's delivery; while it is not delivered, when its delivery is due.
    function _turnEnd(uint64 round) private view returns (Timestamp) {
        Timestamp deliveredAt = RANDOMNESS.deliveredAt(round);
        return deliveredAt.isSet() ? deliveredAt.plus(TURN_DURATION) : RANDOMNESS.dueAt(round).plus(ROUND_TIMEOUT);
    }

    function _requireNotPassed(Timestamp deadline) private view {
        if (UPTIME.hasPassed(deadline)) revert DeadlinePassed(deadline);
    }

    function _requireExecutor(address executor) private view {
        if (!VAULT.mayActFor(executor, msg.sender)) revert NotExecutor(executor, msg.sender);
    }

    function _valueOf(uint64 round) private view returns (bytes32 value) {
        value = RANDOMNESS.valueOf(round);
        if (value == 0) revert RoundUnknown(round);
    }

    function _seed(bytes32 value, BatchId batchId) private view returns (bytes32) {
        return DrawLib.batchSeed(value, address(ROLLUP), BatchId.unwrap(batchId));
    }

    function _knownBatch(BatchId batchId) private view returns (Batch memory batch) {
        batch = ROLLUP.batchOf(batchId);
        if (batch.executor == address(0)) revert IOtrRollup.UnknownBatch(batchId);
    }

    /// @dev INVARIANT: only batches whose draws are owed: else an executor could choose which of its draws to answer for.
    function _batchOf(BatchId batchId) private view returns (Batch memory batch) {
        batch = _knownBatch(batchId);
        if (ROLLUP.spotChecksOf(batch.rules) != address(this)) revert NotThisCourt(batchId, batch.rules);
    }

    /// @dev INVARIANT: what settles in the second of a conviction settles after it, in whichever order the two come.
    function _afterwards(Timestamp time) private pure returns (Timestamp) {
        return time.plus(Duration.wrap(1));
    }

    function _require(bool kept, bytes32 name) private pure {
        if (!kept) revert InvalidTerms(name);
    }
}
