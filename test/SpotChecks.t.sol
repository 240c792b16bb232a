// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ElementVerifierDouble} from "./utils/ElementVerifierDouble.sol";
import {SpotCheckTest} from "./utils/SpotCheckTest.sol";
import {SpotChecks} from "src/SpotChecks.sol";
import {BatchId, CommittedReceipt, IOtrRollup, Rules, Status} from "src/interfaces/IOtrRollup.sol";
import {ISpotChecks, SpotCheckTerms, StripState} from "src/interfaces/ISpotChecks.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {IUptime} from "src/interfaces/IUptime.sol";
import {Bn254} from "src/libraries/Bn254.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {FallbackRandomness} from "src/randomness/FallbackRandomness.sol";
import {DrawLib} from "src/spotcheck/DrawLib.sol";
import {Receipt as OtrReceipt, ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice Draws and their answers, with a verifier that believes whoever knows what is asked.
contract SpotChecksTest is SpotCheckTest {
    // ---------------------------------------------------------------- what is not drawn

    /// @dev Nobody has to do anything but deliver the round, which serves all batches of an epoch.
    function test_settledAt_nothingDrawn_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        assertStrip(c, StripState.Unknown);
        assertEq(_settledAt(c), NEVER);
        _draw(c, false);
        assertStrip(c, StripState.Empty);
        assertEq(_deadline(c), NEVER);
        assertEq(_settledAt(c), block.timestamp + 1);
        vm.warp(block.timestamp + WINDOW);
        assertStatus(c, Status.Final);
        rollup.releaseBatch(c.batchId);
    }

    function test_settledAt_unknownBatch_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownBatch.selector, 9));
        court.settledAt(BatchId.wrap(9));
    }

    /// @dev Settled at once if the lot draws nothing; never before an answer if it draws something.
    function testFuzz_settledAt_followsTheLot(bytes32 value, uint256 count) public {
        vm.assume(value != 0);
        count = bound(count, 1, 12);
        CommittedReceipt memory c = _commitReceipts(count)[0];
        _deliver(_roundOf(c), value);
        bytes32 seed = DrawLib.batchSeed(value, address(rollup), BatchId.unwrap(c.batchId));
        uint256 expected = DrawLib.drawnCount(seed, count, STRIDE);
        (, uint256 drawn,) = court.drawsOf(c.batchId);
        assertEq(drawn, expected);
        assertEq(_settledAt(c), expected == 0 ? block.timestamp + 1 : NEVER);
    }

    function testFuzz_roundOf_isDueAfterDelta(uint40 time) public view {
        time = uint40(bound(time, 1_727_521_075, 2 ** 38));
        uint64 round = court.roundOf(Timestamp.wrap(time));
        uint256 due = Timestamp.unwrap(source.dueAt(round));
        assertGt(due, time + DELTA);
        assertLe(due, time + DELTA + EPOCH + source.PERIOD().inSeconds());
        // All moments of the epoch share it.
        uint256 first = (time + DELTA) / EPOCH * EPOCH - DELTA;
        assertEq(court.roundOf(Timestamp.wrap(uint40(first))), round);
        assertEq(court.roundOf(Timestamp.wrap(uint40(first + EPOCH - 1))), round);
        assertLt(round, court.roundOf(Timestamp.wrap(uint40(first + EPOCH))));
    }

    // ---------------------------------------------------------------- the whole way

    function test_answer_shortPairs_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        assertStrip(c, StripState.Drawn);
        assertEq(_deadline(c), block.timestamp + TURN);
        uint256 step = DrawLib.stepOf(source.valueOf(round), rollup.hashReceipt(c.receipt), _steps());
        uint64 next = court.roundOf(Timestamp.wrap(uint40(block.timestamp)));
        vm.expectEmit(address(court));
        emit ISpotChecks.StepPosted(c.batchId, 0, rollup.hashReceipt(c.receipt), round, step, ROOT, next);
        _post(c);
        assertStrip(c, StripState.Posted);
        assertEq(_deadline(c), Timestamp.unwrap(source.dueAt(next)) + TURN, "the delivery of the second round is due");
        _drawPairs(c, round);
        assertEq(_deadline(c), block.timestamp + TURN);
        assertEq(_settledAt(c), NEVER);
        _prove(c, round, _pairs(0, 2));
        assertEq(_claim(c, round).proven, 3);
        vm.expectEmit(address(court));
        emit ISpotChecks.BatchSettled(c.batchId, Timestamp.wrap(uint40(block.timestamp + 1)));
        _prove(c, round, _pairs(2, 3));
        assertStrip(c, StripState.Answered);
        assertEq(_deadline(c), NEVER);
        assertEq(_settledAt(c), block.timestamp + 1);
        vm.warp(block.timestamp + WINDOW);
        assertStatus(c, Status.Final);
        rollup.releaseBatch(c.batchId);
        assertEq(vault.executorOf(executor).stake, STAKE);
    }

    /// @dev A long fold waits for a third round; what is proven without it need not wait.
    function test_answer_longFolds_succeeds() public {
        verifier.setLong(1, true);
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        _post(c);
        _drawPairs(c, round);
        uint256[] memory early = _pairs(1, 2);
        bytes memory without = _proofOf(c, round, early);
        vm.expectRevert(abi.encodeWithSelector(ElementVerifierDouble.StatesMissing.selector, 1));
        court.provePairs(_claimed(c, round, early), _openings(1), without);
        _postFold(c, round, 1);
        uint64 third = court.roundOf(Timestamp.wrap(uint40(block.timestamp)));
        assertEq(_deadline(c), Timestamp.unwrap(source.dueAt(third)) + TURN);
        _prove(c, round, _pairs(0, 1));
        uint256[] memory pairs = _pairs(1, 3);
        bytes memory proof = _proofOf(c, round, pairs);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.RoundUnknown.selector, third));
        court.provePairs(_claimed(c, round, pairs), _openings(2), proof);
        _deliver(third, keccak256("blocks"));
        assertEq(_deadline(c), block.timestamp + TURN);
        _prove(c, round, pairs);
        assertStrip(c, StripState.Answered);
        assertEq(_settledAt(c), block.timestamp + 1);
    }

    function _postFold(CommittedReceipt memory c, uint64 round, uint256 pair) private {
        bytes32[] memory roots = new bytes32[](1);
        roots[0] = keccak256("states");
        vm.prank(executor);
        court.postFolds(c.receipt, round, _pairs(pair, pair + 1), roots);
    }

    /// @dev A delegate posts, which is all that needs a key.
    function test_answer_byDelegate_succeeds() public {
        vm.prank(executor);
        vault.setDelegate(delegate, true);
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        vm.prank(delegate);
        court.postStep(c, ROOT);
        _drawPairs(c, round);
        _prove(c, round, _pairs(0, PAIRS));
        assertStrip(c, StripState.Answered);
    }

    /// @dev Each strip is answered; the last answer settles the batch.
    function test_answer_everyStrip_succeeds() public {
        CommittedReceipt[] memory all = _commitReceipts(2 * STRIDE);
        uint64 round = _roundOf(all[0]);
        _deliver(round, keccak256("any"));
        (, uint256 drawn,) = court.drawsOf(all[0].batchId);
        assertEq(drawn, 2);
        (, uint256 first,,) = court.stripOf(all[0].batchId, 0);
        (, uint256 second,,) = court.stripOf(all[0].batchId, 1);
        _post(all[first]);
        _post(all[second]);
        _drawPairs(all[first], round);
        _prove(all[first], round, _pairs(0, PAIRS));
        assertEq(_settledAt(all[0]), NEVER);
        _prove(all[second], round, _pairs(0, PAIRS));
        assertEq(_settledAt(all[0]), block.timestamp + 1);
        (,, uint256 answered) = court.drawsOf(all[0].batchId);
        assertEq(answered, 2);
    }

    /// @dev Several answers in one transaction are the sender's own, each.
    function test_multicall_everyStrip_succeeds() public {
        CommittedReceipt[] memory all = _commitReceipts(2 * STRIDE);
        uint64 round = _roundOf(all[0]);
        _deliver(round, keccak256("any"));
        bytes[] memory calls = new bytes[](2);
        for (uint256 strip; strip < 2; ++strip) {
            (, uint256 index,,) = court.stripOf(all[0].batchId, strip);
            calls[strip] = abi.encodeCall(court.postStep, (all[index], ROOT));
        }
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotExecutor.selector, executor, stranger));
        court.multicall(calls);
        vm.prank(executor);
        court.multicall(calls);
        for (uint256 strip; strip < 2; ++strip) {
            (StripState state,,,) = court.stripOf(all[0].batchId, strip);
            assertEq(uint256(state), uint256(StripState.Posted));
        }
    }

    // ---------------------------------------------------------------- a receipt is drawn once

    /// @dev Committed again later and drawn again: the earlier draw's answer is the later one's.
    function test_link_laterDraw_succeeds() public {
        CommittedReceipt memory first = _commitOne();
        vm.warp(block.timestamp + EPOCH);
        CommittedReceipt memory second = _commitAgain(first);
        uint64 round = _draw(first, true);
        _post(first);
        uint64 later = _draw(second, true);
        assertLt(round, later);
        vm.expectEmit(address(court));
        emit ISpotChecks.StripLinked(second.batchId, 0, rollup.hashReceipt(first.receipt), round);
        vm.prank(executor);
        court.link(second, round);
        assertStrip(second, StripState.Posted);
        assertEq(_deadline(second), _deadline(first));
        _drawPairs(first, round);
        _prove(first, round, _pairs(0, PAIRS));
        assertStrip(first, StripState.Answered);
        assertStrip(second, StripState.Proven);
        assertEq(_settledAt(second), NEVER);
        vm.expectEmit(address(court));
        emit ISpotChecks.StripAnswered(second.batchId, 0);
        court.count(second.batchId, 0);
        assertStrip(second, StripState.Answered);
        assertEq(_settledAt(second), block.timestamp + 1);
        court.count(second.batchId, 0);
        (,, uint256 answered) = court.drawsOf(second.batchId);
        assertEq(answered, 1, "counted once");
    }

    /// @dev The draw that asks for a harmless step does not answer for an earlier one.
    function test_link_earlierDraw_reverts() public {
        CommittedReceipt memory first = _commitOne();
        vm.warp(block.timestamp + EPOCH);
        CommittedReceipt memory second = _commitAgain(first);
        uint64 round = _draw(first, true);
        uint64 later = _draw(second, true);
        _post(second);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.LaterClaim.selector, later, round));
        court.link(first, later);
        vm.warp(_deadline(first));
        court.missed(first.batchId, 0);
        assertStatus(second, Status.Reverted);
    }

    /// @dev One epoch, one round, one step: the second batch has nothing of its own to choose.
    function test_postStep_sameRound_reverts() public {
        CommittedReceipt memory first = _commitOne();
        CommittedReceipt memory second = _commitAgain(first);
        uint64 round = _roundOf(first);
        bytes32 value;
        for (uint256 i;; ++i) {
            value = keccak256(abi.encode("both", i));
            bytes32 a = DrawLib.batchSeed(value, address(rollup), BatchId.unwrap(first.batchId));
            bytes32 b = DrawLib.batchSeed(value, address(rollup), BatchId.unwrap(second.batchId));
            if (DrawLib.isDrawn(a, 0, STRIDE) && DrawLib.isDrawn(b, 0, STRIDE)) break;
        }
        _deliver(round, value);
        _post(first);
        vm.expectRevert(
            abi.encodeWithSelector(ISpotChecks.AlreadyPosted.selector, rollup.hashReceipt(first.receipt), round)
        );
        vm.prank(executor);
        court.postStep(second, ROOT + 1);
        vm.prank(executor);
        court.link(second, round);
        _drawPairs(first, round);
        _prove(first, round, _pairs(0, PAIRS));
        court.count(second.batchId, 0);
        assertEq(_settledAt(second), block.timestamp + 1);
    }

    /// @dev The same receipt in two strips of a batch is asked for once.
    function test_link_sameBatch_succeeds() public {
        OtrReceipt[] memory receipts = new OtrReceipt[](2 * STRIDE);
        for (uint256 i; i < receipts.length; ++i) {
            receipts[i] = _receipt();
        }
        CommittedReceipt[] memory all = _commitAll(receipts);
        uint64 round = _roundOf(all[0]);
        _deliver(round, keccak256("any"));
        (, uint256 first,,) = court.stripOf(all[0].batchId, 0);
        (, uint256 second,,) = court.stripOf(all[0].batchId, 1);
        _post(all[first]);
        vm.prank(executor);
        court.link(all[second], round);
        _drawPairs(all[first], round);
        _prove(all[first], round, _pairs(0, PAIRS));
        court.count(all[0].batchId, 1);
        assertEq(_settledAt(all[0]), block.timestamp + 1);
    }

    function test_link_noSuchClaim_reverts() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotPosted.selector, rollup.hashReceipt(c.receipt), round));
        vm.prank(executor);
        court.link(c, round);
    }

    /// @dev Only the executor says which claim answers: a claim whose batch was dropped may never be proven.
    function test_link_byStranger_reverts() public {
        CommittedReceipt memory first = _commitOne();
        vm.warp(block.timestamp + EPOCH);
        CommittedReceipt memory second = _commitAgain(first);
        uint64 round = _draw(first, true);
        _post(first);
        _draw(second, true);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotExecutor.selector, executor, stranger));
        court.link(second, round);
    }

    /// @dev A stranger commits a signed receipt alone, it is drawn, and the batch is dropped: proofs under way go on, and answer for later draws.
    function test_dropDuplicate_claimGoesOn_succeeds() public {
        CommittedReceipt memory original = _commitOne();
        vm.warp(original.receipt.commitBy);
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(original.receipt));
        vm.prank(stranger);
        BatchId id = rollup.commitReceipt(original.receipt, _sign(enclaveKey, digest), _sign(executorKey, digest));
        CommittedReceipt memory alone = CommittedReceipt(original.receipt, id, 0, "");
        _draw(original, false);
        uint64 round = _draw(alone, true);
        _post(alone);
        rollup.dropDuplicate(id, original);
        _drawPairs(alone, round);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownBatch.selector, id));
        court.missed(id, 0);
        _prove(alone, round, _pairs(0, PAIRS));
        CommittedReceipt memory again = _commitAgain(original);
        _draw(again, true);
        vm.prank(executor);
        court.link(again, round);
        court.count(again.batchId, 0);
        assertEq(_settledAt(again), block.timestamp + 1);
    }

    // ---------------------------------------------------------------- confidential receipts

    function _confidentialOne() private returns (CommittedReceipt memory) {
        confidential = true;
        return _commitOne();
    }

    function test_exempt_confidential_succeeds() public {
        CommittedReceipt memory c = _confidentialOne();
        _draw(c, true);
        Request memory request = _request();
        vm.expectEmit(address(court));
        emit ISpotChecks.StripExempt(c.batchId, 0, rollup.hashReceipt(c.receipt));
        vm.prank(stranger);
        court.exempt(c, request);
        assertStrip(c, StripState.Answered);
        assertEq(_settledAt(c), block.timestamp + 1);
        court.exempt(c, request);
        (,, uint256 answered) = court.drawsOf(c.batchId);
        assertEq(answered, 1, "counted once");
    }

    /// @dev An executor that posted all the same need not prove; if it does, nothing is counted twice.
    function test_exempt_posted_succeeds() public {
        CommittedReceipt memory c = _confidentialOne();
        uint64 round = _draw(c, true);
        _post(c);
        court.exempt(c, _request());
        _drawPairs(c, round);
        _prove(c, round, _pairs(0, PAIRS));
        (,, uint256 answered) = court.drawsOf(c.batchId);
        assertEq(answered, 1);
    }

    function test_exempt_public_reverts() public {
        CommittedReceipt memory c = _commitOne();
        _draw(c, true);
        Request memory request = _request();
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotConfidential.selector, c.receipt.requestHash));
        court.exempt(c, request);
        request.confidential = true;
        RequestHash got = rollup.hashRequest(request);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.RequestMismatch.selector, c.receipt.requestHash, got));
        court.exempt(c, request);
    }

    function test_exempt_late_reverts() public {
        CommittedReceipt memory c = _confidentialOne();
        _draw(c, true);
        uint256 deadline = _deadline(c);
        vm.warp(deadline);
        Request memory request = _request();
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.DeadlinePassed.selector, deadline));
        court.exempt(c, request);
    }

    function test_exempt_notDrawn_reverts() public {
        CommittedReceipt memory c = _confidentialOne();
        Request memory request = _request();
        uint64 round = _roundOf(c);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.RoundUnknown.selector, round));
        court.exempt(c, request);
        _draw(c, false);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotDrawn.selector, c.batchId, 0));
        court.exempt(c, request);
    }

    // ---------------------------------------------------------------- what is refused

    function test_postStep_refused_reverts() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _roundOf(c);
        vm.startPrank(executor);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.RoundUnknown.selector, round));
        court.postStep(c, ROOT);
        _draw(c, true);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.StepRootOutOfRange.selector, Bn254.R));
        court.postStep(c, Bn254.R);
        c.index = 1;
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotDrawn.selector, c.batchId, 1));
        court.postStep(c, ROOT);
        c.index = 0;
        ++c.receipt.seq;
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.LeafMismatch.selector, c.batchId, 0));
        court.postStep(c, ROOT);
        --c.receipt.seq;
        c.batchId = BatchId.wrap(9);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownBatch.selector, 9));
        court.postStep(c, ROOT);
        vm.stopPrank();
        c.batchId = BatchId.wrap(1);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotExecutor.selector, executor, stranger));
        vm.prank(stranger);
        court.postStep(c, ROOT);
        vm.startPrank(executor);
        court.postStep(c, Bn254.R - 1);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.StripTaken.selector, c.batchId, 0));
        court.postStep(c, ROOT);
    }

    function test_postStep_notDrawn_reverts() public {
        CommittedReceipt memory c = _commitOne();
        _draw(c, false);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotDrawn.selector, c.batchId, 0));
        court.postStep(c, ROOT);
    }

    /// @dev At every moment either the answer or the accusation is possible.
    function test_postStep_late_reverts() public {
        CommittedReceipt memory c = _commitOne();
        _draw(c, true);
        uint256 deadline = _deadline(c);
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotMissed.selector, c.batchId, 0));
        court.missed(c.batchId, 0);
        vm.warp(deadline);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.DeadlinePassed.selector, deadline));
        court.postStep(c, ROOT);
        court.missed(c.batchId, 0);
    }

    /// @dev Draws of batches that owe none could be answered or left as one likes.
    function test_postStep_rulesWithoutDraws_reverts() public {
        Rules memory rules = rollup.rulesOf(rollup.currentRules());
        rules.spotChecks = address(0);
        vm.prank(governance);
        rollup.addRules(rules);
        CommittedReceipt memory c = _commitOne();
        _draw(c, true);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotThisCourt.selector, c.batchId, 2));
        court.postStep(c, ROOT);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotThisCourt.selector, c.batchId, 2));
        court.missed(c.batchId, 0);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotThisCourt.selector, c.batchId, 2));
        court.count(c.batchId, 0);
    }

    /// @dev Another executor's receipt in one's batch cannot be answered for; nobody honest commits one.
    function test_postStep_anothersReceipt_reverts() public {
        OtrReceipt[] memory receipts = new OtrReceipt[](1);
        receipts[0] = _receipt();
        receipts[0].executor = stranger;
        CommittedReceipt memory c = _commitAll(receipts)[0];
        _draw(c, true);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.LeafMismatch.selector, c.batchId, 0));
        court.postStep(c, ROOT);
        vm.warp(_deadline(c));
        court.missed(c.batchId, 0);
    }

    /// @dev Receipts of no steps, or of more than there are numbers for, are no honest executor's.
    function testFuzz_postStep_noSteps_reverts(uint32 inputs, uint32 outputs, uint256 kind) public {
        if (kind % 3 == 0) inputs = 0;
        if (kind % 3 == 1) outputs = 0;
        if (kind % 3 == 2) (inputs, outputs) = (type(uint32).max, uint32(bound(outputs, 1, type(uint32).max)));
        OtrReceipt[] memory receipts = new OtrReceipt[](1);
        receipts[0] = _receipt();
        (receipts[0].nIn, receipts[0].nOut) = (inputs, outputs);
        CommittedReceipt memory c = _commitAll(receipts)[0];
        _draw(c, true);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NoSteps.selector, inputs, outputs));
        court.postStep(c, ROOT);
        vm.warp(_deadline(c));
        court.missed(c.batchId, 0);
    }

    function test_provePairs_refused_reverts() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        uint256[] memory pairs = _pairs(0, 1);
        ReceiptHash hash = rollup.hashReceipt(c.receipt);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotPosted.selector, hash, round));
        court.provePairs(_claimed(c, round, pairs), _openings(1), "");
        _post(c);
        uint64 next = court.roundOf(_claim(c, round).postedAt);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.RoundUnknown.selector, next));
        court.provePairs(_claimed(c, round, pairs), _openings(1), "");
        _drawPairs(c, round);
        vm.expectRevert(ElementVerifierDouble.NotProven.selector);
        court.provePairs(_claimed(c, round, pairs), _openings(1), hex"00");
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.CountMismatch.selector, 1, 2));
        court.provePairs(_claimed(c, round, pairs), _openings(2), "");
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.CountMismatch.selector, 1, 0));
        court.provePairs(_claimed(c, round, _pairs(0, 0)), _openings(0), "");
        pairs = _pairs(PAIRS, PAIRS + 1);
        bytes memory proof = _proofOf(c, round, pairs);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.PairOutOfRange.selector, PAIRS));
        court.provePairs(_claimed(c, round, pairs), _openings(1), proof);
        uint256 deadline = _deadline(c);
        vm.warp(deadline);
        pairs = _pairs(1, 2);
        proof = _proofOf(c, round, pairs);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.DeadlinePassed.selector, deadline));
        court.provePairs(_claimed(c, round, pairs), _openings(1), proof);
    }

    /// @dev Who sends a part of the executor's proofs first gives them away: the executor's own transaction succeeds all the same. One pair twice is
    ///      one pair.
    function test_provePairs_overtaken_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        _post(c);
        _drawPairs(c, round);
        _prove(c, round, new uint256[](2 * PAIRS));
        assertEq(_claim(c, round).proven, 1);
        _prove(c, round, _pairs(0, PAIRS));
        assertStrip(c, StripState.Answered);
        _prove(c, round, _pairs(0, PAIRS));
        (,, uint256 answered) = court.drawsOf(c.batchId);
        assertEq(answered, 1);
    }

    /// @dev A claim is about one receipt: with any other field changed there is none.
    function testFuzz_provePairs_anotherReceipt_reverts(uint256 seed) public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        _post(c);
        _drawPairs(c, round);
        uint256[] memory pairs = _pairs(0, 1);
        bytes memory proof = _proofOf(c, round, pairs);
        OtrReceipt memory other = c.receipt;
        if (seed % 5 == 0) ++other.seq;
        if (seed % 5 == 1) other.traceRoot = keccak256(abi.encode(seed));
        if (seed % 5 == 2) ++other.nOut;
        if (seed % 5 == 3) other.outputRoot = keccak256(abi.encode(seed));
        if (seed % 5 == 4) ++round;
        vm.expectPartialRevert(ISpotChecks.NotPosted.selector);
        court.provePairs(_claimed(other, round, pairs), _openings(1), proof);
    }

    function test_postFolds_refused_reverts() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        uint256[] memory pairs = _pairs(0, 1);
        bytes32[] memory roots = new bytes32[](1);
        ReceiptHash hash = rollup.hashReceipt(c.receipt);
        vm.startPrank(executor);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotPosted.selector, hash, round));
        court.postFolds(c.receipt, round, pairs, roots);
        court.postStep(c, ROOT);
        uint64 next = court.roundOf(_claim(c, round).postedAt);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.RoundUnknown.selector, next));
        court.postFolds(c.receipt, round, pairs, roots);
        vm.stopPrank();
        _drawPairs(c, round);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotExecutor.selector, executor, stranger));
        court.postFolds(c.receipt, round, pairs, roots);
        _prove(c, round, _pairs(2, 3));
        vm.startPrank(executor);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.EmptyRoot.selector, 0));
        court.postFolds(c.receipt, round, pairs, roots);
        roots[0] = keccak256("states");
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.CountMismatch.selector, 2, 1));
        court.postFolds(c.receipt, round, _pairs(0, 2), roots);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.CountMismatch.selector, 1, 0));
        court.postFolds(c.receipt, round, _pairs(0, 0), new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.PairOutOfRange.selector, PAIRS));
        court.postFolds(c.receipt, round, _pairs(PAIRS, PAIRS + 1), roots);
        court.postFolds(c.receipt, round, pairs, roots);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.FoldsAlreadyPosted.selector, block.timestamp));
        court.postFolds(c.receipt, round, _pairs(1, 2), roots);
        vm.stopPrank();
    }

    function test_postFolds_late_reverts() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        _post(c);
        _drawPairs(c, round);
        uint256 deadline = _deadline(c);
        vm.warp(deadline);
        bytes32[] memory roots = new bytes32[](1);
        roots[0] = keccak256("states");
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.DeadlinePassed.selector, deadline));
        court.postFolds(c.receipt, round, _pairs(0, 1), roots);
    }

    function test_count_notProven_reverts() public {
        CommittedReceipt memory c = _commitOne();
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.WrongState.selector, StripState.Proven, StripState.Unknown));
        court.count(c.batchId, 0);
        _draw(c, true);
        _post(c);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.WrongState.selector, StripState.Proven, StripState.Posted));
        court.count(c.batchId, 0);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NoSuchStrip.selector, c.batchId, 1));
        court.count(c.batchId, 1);
    }

    // ---------------------------------------------------------------- missed draws

    function _miss(CommittedReceipt memory c) private {
        uint256 deadline = _deadline(c);
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotMissed.selector, c.batchId, 0));
        court.missed(c.batchId, 0);
        vm.warp(deadline);
        vm.expectEmit(address(court));
        emit ISpotChecks.DrawMissed(c.batchId, 0, stranger);
        vm.prank(stranger);
        court.missed(c.batchId, 0);
        assertEq(Timestamp.unwrap(vault.convictedAt(executor)), deadline);
        assertStatus(c, Status.Reverted);
    }

    function test_missed_step_convicts_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        _draw(c, true);
        _miss(c);
    }

    function test_missed_firstRound_convicts_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        assertEq(_deadline(c), Timestamp.unwrap(source.dueAt(_roundOf(c))) + court.ROUND_TIMEOUT().inSeconds());
        _miss(c);
    }

    function test_missed_secondRound_convicts_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        _draw(c, true);
        _post(c);
        _miss(c);
    }

    function test_missed_proofs_convicts_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        _post(c);
        _drawPairs(c, round);
        _prove(c, round, _pairs(0, PAIRS - 1));
        _miss(c);
    }

    function test_missed_thirdRound_convicts_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        _post(c);
        _drawPairs(c, round);
        _postFold(c, round, 0);
        _miss(c);
    }

    function test_missed_blocks_convicts_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        _post(c);
        _drawPairs(c, round);
        _postFold(c, round, 0);
        _deliver(court.roundOf(_claim(c, round).foldsPostedAt), keccak256("blocks"));
        _prove(c, round, _pairs(1, PAIRS));
        _miss(c);
    }

    /// @dev A leaf that is no receipt needs no opening to be missed.
    function test_missed_garbageLeaf_convicts_succeeds() public {
        vm.prank(executor);
        BatchId id = rollup.commitBatch(keccak256("garbage"), STRIDE);
        _deliver(court.roundOf(rollup.batchOf(id).committedAt), keccak256("any"));
        vm.warp(block.timestamp + TURN);
        court.missed(id, 0);
        assertTrue(vault.convictedAt(executor).isSet());
    }

    /// @dev The largest batch is drawn and missed by the same few steps.
    function test_missed_largestBatch_succeeds() public {
        vm.deal(address(this), 2 ** 24 * 1 ether);
        vault.deposit{value: 2 ** 24 * 1 ether}(executor);
        vm.prank(executor);
        BatchId id = rollup.commitBatch(keccak256("root"), type(uint24).max);
        _deliver(court.roundOf(rollup.batchOf(id).committedAt), keccak256("any"));
        (, uint256 drawn,) = court.drawsOf(id);
        assertGe(drawn, (2 ** 24 - 1) / STRIDE);
        uint256 before = gasleft();
        court.settledAt(id);
        assertLt(before - gasleft(), 100_000);
        vm.warp(block.timestamp + TURN);
        court.missed(id, (2 ** 24 - 2) / STRIDE - 1);
        assertTrue(vault.convictedAt(executor).isSet());
    }

    function test_missed_notOverdue_reverts() public {
        CommittedReceipt memory c = _commitOne();
        _draw(c, false);
        vm.warp(block.timestamp + 10 days);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotMissed.selector, c.batchId, 0));
        court.missed(c.batchId, 0);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NoSuchStrip.selector, c.batchId, 1));
        court.missed(c.batchId, 1);
        c = _commitOne();
        uint64 round = _draw(c, true);
        _answerDraw(c, round);
        vm.warp(block.timestamp + 10 days);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotMissed.selector, c.batchId, 0));
        court.missed(c.batchId, 0);
        assertStatus(c, Status.Final);
    }

    /// @dev Proven but not counted: late to count is not missed.
    function test_missed_provenNotCounted_reverts() public {
        CommittedReceipt memory first = _commitOne();
        vm.warp(block.timestamp + EPOCH);
        CommittedReceipt memory second = _commitAgain(first);
        uint64 round = _draw(first, true);
        _post(first);
        _draw(second, true);
        vm.prank(executor);
        court.link(second, round);
        _drawPairs(first, round);
        _prove(first, round, _pairs(0, PAIRS));
        vm.warp(block.timestamp + 100 days);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotMissed.selector, second.batchId, 0));
        court.missed(second.batchId, 0);
        court.count(second.batchId, 0);
        assertStatus(second, Status.Provisional);
        vm.warp(block.timestamp + 1);
        assertStatus(second, Status.Final);
    }

    /// @dev A round that comes late, but before anybody complained, starts the turn.
    function test_missed_lateRound_startsTheTurn_reverts() public {
        CommittedReceipt memory c = _commitOne();
        vm.warp(_deadline(c) + 1 days);
        _draw(c, true);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotMissed.selector, c.batchId, 0));
        court.missed(c.batchId, 0);
        _answerDraw(c, _roundOf(c));
        assertStrip(c, StripState.Answered);
    }

    function test_missed_afterConviction_reverts() public {
        CommittedReceipt memory c = _commitOne();
        CommittedReceipt memory other = _commitOne();
        vm.warp(_deadline(c));
        court.missed(c.batchId, 0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.Suspended.selector, executor, block.timestamp));
        court.missed(other.batchId, 0);
    }

    /// @dev Nobody can answer while the sequencer is down.
    function test_missed_outage_movesTheDeadline_reverts() public {
        CommittedReceipt memory c = _commitOne();
        _draw(c, true);
        uint256 deadline = _deadline(c);
        vm.warp(deadline - 1);
        feed.push(true, block.timestamp);
        vm.warp(deadline + 1 days);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotMissed.selector, c.batchId, 0));
        court.missed(c.batchId, 0);
        feed.push(false, block.timestamp);
        vm.warp(block.timestamp + GRACE - 1);
        _post(c);
        assertStrip(c, StripState.Posted);
    }

    /// @dev Answers after the executor's conviction settle, and make nothing final.
    function test_provePairs_afterConviction_staysReverted_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        CommittedReceipt memory other = _commitOne();
        uint64 round = _draw(c, true);
        _post(c);
        _drawPairs(c, round);
        vm.warp(_deadline(c) - 1);
        court.missed(other.batchId, 0);
        _prove(c, round, _pairs(0, PAIRS));
        assertEq(_settledAt(c), block.timestamp + 1);
        assertStatus(c, Status.Reverted);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        assertStatus(c, Status.Reverted);
        rollup.releaseBatch(c.batchId);
        rollup.releaseBatch(other.batchId);
        assertEq(vault.burnt(), 2 * LOCK);
    }

    // ---------------------------------------------------------------- terms

    function _expectInvalid(SpotCheckTerms memory terms, bytes32 name) private {
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.InvalidTerms.selector, name));
        new SpotChecks(terms);
    }

    function test_constructor_invalidTerms_reverts() public {
        SpotCheckTerms memory terms = _terms();
        terms.rollup = IOtrRollup(stranger);
        _expectInvalid(terms, "rollup");
        terms = _terms();
        terms.vault = IStakeVault(stranger);
        _expectInvalid(terms, "vault");
        terms = _terms();
        terms.uptime = IUptime(stranger);
        _expectInvalid(terms, "uptime");
        terms = _terms();
        vm.mockCall(address(verifier), abi.encodeCall(verifier.BLOCKS, ()), abi.encode(0));
        _expectInvalid(terms, "verifier");
        vm.clearMockedCalls();
        terms.turnDuration = Duration.wrap(0);
        _expectInvalid(terms, "turnDuration");
        terms = _terms();
        terms.epoch = Duration.wrap(0);
        _expectInvalid(terms, "epoch");
        terms = _terms();
        terms.stride = 0;
        _expectInvalid(terms, "stride");
        terms.stride = 2 ** 24;
        _expectInvalid(terms, "stride");
        terms = _terms();
        terms.pairs = 0;
        _expectInvalid(terms, "pairs");
        terms.pairs = 17;
        _expectInvalid(terms, "pairs");
        terms = _terms();
        terms.roundTimeout = Duration.wrap(uint32(TURN - 1));
        _expectInvalid(terms, "roundTimeout");
        terms = _terms();
        terms.delta = Duration.wrap(type(uint32).max / 3);
        _expectInvalid(terms, "longestDraws");
    }

    /// @dev Whoever owes a round must have the time to replace a dead beacon, twice.
    function test_constructor_fallback_needsItsTime_reverts() public {
        SpotCheckTerms memory terms = _terms();
        Duration dead = Duration.wrap(100);
        Duration lost = Duration.wrap(50);
        FallbackRandomness both = new FallbackRandomness(source, source, dead, lost);
        vm.mockCall(address(both), abi.encodeCall(both.kind, ()), abi.encode(bytes32("FALLBACK")));
        terms.randomness = both;
        terms.roundTimeout = Duration.wrap(uint32(TURN + 149));
        _expectInvalid(terms, "roundTimeout");
        terms.roundTimeout = Duration.wrap(uint32(TURN + 150));
        new SpotChecks(terms);
    }

    /// @dev The largest numbers of all.
    function test_constructor_widestTerms_succeeds() public {
        SpotCheckTerms memory terms = _terms();
        terms.pairs = 16;
        terms.stride = type(uint24).max;
        SpotChecks widest = new SpotChecks(terms);
        assertEq(widest.PAIRS(), 16);
        uint256 phase = DELTA + EPOCH + source.PERIOD().inSeconds() + 2 * TURN;
        assertEq(widest.longestDraws().inSeconds(), 3 * phase);
    }

    function test_development_sourceOrKeys_succeeds() public {
        assertTrue(court.development());
        vm.mockCall(address(source), abi.encodeCall(source.kind, ()), abi.encode(bytes32("DRAND")));
        assertFalse(court.development());
        verifier.setDevelopment(true);
        assertTrue(court.development());
    }

    // ---------------------------------------------------------------- gas that is repaid

    function test_payOut_afterTheAirGap_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        vm.warp(_deadline(c));
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NothingToRepay.selector, c.batchId));
        court.payOut(c.batchId);
        vm.prank(stranger);
        court.missed(c.batchId, 0);
        uint256 dueAt = block.timestamp + AIR_GAP;
        vm.warp(dueAt - 1);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NotDue.selector, dueAt));
        court.payOut(c.batchId);
        vm.warp(dueAt);
        court.payOut(c.batchId);
        assertEq(vault.claimableOf(stranger), court.MISSED_GAS() * GAS_PRICE);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.NothingToRepay.selector, c.batchId));
        court.payOut(c.batchId);
    }

    function test_payOut_refundMode_paysNothing_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        vm.warp(_deadline(c));
        vm.prank(stranger);
        court.missed(c.batchId, 0);
        vm.startPrank(governance);
        rollup.setRefundMode(rollup.currentRules());
        vm.stopPrank();
        vm.warp(block.timestamp + WINDOW + AIR_GAP);
        court.payOut(c.batchId);
        assertEq(vault.claimableOf(stranger), 0);
        rollup.releaseBatch(c.batchId);
        assertEq(vault.executorOf(executor).locked, 0);
        assertEq(vault.executorOf(executor).stake, STAKE);
    }
}
