// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Config} from "script/Deploy.s.sol";
import {SpotCheckTest} from "../utils/SpotCheckTest.sol";
import {Trees} from "../utils/Trees.sol";
import {BatchId, CommittedReceipt} from "src/interfaces/IOtrRollup.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {Tags} from "src/libraries/Tags.sol";
import {DrawLib} from "src/spotcheck/DrawLib.sol";
import {Receipt as OtrReceipt, ReceiptHash} from "src/types/OtrTypes.sol";

/// @notice What the calls of a draw cost as transactions: a receipt of a batch of 1,000, one of 100 drawn, four pairs. The verifier's part is the
///         verifier's: here it costs next to nothing, and openings are short.
contract SpotChecksGasTest is SpotCheckTest {
    using Trees for Trees.Tree;

    uint256 private constant BATCH = 1000;

    function setUp() public override {
        super.setUp();
        vm.deal(address(this), BATCH * 4 ether);
        vault.deposit{value: BATCH * 4 ether}(executor);
        // The first commit of an executor writes a fresh slot.
        vm.prank(executor);
        rollup.commitBatch(keccak256("first"), 1);
    }

    function _config(address devRoot) internal view override returns (Config memory config) {
        config = super._config(devRoot);
        config.drawStride = 100;
        config.drawPairs = 4;
        config.drawEpoch = Duration.wrap(1 hours);
    }

    function _makeProgram() internal override {
        program.push(_instruction(3, 2, 2, 0, 1000, 1, false));
    }

    function _snap(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("draws", name);
    }

    /// @dev A receipt somewhere in a large batch, drawn.
    function _drawnOne() private returns (CommittedReceipt memory c, uint64 round) {
        c = _commit(_receipt(), 437, BATCH);
        round = _draw(c);
    }

    function _draw(CommittedReceipt memory c) private returns (uint64 round) {
        bytes32 value;
        for (uint256 i;; ++i) {
            value = keccak256(abi.encode(i));
            bytes32 seed = DrawLib.batchSeed(value, address(rollup), BatchId.unwrap(c.batchId));
            if (DrawLib.isDrawn(seed, c.index, 100)) break;
        }
        round = _roundOf(c);
        _deliver(round, value);
    }

    function test_snapshot_answer_succeeds() public {
        (CommittedReceipt memory c, uint64 round) = _drawnOne();
        vm.prank(executor);
        court.postStep(c, ROOT);
        uint256 gas = _snap("postStep, batch of 1000");
        _drawPairs(c, round);
        bytes32[] memory roots = new bytes32[](1);
        roots[0] = keccak256("states");
        vm.prank(executor);
        court.postFolds(c.receipt, round, _pairs(0, 1), roots);
        gas += _snap("postFolds, one pair");
        _deliver(court.roundOf(_claim(c, round).foldsPostedAt), keccak256("blocks"));
        bytes memory proof = _proofOf(c, round, _pairs(1, 4));
        court.provePairs(_claimed(c, round, _pairs(1, 4)), _openings(3), proof);
        gas += _snap("provePairs without verifier, three pairs");
        proof = _proofOf(c, round, _pairs(0, 1));
        court.provePairs(_claimed(c, round, _pairs(0, 1)), _openings(1), proof);
        gas += _snap("provePairs without verifier, the last pair");
        assertLe(gas, 600_000);
    }

    /// @dev All draws of the batch: ten strips, their steps in one transaction.
    function _postTen() private returns (CommittedReceipt[] memory all, uint64 round) {
        bytes32 value = keccak256("ten");
        bytes32 seed = DrawLib.batchSeed(value, address(rollup), rollup.batchCount() + 1);
        bytes32[] memory leaves = new bytes32[](BATCH);
        all = new CommittedReceipt[](10);
        for (uint256 i; i < BATCH; ++i) {
            leaves[i] = keccak256(abi.encode(i));
        }
        for (uint256 strip; strip < 10; ++strip) {
            all[strip].receipt = _receipt();
            all[strip].receipt.seq = uint64(strip);
            (, all[strip].index) = DrawLib.drawnIn(seed, strip, BATCH, 100);
            leaves[all[strip].index] = ReceiptHash.unwrap(rollup.hashReceipt(all[strip].receipt));
        }
        Trees.Tree memory tree = Trees.over(leaves);
        vm.prank(executor);
        BatchId id = rollup.commitBatch(tree.root(Tags.BATCH), BATCH);
        bytes[] memory calls = new bytes[](10);
        for (uint256 strip; strip < 10; ++strip) {
            (all[strip].batchId, all[strip].siblings) = (id, tree.siblings(all[strip].index));
            calls[strip] = abi.encodeCall(court.postStep, (all[strip], ROOT));
        }
        round = _roundOf(all[0]);
        _deliver(round, value);
        vm.prank(executor);
        court.multicall(calls);
        _snap("postStep, ten of a batch of 1000 at once");
        _drawPairs(all[0], round);
    }

    /// @dev Receipts of the batch from `from` on, together.
    function _proveSome(CommittedReceipt[] memory all, uint64 round, uint256 from, uint256 n) private {
        CommittedReceipt[] memory some = new CommittedReceipt[](n);
        for (uint256 i; i < n; ++i) {
            some[i] = all[from + i];
        }
        bytes memory proofs = _proofOf(_claimedAll(some, round));
        court.provePairs(_claimedAll(some, round), _openings(4 * n), proofs);
    }

    function test_snapshot_batch_succeeds() public {
        (CommittedReceipt[] memory all, uint64 round) = _postTen();
        _proveSome(all, round, 0, 10);
        uint256 gas = _snap("provePairs without verifier, 10 receipts together");
        assertEq(_settledAt(all[0]), block.timestamp + 1);
        assertLe(gas, 800_000);
    }

    /// @dev Fewer of them at a time: each after the first costs less than one alone.
    function test_snapshot_together_succeeds() public {
        (CommittedReceipt[] memory all, uint64 round) = _postTen();
        _proveSome(all, round, 0, 1);
        uint256 alone = _snap("provePairs without verifier, 1 receipt of ten");
        _proveSome(all, round, 1, 3);
        uint256 three = _snap("provePairs without verifier, 3 receipts together");
        _proveSome(all, round, 4, 5);
        uint256 five = _snap("provePairs without verifier, 5 receipts together");
        assertLt(three, 3 * alone);
        assertLt(five * 3, three * 5);
        assertEq(_settledAt(all[0]), NEVER);
    }

    function test_snapshot_again_succeeds() public {
        (CommittedReceipt memory c, uint64 round) = _drawnOne();
        vm.prank(executor);
        court.postStep(c, ROOT);
        CommittedReceipt memory again = _commitAgain(c);
        _draw(again);
        vm.prank(executor);
        court.link(again, round);
        _snap("link");
        _drawPairs(c, round);
        bytes memory proof = _proofOf(c, round, _pairs(0, 4));
        court.provePairs(_claimed(c, round, _pairs(0, 4)), _openings(4), proof);
        _snap("provePairs without verifier, four pairs");
        court.count(again.batchId, 0);
        _snap("count, the last strip");
        rollup.statusOf(again);
        _snap("statusOf, settled");
    }

    function test_snapshot_exempt_succeeds() public {
        confidential = true;
        (CommittedReceipt memory c,) = _drawnOne();
        court.exempt(c, _request());
        _snap("exempt");
    }

    function test_snapshot_nothingDrawn_succeeds() public {
        OtrReceipt memory receipt = _receipt();
        CommittedReceipt memory c = _commit(receipt, 0, 1);
        _deliver(_roundOf(c), _valueForNone(c));
        vm.warp(block.timestamp + WINDOW);
        rollup.statusOf(c);
        _snap("statusOf, nothing drawn");
    }

    function _valueForNone(CommittedReceipt memory c) private view returns (bytes32 value) {
        for (uint256 i;; ++i) {
            value = keccak256(abi.encode(i));
            bytes32 seed = DrawLib.batchSeed(value, address(rollup), BatchId.unwrap(c.batchId));
            if (!DrawLib.isDrawn(seed, 0, 100)) return value;
        }
    }

    /// @dev What is repaid lies between 80% and 100% of what the call costs.
    function test_snapshot_missed_succeeds() public {
        (CommittedReceipt memory c,) = _drawnOne();
        vm.warp(block.timestamp + TURN);
        vm.prank(stranger);
        court.missed(c.batchId, 4);
        uint256 gas = _snap("missed, the step");
        assertLe(court.MISSED_GAS(), gas);
        assertGe(court.MISSED_GAS() * 10, gas * 8);
    }

    function test_snapshot_missedRound_succeeds() public {
        CommittedReceipt memory c = _commit(_receipt(), 437, BATCH);
        vm.warp(_deadline(c.batchId));
        vm.prank(stranger);
        court.missed(c.batchId, 4);
        uint256 gas = _snap("missed, the first round");
        assertLe(court.MISSED_GAS(), gas);
        assertGe(court.MISSED_GAS() * 10, gas * 8);
    }

    function _deadline(BatchId id) private view returns (uint256) {
        (,,, Timestamp deadline) = court.stripOf(id, 0);
        return Timestamp.unwrap(deadline);
    }
}
