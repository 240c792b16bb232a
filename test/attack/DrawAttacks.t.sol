// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Config} from "script/Deploy.s.sol";
import {ElementVerifierDouble} from "../utils/ElementVerifierDouble.sol";
import {SpotCheckTest} from "../utils/SpotCheckTest.sol";
import {ModelRegistry} from "src/ModelRegistry.sol";
import {SpotChecks} from "src/SpotChecks.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {CommittedReceipt, IOtrRollup, Rules, RulesVersion, Status} from "src/interfaces/IOtrRollup.sol";
import {ISpotChecks, SpotCheckTerms, StripState} from "src/interfaces/ISpotChecks.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {DevRandomness} from "src/randomness/DevRandomness.sol";
import {FallbackRandomness} from "src/randomness/FallbackRandomness.sol";
import {DrawLib} from "src/spotcheck/DrawLib.sol";
import {Request} from "src/types/OtrTypes.sol";

/// @title Attacks on the court of draws, and on executors by way of it
contract DrawAttackTest is SpotCheckTest {
    function _convictedAt() private view returns (uint256) {
        return Timestamp.unwrap(vault.convictedAt(executor));
    }

    /// @dev The receipts that are drawn of a batch of whole strips.
    function _drawnOf(CommittedReceipt[] memory all) private returns (CommittedReceipt[] memory drawn) {
        bytes32 value = keccak256("value");
        _deliver(_roundOf(all[0]), value);
        drawn = new CommittedReceipt[](all.length / STRIDE);
        for (uint256 strip; strip < drawn.length; ++strip) {
            (, uint256 index,,) = court.stripOf(all[0].batchId, strip);
            drawn[strip] = all[index];
        }
    }

    // ---------------------------------------------------------------- a court that nobody can answer

    // Governance gives up rules with a faulty court of draws; executors serve on under others. Whoever liked could convict them all the same,
    // for ever after, by the old batches' draws, and burn what the new batches lock.
    function test_missed_refundMode_reverts() public {
        CommittedReceipt memory old = _commitOne();
        RulesVersion faulty = rollup.currentRules();
        Rules memory rules = rollup.rulesOf(faulty);
        vm.startPrank(governance);
        rollup.addRules(rules);
        rollup.setRefundMode(faulty);
        vm.stopPrank();
        CommittedReceipt memory fresh = _commitOne();
        vm.warp(_deadline(old));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.RefundMode.selector, faulty));
        court.missed(old.batchId, 0);
        assertEq(_convictedAt(), 0);
        vm.warp(block.timestamp + WINDOW);
        rollup.releaseBatch(old.batchId);
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.RefundMode.selector, faulty));
        court.missed(old.batchId, 0);
        // What was not drawn is not final, whoever gave up asking.
        assertStatus(old, Status.Provisional);
        // Rules that stand are enforced.
        court.missed(fresh.batchId, 0);
        assertEq(_convictedAt(), block.timestamp);
    }

    // Governance, or who deceives it, names a court whose verifier looks models up in another registry, or proves another machine: it refuses every
    // proof, and all executors that it draws from were convicted, whatever they had computed.
    function test_addRules_verifierOfAnotherRegistry_reverts() public {
        IModelRegistry other = new ModelRegistry();
        _expectVerifierRefused(other, judge.machineVersion());
        _expectVerifierRefused(models, judge.machineVersion() + 1);
        _expectVerifierRefused(IModelRegistry(address(0)), 0);
    }

    function _expectVerifierRefused(IModelRegistry registry, uint32 machineVersion) private {
        ElementVerifierDouble foreign = new ElementVerifierDouble();
        foreign.belongTo(registry, machineVersion);
        Rules memory rules = rollup.rulesOf(rollup.currentRules());
        SpotCheckTerms memory terms = _terms();
        terms.verifier = foreign;
        rules.spotChecks = address(new SpotChecks(terms));
        vm.expectRevert(abi.encodeWithSelector(IOtrRollup.InvalidRules.selector, bytes32("verifier")));
        vm.prank(governance);
        rollup.addRules(rules);
    }

    // ---------------------------------------------------------------- spoiling an executor's transactions

    // Whoever saw an executor's transaction of many answers could send one of them first: all of them failed.
    function test_multicall_exemptSentFirst_succeeds() public {
        confidential = true;
        CommittedReceipt[] memory drawn = _drawnOf(_commitReceipts(2 * STRIDE));
        Request memory request = _request();
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(court.exempt, (drawn[0], request));
        calls[1] = abi.encodeCall(court.exempt, (drawn[1], request));
        vm.prank(stranger);
        court.exempt(drawn[0], request);
        vm.prank(executor);
        court.multicall(calls);
        (,, uint256 answered) = court.drawsOf(drawn[0].batchId);
        assertEq(answered, 2, "each strip once");
        assertEq(_settledAt(drawn[0]), block.timestamp + 1);
    }

    function test_multicall_countSentFirst_succeeds() public {
        CommittedReceipt memory first = _commitOne();
        CommittedReceipt memory again = _commitAgain(first);
        uint64 round = _roundOf(first);
        assertEq(round, _roundOf(again));
        bytes32 value;
        for (uint256 i;; ++i) {
            value = keccak256(abi.encode("both", i));
            if (_isDrawn(first, value) && _isDrawn(again, value)) break;
        }
        _deliver(round, value);
        _post(first);
        vm.prank(executor);
        court.link(again, round);
        _drawPairs(first, round);
        uint256[] memory pairs = _pairs(0, PAIRS);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(
            court.provePairs, (_claimed(first, round, pairs), _openings(PAIRS), _proofOf(first, round, pairs))
        );
        calls[1] = abi.encodeCall(court.count, (again.batchId, 0));
        vm.startPrank(stranger);
        court.multicall(calls);
        vm.stopPrank();
        vm.prank(executor);
        court.multicall(calls);
        assertStrip(again, StripState.Answered);
        (,, uint256 answered) = court.drawsOf(again.batchId);
        assertEq(answered, 1);
    }

    function _isDrawn(CommittedReceipt memory c, bytes32 value) private view returns (bool) {
        return DrawLib.isDrawn(DrawLib.batchSeed(value, address(rollup), _id(c)), c.index, STRIDE);
    }

    function _id(CommittedReceipt memory c) private pure returns (uint256) {
        return uint256(bytes32(abi.encode(c.batchId)));
    }

    // ---------------------------------------------------------------- choosing and letting lapse

    /// @dev A claim that has lapsed gives a later draw no time: the draw that is tied to it is missed at once.
    function test_link_toALapsedClaim_isMissed_succeeds() public {
        CommittedReceipt memory first = _commitOne();
        uint64 round = _draw(first, true);
        _post(first);
        vm.warp(block.timestamp + DELTA + EPOCH);
        CommittedReceipt memory again = _commitAgain(first);
        uint64 later = _draw(again, true);
        assertGt(later, round);
        vm.warp(_deadline(first));
        // Nothing of the later round is overdue if it is delivered now.
        assertLt(block.timestamp, _deadline(again));
        vm.prank(executor);
        court.link(again, round);
        assertEq(_deadline(again), _deadline(first));
        court.missed(again.batchId, 0);
        assertEq(_convictedAt(), block.timestamp);
    }

    /// @dev A receipt whose fields have bits outside their types has a claim of no name, in any call.
    function testFuzz_calls_dirtyReceipt_reverts(uint256 field, uint256 call) public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        // Receipts of `CommittedReceipt` lie behind the struct's offset.
        bytes memory data = abi.encodeCall(court.postStep, (c, ROOT));
        uint256 at = 4 + 3 * 32 - 32;
        if (call % 3 != 0) {
            _post(c);
            _drawPairs(c, round);
            uint256[] memory pairs = _pairs(0, PAIRS);
            data = abi.encodeCall(
                court.provePairs, (_claimed(c, round, pairs), _openings(PAIRS), _proofOf(c, round, pairs))
            );
            // Three offsets, then the number of claims and the offset of the first.
            at = 4 + 5 * 32;
            if (call % 3 == 2) {
                data = abi.encodeCall(court.postFolds, (c.receipt, round, pairs, new bytes32[](PAIRS)));
                at = 4;
            }
        }
        uint256[9] memory typed = [uint256(0), 2, 3, 4, 5, 6, 9, 11, 12];
        data[at + 32 * typed[field % 9]] ^= 0x80;
        vm.prank(executor);
        (bool done,) = address(court).call(data);
        assertFalse(done);
        // And a round has 64 bits.
        if (call % 3 == 1) {
            data[at + 32 * typed[field % 9]] ^= 0x80;
            data[at + 14 * 32] ^= 0x01;
            (done,) = address(court).call(data);
            assertFalse(done, "round");
            data[at + 14 * 32] ^= 0x01;
            (done,) = address(court).call(data);
            assertTrue(done, "clean");
        }
    }

    // ---------------------------------------------------------------- the beacon

    /// @dev Nobody could deliver anything while the sequencer was down, so a beacon can be declared dead the moment it is back: by an executor that
    ///      dislikes a value, too. One delivery of whomever, until the fallback's round is proven, undoes it.
    function test_declareDead_afterAnOutage_oneDeliveryRefutes_succeeds() public {
        Timestamp genesis = Timestamp.wrap(uint40(block.timestamp));
        DevRandomness beacon = new DevRandomness(genesis, Duration.wrap(3), false);
        DevRandomness blocks = new DevRandomness(genesis, Duration.wrap(3), false);
        FallbackRandomness both = new FallbackRandomness(beacon, blocks, Duration.wrap(1 days), Duration.wrap(4 hours));
        uint64 round = 100;
        vm.warp(Timestamp.unwrap(both.dueAt(round)) + 1 days);
        uint64 replacement = both.declareDead(round);
        vm.warp(Timestamp.unwrap(blocks.dueAt(replacement)));
        beacon.deliver(round + 1, abi.encode(keccak256("a later one")));
        vm.expectRevert();
        both.deliverFallback(round, abi.encode(keccak256("another lot")));
        assertEq(both.deliver(round, abi.encode(keccak256("the lot"))), keccak256("the lot"));
    }
}

