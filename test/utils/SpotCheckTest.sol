// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Config} from "script/Deploy.s.sol";
import {ElementVerifierDouble} from "./ElementVerifierDouble.sol";
import {OtrTest} from "./OtrTest.sol";
import {Trees} from "./Trees.sol";
import {SpotChecks} from "src/SpotChecks.sol";
import {DrawnPair, DrawnStep} from "src/interfaces/IElementVerifier.sol";
import {BatchId, CommittedReceipt} from "src/interfaces/IOtrRollup.sol";
import {IRandomness} from "src/interfaces/IRandomness.sol";
import {ClaimedPairs, SpotCheckTerms, StepClaim, StripState} from "src/interfaces/ISpotChecks.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {Tags} from "src/libraries/Tags.sol";
import {DrawLib} from "src/spotcheck/DrawLib.sol";
import {Receipt as OtrReceipt, ReceiptHash} from "src/types/OtrTypes.sol";

/// @title A deployment with draws, whose values tests choose, and an executor that answers them
abstract contract SpotCheckTest is OtrTest {
    using Trees for Trees.Tree;

    uint256 internal constant DELTA = 10 minutes;
    uint256 internal constant EPOCH = 5 minutes;
    uint256 internal constant STRIDE = 4;
    uint256 internal constant PAIRS = 3;
    uint256 internal constant ROOT = 77;
    uint256 internal constant NEVER = type(uint40).max;

    ElementVerifierDouble internal verifier;
    SpotChecks internal court;
    IRandomness internal source;

    function setUp() public virtual override {
        verifier = new ElementVerifierDouble();
        super.setUp();
        (court, source) = (d.spotChecks, d.randomness);
    }

    function _config(address devRoot) internal view virtual override returns (Config memory config) {
        config = super._config(devRoot);
        config.elementVerifier = address(verifier);
        config.drawDelta = Duration.wrap(uint32(DELTA));
        config.drawEpoch = Duration.wrap(uint32(EPOCH));
        config.drawStride = uint32(STRIDE);
        config.drawPairs = uint8(PAIRS);
    }

    /// @dev What the court could have been made with.
    function _terms() internal view returns (SpotCheckTerms memory) {
        return SpotCheckTerms({
            rollup: rollup,
            vault: vault,
            uptime: d.uptime,
            randomness: source,
            verifier: verifier,
            delta: Duration.wrap(uint32(DELTA)),
            epoch: Duration.wrap(uint32(EPOCH)),
            roundTimeout: Duration.wrap(uint32(TURN)),
            turnDuration: Duration.wrap(uint32(TURN)),
            stride: uint32(STRIDE),
            pairs: uint8(PAIRS)
        });
    }

    // ---------------------------------------------------------------- draws

    function _roundOf(CommittedReceipt memory c) internal view returns (uint64) {
        return court.roundOf(rollup.batchOf(c.batchId).committedAt);
    }

    function _claimId(CommittedReceipt memory c, uint64 round) internal view returns (bytes32) {
        return court.claimIdOf(rollup.hashReceipt(c.receipt), round);
    }

    function _claim(CommittedReceipt memory c, uint64 round) internal view returns (StepClaim memory) {
        return court.claimOf(_claimId(c, round));
    }

    /// @dev Time goes on to the round; anyone delivers it.
    function _deliver(uint64 round, bytes32 value) internal {
        uint256 due = Timestamp.unwrap(source.dueAt(round));
        if (block.timestamp < due) vm.warp(due);
        source.deliver(round, abi.encode(value));
    }

    /// @dev A value by which this receipt is drawn of its strip, or is not.
    function _valueFor(CommittedReceipt memory c, bool drawn) internal view returns (bytes32 value) {
        for (uint256 i;; ++i) {
            value = keccak256(abi.encode("value", i));
            bytes32 seed = DrawLib.batchSeed(value, address(rollup), BatchId.unwrap(c.batchId));
            if (DrawLib.isDrawn(seed, c.index, STRIDE) == drawn) return value;
        }
    }

    function _draw(CommittedReceipt memory c, bool drawn) internal returns (uint64 round) {
        round = _roundOf(c);
        _deliver(round, _valueFor(c, drawn));
    }

    // ---------------------------------------------------------------- batches

    /// @dev A batch of the executor's receipts, each to a request of its own.
    function _commitReceipts(uint256 n) internal returns (CommittedReceipt[] memory) {
        OtrReceipt[] memory receipts = new OtrReceipt[](n);
        OtrReceipt memory first = _receipt();
        for (uint256 i; i < n; ++i) {
            receipts[i] = abi.decode(abi.encode(first), (OtrReceipt));
            receipts[i].seq = first.seq + uint64(i + 100 * rollup.batchCount());
        }
        return _commitAll(receipts);
    }

    function _commitAll(OtrReceipt[] memory receipts) internal returns (CommittedReceipt[] memory all) {
        uint256 n = receipts.length;
        bytes32[] memory leaves = new bytes32[](n);
        for (uint256 i; i < n; ++i) {
            leaves[i] = ReceiptHash.unwrap(rollup.hashReceipt(receipts[i]));
        }
        Trees.Tree memory tree = Trees.over(leaves);
        vm.prank(executor);
        BatchId id = rollup.commitBatch(tree.root(Tags.BATCH), n);
        all = new CommittedReceipt[](n);
        for (uint256 i; i < n; ++i) {
            all[i] = CommittedReceipt({receipt: receipts[i], batchId: id, index: i, siblings: tree.siblings(i)});
        }
    }

    function _commitOne() internal returns (CommittedReceipt memory) {
        return _commitReceipts(1)[0];
    }

    /// @dev The same receipt in a batch of its own.
    function _commitAgain(CommittedReceipt memory c) internal returns (CommittedReceipt memory) {
        OtrReceipt[] memory receipts = new OtrReceipt[](1);
        receipts[0] = c.receipt;
        return _commitAll(receipts)[0];
    }

    // ---------------------------------------------------------------- answers

    function _post(CommittedReceipt memory c) internal {
        vm.prank(executor);
        court.postStep(c, ROOT);
    }

    function _pairs(uint256 from, uint256 to) internal pure returns (uint256[] memory pairs) {
        pairs = new uint256[](to - from);
        for (uint256 i; i < pairs.length; ++i) {
            pairs[i] = from + i;
        }
    }

    function _openings(uint256 n) internal pure returns (bytes[] memory openings) {
        openings = new bytes[](n);
        for (uint256 i; i < n; ++i) {
            openings[i] = abi.encode("opening", i);
        }
    }

    /// @dev What the court must ask the verifier, from docs/draws.md.
    function _proofOf(CommittedReceipt memory c, uint64 round, uint256[] memory pairs)
        internal
        view
        returns (bytes memory)
    {
        return _proofOf(_claimed(c, round, pairs));
    }

    function _proofOf(ClaimedPairs[] memory claims) internal view returns (bytes memory) {
        DrawnStep[] memory steps = new DrawnStep[](claims.length);
        uint256 n;
        for (uint256 i; i < claims.length; ++i) {
            steps[i] = _stepOf(claims[i]);
            n += claims[i].pairs.length;
        }
        return verifier.proofOf(steps, _openings(n));
    }

    function _stepOf(ClaimedPairs memory claimed) private view returns (DrawnStep memory step) {
        (OtrReceipt memory r, uint64 round, uint256[] memory pairs) = (claimed.receipt, claimed.round, claimed.pairs);
        ReceiptHash hash = rollup.hashReceipt(r);
        StepClaim memory claim = court.claimOf(court.claimIdOf(hash, round));
        step = DrawnStep({
            modelId: r.modelId,
            receiptHash: hash,
            requestHash: r.requestHash,
            inputRoot: r.inputRoot,
            outputRoot: r.outputRoot,
            traceRoot: r.traceRoot,
            nIn: r.nIn,
            nOut: r.nOut,
            step: uint32(DrawLib.stepOf(source.valueOf(round), hash, r.nIn + r.nOut - 1)),
            stepRoot: claim.stepRoot,
            pairs: new DrawnPair[](pairs.length)
        });
        DrawnPair[] memory drawn = step.pairs;
        for (uint256 i; i < pairs.length; ++i) {
            drawn[i].pair = pairs[i];
            drawn[i].value = source.valueOf(court.roundOf(claim.postedAt));
            drawn[i].statesRoot = court.statesRootOf(court.claimIdOf(hash, round), pairs[i]);
            if (drawn[i].statesRoot != 0) drawn[i].blockValue = source.valueOf(court.roundOf(claim.foldsPostedAt));
        }
    }

    /// @dev Pairs of one claim, as the court takes them.
    function _claimed(OtrReceipt memory receipt, uint64 round, uint256[] memory pairs)
        internal
        pure
        returns (ClaimedPairs[] memory claims)
    {
        claims = new ClaimedPairs[](1);
        claims[0] = ClaimedPairs(receipt, round, pairs);
    }

    function _claimed(CommittedReceipt memory c, uint64 round, uint256[] memory pairs)
        internal
        pure
        returns (ClaimedPairs[] memory)
    {
        return _claimed(c.receipt, round, pairs);
    }

    /// @dev All pairs of several claims of one round.
    function _claimedAll(CommittedReceipt[] memory all, uint64 round)
        internal
        view
        returns (ClaimedPairs[] memory claims)
    {
        claims = new ClaimedPairs[](all.length);
        uint256 pairs = court.PAIRS();
        for (uint256 i; i < all.length; ++i) {
            claims[i] = ClaimedPairs(all[i].receipt, round, _pairs(0, pairs));
        }
    }

    function _prove(CommittedReceipt memory c, uint64 round, uint256[] memory pairs) internal {
        bytes memory proof = _proofOf(c, round, pairs);
        vm.prank(stranger);
        court.provePairs(_claimed(c, round, pairs), _openings(pairs.length), proof);
    }

    /// @dev The second round, whatever it draws.
    function _drawPairs(CommittedReceipt memory c, uint64 round) internal {
        _deliver(court.roundOf(_claim(c, round).postedAt), keccak256("pairs"));
    }

    /// @dev Everything from the posting to the last proof.
    function _answerDraw(CommittedReceipt memory c, uint64 round) internal {
        _post(c);
        _drawPairs(c, round);
        _prove(c, round, _pairs(0, PAIRS));
    }

    // ---------------------------------------------------------------- states

    function assertStrip(CommittedReceipt memory c, StripState expected) internal view {
        (StripState state,,,) = court.stripOf(c.batchId, c.index / STRIDE);
        assertEq(uint256(state), uint256(expected), "strip");
    }

    function _deadline(CommittedReceipt memory c) internal view returns (uint256) {
        (,,, Timestamp deadline) = court.stripOf(c.batchId, c.index / STRIDE);
        return Timestamp.unwrap(deadline);
    }

    function _settledAt(CommittedReceipt memory c) internal view returns (uint256) {
        return Timestamp.unwrap(court.settledAt(c.batchId));
    }
}
