// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {OtrTest} from "./utils/OtrTest.sol";
import {
    BatchId,
    CommittedReceipt,
    Conviction,
    DemandTerms,
    GameTerms,
    IOtrRollup,
    RulesVersion,
    Status
} from "src/interfaces/IOtrRollup.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {Receipt as OtrReceipt, ReceiptHash, Request, RequestHash} from "src/types/OtrTypes.sol";

/// @notice What the rollup makes of its courts' verdicts; the courts are played by the test.
contract VerdictsTest is OtrTest {
    address private early = makeAddr("early");
    address private late = makeAddr("late");

    function _enter(CommittedReceipt memory c) private returns (Timestamp openedAt) {
        vm.prank(address(game));
        rollup.enterGame(c);
        return Timestamp.wrap(uint40(block.timestamp));
    }

    function _convict(CommittedReceipt memory c, address by, Timestamp openedAt) private {
        ReceiptHash hash = rollup.hashReceipt(c.receipt);
        vm.prank(address(game));
        rollup.convict(c.batchId, hash, by, openedAt);
    }

    function _leave(CommittedReceipt memory c) private {
        ReceiptHash hash = rollup.hashReceipt(c.receipt);
        vm.prank(address(game));
        rollup.leaveGame(c.batchId, hash);
    }

    function _second() private returns (CommittedReceipt memory) {
        OtrReceipt memory receipt = _receipt();
        receipt.seq = 2;
        return _commit(receipt, 0, 3);
    }

    function _skip(uint256 time) private {
        vm.warp(block.timestamp + time);
    }

    function _longestGame() private view returns (uint256) {
        return game.MAX_TURNS() * TURN;
    }

    // ---------------------------------------------------------------- the challenger's share

    function test_payReward_afterEarlierGamesMustHaveEnded_succeeds() public {
        CommittedReceipt memory c = _commit();
        Timestamp openedAt = _enter(c);
        _skip(10 hours);
        _convict(c, early, openedAt);
        uint256 due = block.timestamp + AIR_GAP;
        if (due < Timestamp.unwrap(openedAt) + _longestGame()) due = Timestamp.unwrap(openedAt) + _longestGame();
        assertEq(Timestamp.unwrap(rollup.rewardDueAt(executor)), due);
        assertEq(vault.executorOf(executor).stake, STAKE, "nothing moves at the verdict");
        vm.warp(due - 1);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotDue.selector, due));
        rollup.payReward(executor);
        vm.warp(due);
        vm.prank(stranger);
        rollup.payReward(executor);
        assertEq(vault.claimableOf(early), LOCK / 4);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NothingToReward.selector, executor));
        rollup.payReward(executor);
        assertEq(Timestamp.unwrap(rollup.rewardDueAt(executor)), 0);
        assertSolvent();
    }

    /// @dev A case that was not opened before the one that convicted ends without a conviction of its own.
    function test_convict_notEarlier_changesNothing() public {
        CommittedReceipt memory c = _commit();
        CommittedReceipt memory other = _second();
        Timestamp first = _enter(c);
        _enter(other);
        _skip(1 hours);
        Timestamp second = _enter(other);
        _convict(c, early, first);
        ReceiptHash hash = rollup.hashReceipt(other.receipt);
        bytes32 verdict = keccak256(abi.encode(rollup.convictionOf(executor)));
        vm.recordLogs();
        vm.startPrank(address(game));
        assertFalse(rollup.convict(other.batchId, hash, late, second), "opened later");
        assertFalse(rollup.convict(other.batchId, hash, late, first), "opened with it");
        vm.stopPrank();
        assertEq(vm.getRecordedLogs().length, 0, "no verdict, no event");
        assertEq(keccak256(abi.encode(rollup.convictionOf(executor))), verdict);
        assertEq(rollup.openGamesOn(other.batchId, hash), 0, "both ended");
        assertStatus(other, Status.Reverted);
    }

    function test_payReward_notConvicted_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NothingToReward.selector, executor));
        rollup.payReward(executor);
    }

    /// @dev The sham case of a caught executor against itself, opened later and won first, does not keep the share.
    function test_convict_earlierOpenedWinsLater_takesShare_succeeds() public {
        CommittedReceipt memory c = _commit();
        CommittedReceipt memory other = _second();
        Timestamp honest = _enter(c);
        _skip(1);
        Timestamp sham = _enter(other);
        _convict(other, late, sham);
        assertEq(rollup.convictionOf(executor).challenger, late);
        assertStatus(c, Status.Reverted);
        _skip(5 hours);
        vm.expectEmit(address(rollup));
        emit IOtrRollup.ConvictionMoved(executor, early, c.batchId);
        _convict(c, early, honest);
        Conviction memory conviction = rollup.convictionOf(executor);
        assertEq(conviction.challenger, early);
        assertEq(Timestamp.unwrap(conviction.openedAt), Timestamp.unwrap(honest));
        assertEq(BatchId.unwrap(conviction.batchId), BatchId.unwrap(c.batchId));
        _skip(_longestGame() + AIR_GAP);
        rollup.payReward(executor);
        assertEq(vault.claimableOf(early), LOCK / 4);
        assertEq(vault.claimableOf(late), 0);
    }

    function test_convict_laterOpenedWinsLater_keepsShare_succeeds() public {
        CommittedReceipt memory c = _commit();
        CommittedReceipt memory other = _second();
        Timestamp first = _enter(c);
        Timestamp same = _enter(other);
        _skip(1);
        Timestamp second = _enter(other);
        _convict(c, early, first);
        _convict(other, late, same);
        _convict(other, late, second);
        assertEq(rollup.convictionOf(executor).challenger, early);
    }

    function test_convict_afterShareIsPaid_keepsIt_succeeds() public {
        CommittedReceipt memory c = _commit();
        CommittedReceipt memory other = _second();
        Timestamp first = _enter(c);
        _skip(1);
        Timestamp second = _enter(other);
        _convict(other, late, second);
        vm.warp(Timestamp.unwrap(rollup.rewardDueAt(executor)));
        rollup.payReward(executor);
        _convict(c, early, first);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NothingToReward.selector, executor));
        rollup.payReward(executor);
        assertEq(vault.claimableOf(early), 0);
        assertSolvent();
    }

    /// @dev Whoever wins when, the share goes to the earliest-opened, once, and at least half of every lock is burnt.
    function testFuzz_convict_anyOrder_earliestOpenedEarns(uint256 seed) public {
        CommittedReceipt memory c = _commit();
        uint256 n = 2 + seed % 6;
        Timestamp[] memory openedAt = new Timestamp[](n);
        for (uint256 i; i < n; ++i) {
            openedAt[i] = _enter(c);
            _skip(1 + (seed >> (8 * i)) % 100);
        }
        uint256 best = type(uint256).max;
        uint256 order = seed;
        for (uint256 k; k < n; ++k) {
            order = uint256(keccak256(abi.encode(order)));
            // One of the games still open; some end without a verdict.
            uint256 i = order % n;
            while (Timestamp.unwrap(openedAt[i]) == 0) i = (i + 1) % n;
            if (order >> 128 & 1 == 0) {
                _leave(c);
            } else {
                _convict(c, address(uint160(1000 + i)), openedAt[i]);
                if (i < best) best = i;
            }
            openedAt[i] = Timestamp.wrap(0);
            _skip(1);
        }
        if (best == type(uint256).max) {
            assertFalse(vault.convictedAt(executor).isSet());
            return;
        }
        _skip(CLAIM_PERIOD);
        rollup.releaseBatch(c.batchId);
        for (uint256 i; i < n; ++i) {
            assertEq(vault.claimableOf(address(uint160(1000 + i))), i == best ? LOCK / 4 : 0);
        }
        assertEq(vault.burnt(), 5 * LOCK - LOCK / 4);
        assertEq(vault.executorOf(executor).locked, 0);
        assertSolvent();
    }

    function test_releaseBatch_paysShareFirst_succeeds() public {
        CommittedReceipt memory c = _commit();
        _convict(c, early, _enter(c));
        _skip(CLAIM_PERIOD);
        rollup.releaseBatch(c.batchId);
        assertEq(vault.claimableOf(early), LOCK / 4);
        assertEq(vault.burnt(), 5 * LOCK - LOCK / 4);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NothingToReward.selector, executor));
        rollup.payReward(executor);
        assertSolvent();
    }

    // ---------------------------------------------------------------- the air gap

    function test_claimCompensation_beforeAirGap_reverts() public {
        CommittedReceipt memory c = _commit();
        _convict(c, early, _enter(c));
        uint256 due = block.timestamp + AIR_GAP;
        Request memory request = _request();
        bytes memory signature = _sign(requesterKey, RequestHash.unwrap(rollup.hashRequest(request)));
        vm.warp(due - 1);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotDue.selector, due));
        rollup.claimCompensation(c, request, signature);
        vm.warp(due);
        rollup.claimCompensation(c, request, signature);
        assertEq(vault.claimableOf(requester), LOCK / 5);
    }

    function test_payoutOf_succeeds() public {
        CommittedReceipt memory c = _commit();
        (Timestamp due, bool refunds) = rollup.payoutOf(c.batchId, Timestamp.wrap(uint40(block.timestamp)));
        assertEq(Timestamp.unwrap(due), block.timestamp + AIR_GAP);
        assertFalse(refunds);
    }

    // ---------------------------------------------------------------- refund mode

    function test_setRefundMode_everyoneGetsTheirOwn_succeeds() public {
        CommittedReceipt memory c = _commit();
        _convict(c, early, _enter(c));
        vm.prank(governance);
        rollup.setRefundMode(RulesVersion.wrap(1));
        assertTrue(rollup.inRefundMode(RulesVersion.wrap(1)));
        (, bool refunds) = rollup.payoutOf(c.batchId, Timestamp.wrap(1));
        assertTrue(refunds);
        _skip(AIR_GAP + _longestGame());
        bytes memory expected = abi.encodeWithSelector(IOtrRollup.RefundMode.selector, 1);
        vm.expectRevert(expected);
        rollup.payReward(executor);
        Request memory request = _request();
        bytes memory signature = _sign(requesterKey, RequestHash.unwrap(rollup.hashRequest(request)));
        vm.expectRevert(expected);
        rollup.claimCompensation(c, request, signature);
        vm.prank(address(game));
        rollup.repayGas(c.batchId, early, 1_000_000);
        assertEq(vault.claimableOf(early), 0);
        // The locks return to the executor without waiting for claims; what it may not get back is its standing.
        rollup.releaseBatch(c.batchId);
        assertEq(vault.executorOf(executor).stake, STAKE);
        assertEq(vault.executorOf(executor).locked, 0);
        assertEq(vault.burnt(), 0);
        assertStatus(c, Status.Reverted);
        assertSolvent();
    }

    /// @dev What was paid before stays paid: refund mode never takes from anyone.
    function test_setRefundMode_afterPayouts_keepsThem_succeeds() public {
        CommittedReceipt memory c = _commit();
        _convict(c, early, _enter(c));
        vm.warp(Timestamp.unwrap(rollup.rewardDueAt(executor)));
        rollup.payReward(executor);
        vm.prank(governance);
        rollup.setRefundMode(RulesVersion.wrap(1));
        _skip(WINDOW);
        rollup.releaseBatch(c.batchId);
        assertEq(vault.claimableOf(early), LOCK / 4);
        assertEq(vault.executorOf(executor).stake, STAKE - LOCK / 4);
        assertEq(vault.executorOf(executor).locked, 0);
        assertSolvent();
    }

    function test_setRefundMode_unknownRules_reverts() public {
        vm.prank(governance);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownRules.selector, 9));
        rollup.setRefundMode(RulesVersion.wrap(9));
    }

    // ---------------------------------------------------------------- gas

    function test_repayGas_fromFreeStakeOnly_succeeds() public {
        CommittedReceipt memory c = _commit();
        vm.startPrank(address(game));
        rollup.repayGas(c.batchId, early, 1_000_000);
        assertEq(vault.claimableOf(early), 0, "only a convicted executor pays");
        vm.stopPrank();
        _convict(c, early, _enter(c));
        vm.startPrank(address(game));
        rollup.repayGas(c.batchId, early, 1_000_000);
        assertEq(vault.claimableOf(early), 1_000_000 * uint256(GAS_PRICE));
        rollup.repayGas(c.batchId, late, type(uint128).max / GAS_PRICE);
        assertEq(vault.freeStakeOf(executor), 0);
        assertEq(vault.executorOf(executor).locked, 5 * LOCK, "locks are not touched");
        rollup.repayGas(c.batchId, late, 1_000_000);
        assertSolvent();
    }

    // ---------------------------------------------------------------- demands

    function _demand(CommittedReceipt memory c, uint256 index) private {
        vm.prank(address(d.availability));
        DemandTerms memory terms = rollup.enterDemand(c.batchId, index);
        assertEq(terms.executor, executor);
        assertEq(terms.bond, DEMAND_BOND);
    }

    function test_enterDemand_holdsBackItsLeafOnly_succeeds() public {
        CommittedReceipt memory c = _commit();
        _demand(c, c.index);
        assertStatus(c, Status.Challenged);
        _skip(WINDOW);
        assertStatus(c, Status.Challenged);
        vm.expectPartialRevert(IOtrRollup.BatchUnsettled.selector);
        rollup.releaseBatch(c.batchId);
    }

    function test_enterDemand_limits_reverts() public {
        CommittedReceipt memory c = _commit();
        vm.startPrank(address(d.availability));
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotDemandable.selector, c.batchId, 5));
        rollup.enterDemand(c.batchId, 5);
        rollup.enterDemand(c.batchId, 4);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotDemandable.selector, c.batchId, 4));
        rollup.enterDemand(c.batchId, 4);
        rollup.leaveDemand(c.batchId, 4);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotDemandable.selector, c.batchId, 4));
        rollup.enterDemand(c.batchId, 4);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NoOpenDemand.selector, c.batchId, 4));
        rollup.leaveDemand(c.batchId, 4);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NoOpenDemand.selector, c.batchId, 3));
        rollup.convictUnanswered(c.batchId, 3, late, Timestamp.wrap(1));
        _skip(WINDOW / 2);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotDemandable.selector, c.batchId, 3));
        rollup.enterDemand(c.batchId, 3);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownBatch.selector, 9));
        rollup.leaveDemand(BatchId.wrap(9), 0);
    }

    /// @dev An answer given late leaves half a window to judge it; other leaves are not held up.
    function test_leaveDemand_extendsTheLeafsWindow_succeeds() public {
        CommittedReceipt memory c = _commit();
        uint256 committedAt = block.timestamp;
        _skip(WINDOW / 2 - 1);
        _demand(c, c.index);
        _demand(c, 0);
        _skip(TURN);
        vm.startPrank(address(d.availability));
        vm.expectEmit(address(rollup));
        emit IOtrRollup.DemandLeft(c.batchId, c.index, true);
        rollup.leaveDemand(c.batchId, c.index);
        uint256 end = block.timestamp + WINDOW / 2;
        assertGt(end, committedAt + WINDOW);
        rollup.leaveDemand(c.batchId, 0);
        vm.stopPrank();
        vm.warp(committedAt + WINDOW);
        assertStatus(c, Status.Provisional);
        _convict(c, early, _enter(c));
        assertStatus(c, Status.Reverted);
        vm.warp(end);
        assertStatus(c, Status.Reverted);
    }

    function test_leaveDemand_answeredEarly_keepsWindow_succeeds() public {
        CommittedReceipt memory c = _commit();
        uint256 committedAt = block.timestamp;
        _demand(c, c.index);
        vm.prank(address(d.availability));
        rollup.leaveDemand(c.batchId, c.index);
        vm.warp(committedAt + WINDOW - 1);
        assertStatus(c, Status.Provisional);
        vm.warp(committedAt + WINDOW);
        assertStatus(c, Status.Final);
        rollup.releaseBatch(c.batchId);
    }

    function test_convictUnanswered_revertsLeafAndSuspends_succeeds() public {
        CommittedReceipt memory c = _commit();
        CommittedReceipt memory other = _second();
        _demand(c, c.index);
        _skip(TURN);
        vm.prank(address(d.availability));
        rollup.convictUnanswered(c.batchId, c.index, early, Timestamp.wrap(uint40(block.timestamp - TURN)));
        assertStatus(c, Status.Reverted);
        assertStatus(other, Status.Reverted);
        assertEq(rollup.convictionOf(executor).challenger, early);
        _skip(CLAIM_PERIOD);
        rollup.releaseBatch(c.batchId);
        assertEq(vault.claimableOf(early), LOCK / 4);
        assertSolvent();
    }

    /// @dev Convicted elsewhere while the demand is open: the leaf can never become final.
    function test_leaveDemand_executorConvicted_revertsLeaf_succeeds() public {
        CommittedReceipt memory c = _commit();
        CommittedReceipt memory other = _second();
        _demand(c, c.index);
        _skip(WINDOW - 1);
        _convict(other, early, _enter(other));
        vm.prank(address(d.availability));
        rollup.leaveDemand(c.batchId, c.index);
        assertStatus(c, Status.Reverted);
        _skip(CLAIM_PERIOD + WINDOW);
        assertStatus(c, Status.Reverted);
        rollup.releaseBatch(c.batchId);
        rollup.releaseBatch(other.batchId);
        assertEq(vault.executorOf(executor).locked, 0);
        assertSolvent();
    }

    function test_enterDemand_convicted_reverts() public {
        CommittedReceipt memory c = _commit();
        _convict(c, early, _enter(c));
        vm.prank(address(d.availability));
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotDemandable.selector, c.batchId, 0));
        rollup.enterDemand(c.batchId, 0);
    }

    // ---------------------------------------------------------------- outages

    /// @dev A window that ends in an outage stays open until the grace is over.
    function test_statusOf_outageAtWindowEnd_waits_succeeds() public {
        CommittedReceipt memory c = _commit();
        _skip(WINDOW - 10);
        feed.push(true, block.timestamp);
        _skip(5 hours);
        assertStatus(c, Status.Provisional);
        vm.expectPartialRevert(IOtrRollup.BatchUnsettled.selector);
        rollup.releaseBatch(c.batchId);
        feed.push(false, block.timestamp);
        uint256 end = block.timestamp + GRACE;
        vm.warp(end - 1);
        assertStatus(c, Status.Provisional);
        Timestamp openedAt = _enter(c);
        assertStatus(c, Status.Challenged);
        _leave(c);
        assertTrue(openedAt.isSet());
        vm.warp(end);
        assertStatus(c, Status.Final);
    }

    /// @dev What was final before an outage stays final in it.
    function test_statusOf_outageAfterWindow_staysFinal_succeeds() public {
        CommittedReceipt memory c = _commit();
        _skip(WINDOW);
        assertStatus(c, Status.Final);
        _skip(1);
        feed.push(true, block.timestamp);
        assertStatus(c, Status.Final);
        _skip(1 hours);
        feed.push(false, block.timestamp);
        assertStatus(c, Status.Final);
        _skip(1);
        vm.prank(address(game));
        vm.expectPartialRevert(IOtrRollup.NotChallengeable.selector);
        rollup.enterGame(c);
    }

    /// @dev Convicted in the grace after an outage: the receipt was not final yet, and stays reverted.
    function test_statusOf_convictedInGrace_isReverted_succeeds() public {
        CommittedReceipt memory c = _commit();
        CommittedReceipt memory other = _second();
        _skip(WINDOW - 10);
        feed.push(true, block.timestamp);
        _skip(1 hours);
        feed.push(false, block.timestamp);
        _skip(1 hours);
        _convict(other, early, _enter(other));
        assertStatus(c, Status.Reverted);
        _skip(30 days);
        assertStatus(c, Status.Reverted);
    }
}