/// @notice As many pairs as a claim has bits for.
contract ManyPairsAttackTest is SpotCheckTest {
    uint256 private constant MOST = 16;

    function _config(address devRoot) internal view override returns (Config memory config) {
        config = super._config(devRoot);
        config.drawPairs = uint8(MOST);
    }

    /// @dev No number of a pair stands for another one's bit.
    function test_provePairs_bitsDoNotWrap_succeeds() public {
        CommittedReceipt memory c = _commitOne();
        uint64 round = _draw(c, true);
        _post(c);
        _drawPairs(c, round);
        _prove(c, round, _pairs(0, MOST - 1));
        assertStrip(c, StripState.Posted);
        uint256[5] memory others = [MOST, MOST + 15, 255, 256 + 15, type(uint256).max];
        for (uint256 i; i < others.length; ++i) {
            uint256[] memory pairs = new uint256[](1);
            pairs[0] = others[i];
            bytes memory proof = _proofOf(c, round, pairs);
            vm.expectRevert(abi.encodeWithSelector(ISpotChecks.PairOutOfRange.selector, others[i]));
            court.provePairs(_claimed(c, round, pairs), _openings(1), proof);
        }
        assertStrip(c, StripState.Posted);
        assertEq(_claim(c, round).proven, type(uint16).max >> 1);
        _prove(c, round, _pairs(MOST - 1, MOST));
        assertStrip(c, StripState.Answered);
    }
}
