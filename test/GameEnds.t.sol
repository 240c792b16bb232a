// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameTest} from "./utils/GameTest.sol";
import {Trees} from "./utils/Trees.sol";
import {GameId, IDisputeGame, Phase, Record, Subject} from "src/interfaces/IDisputeGame.sol";
import {BatchId, CommittedReceipt, IOtrRollup, RulesVersion, Status} from "src/interfaces/IOtrRollup.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {ReceiptHash} from "src/types/OtrTypes.sol";

/// @notice How games end: proofs, deadlines, outages, games side by side, payouts.
/// forge-config: default.fuzz.runs = 24
contract GameEndsTest is GameTest {
    using Trees for Trees.Tree;

    // ---------------------------------------------------------------- conclusion

    function _prove(uint32 step, uint256 row, uint256 element) private {
        _playTo(row, element);
        _settle(row, element);
        assertEq(subject.step, step);
        assertPhase(Phase.Proven);
    }

    /// @dev A proof cannot be undone: no move, and no deadline, stands between it and the conviction, which anyone may send.
    function test_conclude_byAnyone_succeeds() public {
        _lie(1, ROW_MAP, 2, 1);
        _start(1);
        _prove(1, ROW_MAP, 2);
        assertStatus(committed, Status.Challenged);
        vm.warp(block.timestamp + 100 * TURN);
        vm.prank(stranger);
        game.conclude(subject);
        assertExecutorLost();
    }

    function test_conclude_unproven_reverts() public {
        _start(1);
        _wrongPhase(Phase.Proven, Phase.FinePost);
        game.conclude(subject);
        _playTo(ROW_MAP, 2);
        _wrongPhase(Phase.Proven, Phase.Chunks);
        game.conclude(subject);
    }

    function test_conclude_twice_reverts() public {
        _lie(1, ROW_MAP, 2, 1);
        _start(1);
        _prove(1, ROW_MAP, 2);
        game.conclude(subject);
        _wrongPhase(Phase.Proven, Phase.Won);
        game.conclude(subject);
    }

    // ---------------------------------------------------------------- timeouts

    function _timeout() private {
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.DeadlineNotPassed.selector, block.timestamp + TURN));
        game.timeout(subject);
        vm.warp(block.timestamp + TURN);
        vm.prank(stranger);
        game.timeout(subject);
    }

    function _executorLapses() private {
        _timeout();
        assertExecutorLost();
    }

    function _challengerLapses() private {
        _timeout();
        // The window is open still: others may challenge.
        assertChallengerLost();
    }

    function test_timeout_finePost_succeeds() public {
        _start(0);
        _executorLapses();
    }

    function test_timeout_fine_succeeds() public {
        _start(0);
        _postFine();
        _challengerLapses();
    }

    function test_timeout_fineReveal_succeeds() public {
        _start(0);
        _postFine();
        _choose(0);
        _executorLapses();
    }

    function test_timeout_rowReveal_succeeds() public {
        _start(0);
        _postFine();
        _chooseRow(0);
        _executorLapses();
    }

    function _toRowNodes() private {
        _start(0);
        _postFine();
        _walkFine(ROW_LONG);
        _chooseRow(ROW_LONG);
        _revealRow(ROW_LONG);
        assertPhase(Phase.RowNodes);
    }

    function test_timeout_rowNodes_succeeds() public {
        _toRowNodes();
        _challengerLapses();
    }

    function test_timeout_rowNodesReveal_succeeds() public {
        _toRowNodes();
        _choose(0);
        _executorLapses();
    }

    function test_timeout_chunks_succeeds() public {
        _start(0);
        _playTo(ROW_MAP, 0);
        _challengerLapses();
    }

    function test_timeout_accumulatorsPost_succeeds() public {
        _start(0);
        _playTo(ROW_FOLD, 0);
        _chooseElement(ROW_FOLD, 0);
        _executorLapses();
    }

    function test_timeout_blocks_succeeds() public {
        _start(0);
        _playTo(ROW_FOLD, 0);
        _chooseElement(ROW_FOLD, 0);
        _postAccumulators(ROW_FOLD, _accumulators(ROW_FOLD, 0, 0, 1, FOLD_BLOCKS));
        _challengerLapses();
    }

    function test_timeout_cacheReveal_succeeds() public {
        _start(0);
        _postFine();
        _chooseCache();
        _executorLapses();
    }

    function test_timeout_cache_succeeds() public {
        _start(0);
        _postFine();
        _chooseCache();
        _revealCache();
        _challengerLapses();
    }

    function test_timeout_traceReveal_succeeds() public {
        committed = _commit();
        _openTrace();
        _executorLapses();
    }

    function test_timeout_trace_succeeds() public {
        committed = _commit();
        _openTrace();
        _revealTrace();
        _challengerLapses();
    }

    function test_timeout_finePostAfterTrace_succeeds() public {
        committed = _commit();
        _openTrace();
        _revealTrace();
        _chooseStep(2, 3);
        _executorLapses();
    }

    /// @dev A proof that waits for its conclusion is the executor's loss, whichever call ends it.
    function test_timeout_proven_succeeds() public {
        _lie(1, ROW_MAP, 2, 1);
        _start(1);
        _prove(1, ROW_MAP, 2);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertExecutorLost();
    }

    function test_timeout_overOrUnknown_reverts() public {
        _start(0);
        _timeout();
        _wrongPhase(Phase.FinePost, Phase.Won);
        game.timeout(subject);
        _wrongPhase(Phase.FinePost, Phase.Won);
        game.close(subject);
        Subject memory unknown = subject;
        unknown.step = 1;
        _wrongPhase(Phase.FinePost, Phase.None);
        game.timeout(unknown);
        _wrongPhase(Phase.FinePost, Phase.None);
        game.close(unknown);
        _wrongPhase(Phase.Won, Phase.None);
        game.payOut(unknown);
    }

    function test_moves_afterDeadline_reverts() public {
        _start(0);
        uint256 deadline = block.timestamp + TURN;
        Record memory record = _record();
        bytes32[] memory nodes = _fineTree(0).first();
        vm.warp(deadline);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.DeadlinePassed.selector, deadline));
        game.postFine(subject, record, nodes);
        vm.warp(deadline - 1);
        _postFine();
        deadline = block.timestamp + TURN;
        vm.warp(deadline);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.DeadlinePassed.selector, deadline));
        game.choose(gameId, 4, 0);
    }

    // ---------------------------------------------------------------- outages

    /// @dev The sequencer is down when the deadline comes: the side whose turn it is moves in the grace after the outage.
    function _outage() private {
        uint256 now_ = block.timestamp;
        feed.push(true, now_ + TURN - 1);
        vm.warp(now_ + TURN);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.DeadlineNotPassed.selector, now_ + TURN));
        game.timeout(subject);
        feed.push(false, now_ + 2 * TURN);
        vm.warp(now_ + 2 * TURN + GRACE - 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.DeadlineNotPassed.selector, now_ + TURN));
        game.timeout(subject);
    }

    function test_outage_inTheExecutorsTurn_movesTheDeadline() public {
        _start(0);
        _outage();
        _postFine();
        assertPhase(Phase.Fine);
    }

    function test_outage_inTheExecutorsTurn_endsWithTheGrace() public {
        _start(0);
        _outage();
        vm.warp(block.timestamp + 1);
        game.timeout(subject);
        assertPhase(Phase.Won);
    }

    function test_outage_inTheChallengersTurn_movesTheDeadline() public {
        _start(0);
        _postFine();
        _outage();
        _choose(0);
        assertPhase(Phase.FineReveal);
    }

    function test_outage_inTheChallengersTurn_endsWithTheGrace() public {
        _start(0);
        _postFine();
        _outage();
        vm.warp(block.timestamp + 1);
        game.timeout(subject);
        assertPhase(Phase.Lost);
    }

    /// @dev An outage that began after the deadline brings nobody's turn back.
    function test_outage_afterTheDeadline_changesNothing() public {
        _start(0);
        feed.push(true, block.timestamp + TURN + 1);
        vm.warp(block.timestamp + TURN + 2);
        Record memory record = _record();
        bytes32[] memory nodes = _fineTree(0).first();
        vm.prank(executor);
        vm.expectPartialRevert(IDisputeGame.DeadlinePassed.selector);
        game.postFine(subject, record, nodes);
        game.timeout(subject);
        assertPhase(Phase.Won);
    }

    // ---------------------------------------------------------------- games side by side

    function _challengerShare() private view returns (address) {
        return rollup.convictionOf(executor).challenger;
    }

    /// @dev The executor plays a game against itself, opened when it saw the honest one coming, and loses it first. The honest game goes on
    ///      and takes the share over.
    function test_parallel_earlierOpenedWinsLater_takesTheShare() public {
        _lie(1, ROW_MAP, 2, 1);
        _start(1);
        Subject memory honest = subject;
        GameId honestId = gameId;
        vm.warp(block.timestamp + 1);
        address accomplice = makeAddr("accomplice");
        _openBy(accomplice, 0);
        Subject memory sham = subject;
        vm.warp(block.timestamp + TURN - 2);
        (subject, gameId) = (honest, honestId);
        _prove(1, ROW_MAP, 2);
        vm.warp(block.timestamp + 2);
        game.timeout(sham);
        assertEq(_challengerShare(), accomplice);
        vm.expectEmit(address(rollup));
        emit IOtrRollup.ConvictionMoved(executor, challenger, committed.batchId);
        game.conclude(honest);
        assertPhase(Phase.Won);
        assertEq(_challengerShare(), challenger);
        vm.warp(Timestamp.unwrap(rollup.rewardDueAt(executor)));
        rollup.payReward(executor);
        assertEq(vault.claimableOf(challenger), LOCK / 4);
        assertEq(vault.claimableOf(accomplice), 0);
        game.payOut(honest);
        game.payOut(sham);
        assertEq(vault.claimableOf(accomplice), BOND + game.gasOf(0) * GAS_PRICE, "never more than it cost");
        assertEq(vault.bondsOf(address(game)), 0);
        assertSolvent();
    }

    /// @dev A second proof against one executor, opened later or at the same moment, gets its bond and gas back.
    function testFuzz_parallel_laterOpenedWinsLater_isMoot(bool later) public {
        _lie(1, ROW_MAP, 2, 1);
        _start(1);
        _prove(1, ROW_MAP, 2);
        Subject memory first = subject;
        if (later) vm.warp(block.timestamp + 1);
        _openBy(stranger, 1);
        _prove(1, ROW_MAP, 2);
        game.conclude(first);
        game.conclude(subject);
        assertEq(_challengerShare(), challenger);
        assertMoot(subject);
    }

    /// @dev The later-opened case was concluded first, and replaced: the game opened in between is moot for both.
    function test_parallel_openedBetweenTwoWinners_isMoot() public {
        _lie(1, ROW_MAP, 2, 1);
        _start(1);
        _prove(1, ROW_MAP, 2);
        Subject memory first = subject;
        vm.warp(block.timestamp + 1);
        _openBy(requester, 1);
        _postFine();
        Subject memory between = subject;
        vm.warp(block.timestamp + 1);
        _openBy(stranger, 1);
        _prove(1, ROW_MAP, 2);
        game.conclude(subject);
        // Opened before the conviction's case: it goes on.
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotMoot.selector, executor));
        game.close(between);
        game.conclude(first);
        game.close(between);
        assertMoot(between);
    }

    function test_close_convictedElsewhere_byAnyone_succeeds() public {
        _start(0);
        Subject memory first = subject;
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotMoot.selector, executor));
        game.close(first);
        vm.warp(block.timestamp + 1);
        _openBy(stranger, 1);
        vm.warp(block.timestamp + TURN - 1);
        game.timeout(first);
        vm.prank(requester);
        game.close(subject);
        assertMoot(subject);
        assertEq(vault.claimableOf(executor), 0);
    }

    /// @dev An earlier-opened game is given up by its challenger only.
    function test_close_openedEarlier_byItsChallengerOnly() public {
        _start(0);
        _postFine();
        Subject memory earlier = subject;
        vm.warp(block.timestamp + 1);
        _openBy(stranger, 1);
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotMoot.selector, executor));
        game.close(earlier);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertPhase(Phase.Won);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotMoot.selector, executor));
        game.close(earlier);
        vm.prank(challenger);
        game.close(earlier);
        assertMoot(earlier);
    }

    /// @dev Nobody earns a bond over an executor that is convicted already: a lapsed challenger is moot, even if it opened earlier.
    function testFuzz_timeout_challengerAfterConviction_isMoot(bool earlier) public {
        _start(0);
        _postFine();
        Subject memory lapsed = subject;
        if (earlier) vm.warp(block.timestamp + 1);
        _openBy(stranger, 1);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        game.timeout(lapsed);
        assertMoot(lapsed);
        assertEq(vault.claimableOf(executor), 0);
    }

    /// @dev An executor that stops answering after a conviction loses the earlier-opened game too.
    function test_timeout_executorAfterConviction_movesTheConviction() public {
        _start(0);
        Subject memory earlier = subject;
        vm.warp(block.timestamp + 1);
        _openBy(stranger, 1);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertEq(_challengerShare(), stranger);
        game.timeout(earlier);
        assertEq(_challengerShare(), challenger);
        assertEq(uint256(game.gameOf(game.gameIdOf(earlier)).phase), uint256(Phase.Won));
    }

    /// @dev The executor accuses itself: what comes back is less than what it costs, whoever plays.
    function test_selfAccusation_losesMoney_succeeds() public {
        committed = _commit();
        _openBy(executor, 0);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.payReward(executor);
        game.payOut(subject);
        rollup.releaseBatch(committed.batchId);
        uint256 left = vault.executorOf(executor).stake + vault.claimableOf(executor);
        assertLe(left, STAKE + BOND - LOCK / 2);
        assertSolvent();
    }

    // ---------------------------------------------------------------- payouts

    function test_payOut_beforeTheAirGap_reverts() public {
        _start(0);
        uint256 due = block.timestamp + TURN + AIR_GAP;
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        vm.warp(due - 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotDue.selector, due));
        game.payOut(subject);
        vm.warp(due);
        vm.prank(stranger);
        game.payOut(subject);
        assertPhase(Phase.Paid);
        assertEq(vault.claimableOf(stranger), 0);
    }

    function test_payOut_twice_reverts() public {
        _start(0);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        vm.warp(block.timestamp + AIR_GAP);
        game.payOut(subject);
        _wrongPhase(Phase.Won, Phase.Paid);
        game.payOut(subject);
        _wrongPhase(Phase.FinePost, Phase.Paid);
        game.timeout(subject);
        _wrongPhase(Phase.FinePost, Phase.Paid);
        game.close(subject);
    }

    function test_payOut_undecided_reverts() public {
        _start(0);
        _wrongPhase(Phase.Won, Phase.FinePost);
        game.payOut(subject);
    }

    function test_payOut_proven_reverts() public {
        _lie(1, ROW_MAP, 2, 1);
        _start(1);
        _prove(1, ROW_MAP, 2);
        vm.warp(block.timestamp + 10 * AIR_GAP);
        _wrongPhase(Phase.Won, Phase.Proven);
        game.payOut(subject);
    }

    /// @dev A batch of one can be dropped once its games are over: their payouts wait all the same.
    function test_payOut_ofADroppedBatch_waits() public {
        committed = _commit();
        CommittedReceipt memory original = committed;
        bytes32 digest = ReceiptHash.unwrap(rollup.hashReceipt(original.receipt));
        bytes memory enclaveSignature = _sign(enclaveKey, digest);
        bytes memory operatorSignature = _sign(executorKey, digest);
        vm.prank(executor);
        BatchId single = rollup.commitReceipt(original.receipt, enclaveSignature, operatorSignature);
        committed = CommittedReceipt(original.receipt, single, 0, "");
        _open(0);
        _postFine();
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        rollup.dropDuplicate(single, original);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotDue.selector, block.timestamp + AIR_GAP));
        game.payOut(subject);
        _payOutInRefundMode();
    }

    /// @dev Faulty rules: every bond goes back to who put it up, and nobody pays for anybody.
    function _payOutInRefundMode() private {
        RulesVersion version = rollup.currentRules();
        vm.prank(governance);
        rollup.setRefundMode(version);
        vm.warp(block.timestamp + AIR_GAP);
        game.payOut(subject);
        assertPhase(Phase.Paid);
        assertEq(vault.claimableOf(challenger), BOND);
        assertEq(vault.claimableOf(executor), 0);
        assertEq(vault.burnt(), 0);
        assertEq(vault.executorOf(executor).stake, STAKE);
        assertEq(vault.bondsOf(address(game)), 0);
    }

    function test_payOut_won_inRefundMode_succeeds() public {
        _start(0);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        _payOutInRefundMode();
    }

    function test_payOut_lost_inRefundMode_succeeds() public {
        _start(0);
        _postFine();
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        _payOutInRefundMode();
    }

    function test_payOut_moot_inRefundMode_succeeds() public {
        _start(0);
        Subject memory won = subject;
        _openBy(stranger, 1);
        vm.warp(block.timestamp + TURN);
        game.timeout(won);
        game.close(subject);
        RulesVersion version = rollup.currentRules();
        vm.prank(governance);
        rollup.setRefundMode(version);
        vm.warp(block.timestamp + AIR_GAP);
        game.payOut(subject);
        assertEq(vault.claimableOf(stranger), BOND);
        game.payOut(won);
        assertEq(vault.claimableOf(challenger), BOND);
        assertEq(vault.executorOf(executor).stake, STAKE);
    }
}
