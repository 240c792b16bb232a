// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {GameTest} from "./utils/GameTest.sol";
import {FakeSpotChecks} from "./utils/FakeCourt.sol";
import {Trees} from "./utils/Trees.sol";
import {
    BatchId,
    CommittedReceipt,
    Conviction,
    IOtrRollup,
    Rules,
    RulesVersion,
    Status
} from "src/interfaces/IOtrRollup.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {IStakeVault} from "src/interfaces/IStakeVault.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";

/// @notice What the rollup makes of a court of draws that says what tests want.
contract DrawsTest is GameTest {
    using Trees for Trees.Tree;

    FakeSpotChecks private _court;

    function setUp() public override {
        super.setUp();
        _court = new FakeSpotChecks(rollup, vault, models, d.uptime, Duration.wrap(uint32(TURN)));
        _addRules(_rules());
    }

    function _rules() private view returns (Rules memory rules) {
        rules = rollup.rulesOf(rollup.currentRules());
        rules.spotChecks = address(_court);
    }

    function _addRules(Rules memory rules) private {
        vm.prank(governance);
        rollup.addRules(rules);
    }

    function _time() private view returns (uint256) {
        return Timestamp.unwrap(rollup.batchOf(committed.batchId).committedAt);
    }

    function _expectUnsettled(BatchId id) private {
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.DrawsUnsettled.selector, id));
        rollup.releaseBatch(id);
    }

    // ---------------------------------------------------------------- finality

    function test_statusOf_undrawn_isNeverFinal_succeeds() public {
        committed = _commit();
        vm.warp(block.timestamp + 100 * WINDOW);
        assertStatus(committed, Status.Provisional);
        _expectUnsettled(committed.batchId);
        _court.settle(committed.batchId);
        assertStatus(committed, Status.Provisional);
        _expectUnsettled(committed.batchId);
        vm.warp(block.timestamp + 1);
        assertStatus(committed, Status.Final);
        rollup.releaseBatch(committed.batchId);
        assertStatus(committed, Status.Final);
        assertEq(vault.executorOf(executor).locked, 0);
    }

    function test_statusOf_settledWithinTheWindow_waitsForIt_succeeds() public {
        committed = _commit();
        _court.settle(committed.batchId);
        vm.warp(block.timestamp + WINDOW - 1);
        assertStatus(committed, Status.Provisional);
        vm.expectPartialRevert(IOtrRollup.BatchUnsettled.selector);
        rollup.releaseBatch(committed.batchId);
        vm.warp(block.timestamp + 1);
        assertStatus(committed, Status.Final);
    }

    /// @dev Games are about the window, not about draws.
    function test_enterGame_afterTheWindow_undrawn_reverts() public {
        committed = _commit();
        vm.warp(block.timestamp + WINDOW);
        CommittedReceipt memory c = committed;
        bytes32 record = _traceTree().levels[0][1];
        bytes memory siblings = _traceTree().siblings(1);
        vm.expectPartialRevert(IOtrRollup.NotChallengeable.selector);
        vm.prank(challenger);
        game.open{value: BOND}(c, _request(), 1, record, siblings);
    }

    function test_statusOf_rulesWithoutDraws_areNotAsked_succeeds() public {
        Rules memory rules = _rules();
        rules.spotChecks = address(0);
        _addRules(rules);
        assertEq(rollup.spotChecksOf(rollup.currentRules()), address(0));
        assertEq(rollup.spotChecksOf(RulesVersion.wrap(2)), address(_court));
        committed = _commit();
        vm.warp(block.timestamp + WINDOW);
        assertStatus(committed, Status.Final);
    }

    /// @dev A batch keeps its court, whatever rules come later.
    function test_addRules_keepsTheCourtOfOldBatches_succeeds() public {
        committed = _commit();
        Rules memory rules = _rules();
        rules.spotChecks = address(0);
        _addRules(rules);
        vm.warp(block.timestamp + WINDOW);
        assertStatus(committed, Status.Provisional);
    }

    // ---------------------------------------------------------------- verdicts

    function test_convictUndrawn_revertsWhatIsNotFinal_succeeds() public {
        CommittedReceipt memory settled = _commit();
        committed = _commit();
        _court.settle(settled.batchId);
        vm.warp(block.timestamp + WINDOW);
        assertStatus(settled, Status.Final);
        vm.expectEmit(address(rollup));
        emit IOtrRollup.BatchConvicted(committed.batchId, executor);
        _court.convict(committed.batchId);
        assertStatus(committed, Status.Reverted);
        assertStatus(settled, Status.Final);
        Conviction memory verdict = rollup.convictionOf(executor);
        assertEq(verdict.challenger, address(0));
        // Settling changes nothing any more, in the second of the conviction or later.
        _court.settle(committed.batchId);
        assertStatus(committed, Status.Reverted);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        assertStatus(committed, Status.Reverted);
        assertStatus(settled, Status.Final);
        // The share is nobody's.
        uint256 burnt = vault.burnt();
        rollup.payReward(executor);
        assertEq(vault.burnt(), burnt + LOCK / 4);
        rollup.releaseBatch(settled.batchId);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.burnt(), 5 * LOCK);
        assertEq(vault.executorOf(executor).stake, STAKE - 5 * LOCK);
        assertSolvent();
    }

    /// @dev After a conviction locks do not wait for draws that nobody will answer.
    function test_releaseBatch_convicted_waitsForClaimsOnly_succeeds() public {
        committed = _commit();
        _court.convict(committed.batchId);
        vm.warp(block.timestamp + WINDOW);
        vm.expectPartialRevert(IOtrRollup.ClaimsOpen.selector);
        rollup.releaseBatch(committed.batchId);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.burnt(), 5 * LOCK);
    }

    /// @dev What settles in the second of a conviction is not final, whichever came first.
    function test_settledAt_secondOfConviction_isReverted_succeeds() public {
        committed = _commit();
        CommittedReceipt memory other = _commit();
        vm.warp(block.timestamp + WINDOW);
        _court.settle(other.batchId);
        _court.convict(committed.batchId);
        assertStatus(other, Status.Reverted);
        vm.warp(block.timestamp + 1);
        assertStatus(other, Status.Reverted);
    }

    function test_convictUndrawn_again_reverts() public {
        committed = _commit();
        CommittedReceipt memory other = _commit();
        _court.convict(committed.batchId);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.Suspended.selector, executor, block.timestamp));
        _court.convict(other.batchId);
    }

    function test_convictUndrawn_notItsCourt_reverts() public {
        committed = _commit();
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.NotCourt.selector, rollup.currentRules(), stranger));
        vm.prank(stranger);
        rollup.convictUndrawn(committed.batchId);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.UnknownBatch.selector, 99));
        _court.convict(BatchId.wrap(99));
        Rules memory rules = _rules();
        rules.spotChecks = address(0);
        _addRules(rules);
        committed = _commit();
        vm.expectPartialRevert(IOtrRollup.NotCourt.selector);
        _court.convict(committed.batchId);
    }

    /// @dev A lie that is found in time pays its finder, even if the liar lets a draw lapse meanwhile.
    function test_convictUndrawn_earlierGameTakesTheShare_succeeds() public {
        committed = _commit();
        _open(1);
        vm.warp(block.timestamp + TURN / 2);
        _court.convict(committed.batchId);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertEq(rollup.convictionOf(executor).challenger, challenger);
        vm.warp(Timestamp.unwrap(rollup.rewardDueAt(executor)));
        rollup.payReward(executor);
        assertEq(vault.claimableOf(challenger), LOCK / 4);
    }

    /// @dev A receipt under a game when the rest of its batch is final counts alone; while draws wait the whole batch does.
    function test_countReverted_settled_countsOne_succeeds() public {
        committed = _commit();
        vm.warp(block.timestamp + WINDOW - 1);
        _open(1);
        _court.settle(committed.batchId);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertStatus(committed, Status.Reverted);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.burnt(), LOCK - LOCK / 4);
        assertEq(vault.executorOf(executor).stake, STAKE - LOCK);
    }

    function test_countReverted_undrawn_countsTheBatch_succeeds() public {
        committed = _commit();
        vm.warp(block.timestamp + WINDOW - 1);
        _open(1);
        vm.warp(block.timestamp + TURN);
        game.timeout(subject);
        assertStatus(committed, Status.Reverted);
        vm.warp(block.timestamp + CLAIM_PERIOD);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.burnt(), 5 * LOCK - LOCK / 4);
    }

    /// @dev A faulty court of draws keeps nobody's money.
    function test_setRefundMode_locksDoNotWaitForDraws_succeeds() public {
        committed = _commit();
        RulesVersion version = rollup.currentRules();
        vm.prank(governance);
        rollup.setRefundMode(version);
        vm.warp(block.timestamp + WINDOW);
        rollup.releaseBatch(committed.batchId);
        assertEq(vault.executorOf(executor).locked, 0);
        assertEq(vault.burnt(), 0);
        assertStatus(committed, Status.Provisional);
    }

    // ---------------------------------------------------------------- rules

    function _expectInvalid(Rules memory rules, bytes32 rule) private {
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.InvalidRules.selector, rule));
        vm.prank(governance);
        rollup.addRules(rules);
    }

    function test_addRules_courtOfDraws_invalid_reverts() public {
        Duration turn = Duration.wrap(uint32(TURN));
        Rules memory rules = _rules();
        rules.spotChecks = address(new FakeSpotChecks(IOtrRollup(stranger), vault, models, d.uptime, turn));
        _expectInvalid(rules, "spotChecks");
        rules.spotChecks = address(new FakeSpotChecks(rollup, IStakeVault(stranger), models, d.uptime, turn));
        _expectInvalid(rules, "spotChecks");
        rules.spotChecks = address(new FakeSpotChecks(rollup, vault, models, d.uptime, Duration.wrap(uint32(TURN + 1))));
        _expectInvalid(rules, "spotChecks");
        rules.spotChecks = address(_court);
        uint256 most = vault.exitDelay().inSeconds() - EXPIRY_CAP;
        _court.setLongestDraws(Duration.wrap(uint32(most)));
        _addRules(rules);
        _court.setLongestDraws(Duration.wrap(uint32(most + 1)));
        _expectInvalid(rules, "exitDelay");
    }

    /// @dev Each alone: the registry's models, and the machine of the rules.
    function testFuzz_addRules_verifierOfOthers_reverts(address registry, uint32 machineVersion) public {
        vm.assume(registry != address(models) && machineVersion != 7);
        _court.setMachine(IModelRegistry(registry), 7);
        _expectInvalid(_rules(), "verifier");
        _court.setMachine(models, machineVersion);
        _expectInvalid(_rules(), "verifier");
        _court.setMachine(models, 7);
        _addRules(_rules());
    }

    /// @dev What anyone can forge is for deployments that say so of themselves.
    function test_addRules_developmentDraws_inProduction_reverts() public {
        _court.setDevelopment(true);
        Rules memory rules = _rules();
        _addRules(rules);
        vm.mockCall(address(enclaves), abi.encodeCall(enclaves.development, ()), abi.encode(false));
        _expectInvalid(rules, "development");
        _court.setDevelopment(false);
        _addRules(rules);
    }
}
