// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ElementVerifierDouble} from "../utils/ElementVerifierDouble.sol";
import {SpotCheckTest} from "../utils/SpotCheckTest.sol";
import {IElementVerifier} from "src/interfaces/IElementVerifier.sol";
import {CommittedReceipt, Status} from "src/interfaces/IOtrRollup.sol";
import {ClaimedPairs, ISpotChecks, StripState} from "src/interfaces/ISpotChecks.sol";
import {Timestamp} from "src/libraries/Clock.sol";
import {Receipt as OtrReceipt, ReceiptHash} from "src/types/OtrTypes.sol";

/// @notice Claims that are proven in one call: all of them or none, each as if it came alone.
contract ProveTogetherTest is SpotCheckTest {
    uint256 private constant CLAIMS = 3;

    /// @dev Drawn receipts of one batch, their steps posted and their pairs drawn.
    function _posted() private returns (CommittedReceipt[] memory drawn, uint64 round) {
        CommittedReceipt[] memory all = _commitReceipts(CLAIMS * STRIDE);
        round = _roundOf(all[0]);
        _deliver(round, keccak256("value"));
        drawn = new CommittedReceipt[](CLAIMS);
        for (uint256 strip; strip < CLAIMS; ++strip) {
            (, uint256 index,,) = court.stripOf(all[0].batchId, strip);
            drawn[strip] = all[index];
            _post(drawn[strip]);
        }
        _drawPairs(drawn[0], round);
    }

    function _prove(ClaimedPairs[] memory claims) private {
        (bytes[] memory openings, bytes memory proofs) = (_openings(_count(claims)), _proofOf(claims));
        vm.prank(stranger);
        court.provePairs(claims, openings, proofs);
    }

    function _refuse(ClaimedPairs[] memory claims, bytes memory reason) private {
        (bytes[] memory openings, bytes memory proofs) = (_openings(_count(claims)), _proofOf(claims));
        vm.expectRevert(reason);
        court.provePairs(claims, openings, proofs);
    }

    function _count(ClaimedPairs[] memory claims) private pure returns (uint256 n) {
        for (uint256 i; i < claims.length; ++i) {
            n += claims[i].pairs.length;
        }
    }

    function _assertNothingProven(CommittedReceipt[] memory drawn, uint64 round) private view {
        for (uint256 i; i < drawn.length; ++i) {
            assertEq(_claim(drawn[i], round).proven, 0);
        }
    }

    // ---------------------------------------------------------------- accepted

    function test_provePairs_together_succeeds() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        ClaimedPairs[] memory claims = _claimedAll(drawn, round);
        for (uint256 i; i < CLAIMS; ++i) {
            vm.expectEmit(address(court));
            emit ISpotChecks.PairsProven(rollup.hashReceipt(drawn[i].receipt), round, (1 << PAIRS) - 1);
            vm.expectEmit(address(court));
            emit ISpotChecks.StripAnswered(drawn[i].batchId, drawn[i].index / STRIDE);
        }
        vm.expectCall(address(verifier), abi.encodeWithSelector(IElementVerifier.requireProven.selector), 1);
        _prove(claims);
        assertEq(_settledAt(drawn[0]), block.timestamp + 1);
        for (uint256 i; i < CLAIMS; ++i) {
            assertStrip(drawn[i], StripState.Answered);
        }
    }

    /// @dev Of several batches, with rounds and deadlines of their own.
    function test_provePairs_severalBatches_succeeds() public {
        CommittedReceipt[2] memory drawn;
        ClaimedPairs[] memory claims = new ClaimedPairs[](2);
        for (uint256 i; i < 2; ++i) {
            drawn[i] = _commitOne();
            uint64 round = _draw(drawn[i], true);
            _post(drawn[i]);
            claims[i] = _claimed(drawn[i], round, _pairs(i, PAIRS))[0];
            vm.warp(block.timestamp + EPOCH);
        }
        assertNotEq(claims[0].round, claims[1].round);
        for (uint256 i; i < 2; ++i) {
            _drawPairs(drawn[i], claims[i].round);
        }
        assertNotEq(_deadline(drawn[0]), _deadline(drawn[1]));
        _prove(claims);
        assertEq(_settledAt(drawn[0]), block.timestamp + 1);
        assertStrip(drawn[1], StripState.Posted);
        assertEq(_claim(drawn[1], claims[1].round).proven, 6);
    }

    /// @dev A claim may come in several entries, in part or whole: it is counted once.
    function test_provePairs_sameClaimTwice_countsOnce_succeeds() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        ClaimedPairs[] memory claims = new ClaimedPairs[](4);
        claims[0] = _claimed(drawn[0], round, _pairs(0, 1))[0];
        claims[1] = _claimed(drawn[1], round, _pairs(0, PAIRS))[0];
        claims[2] = _claimed(drawn[0], round, _pairs(1, PAIRS))[0];
        claims[3] = claims[1];
        _prove(claims);
        (,, uint256 answered) = court.drawsOf(drawn[0].batchId);
        assertEq(answered, 2);
        assertStrip(drawn[0], StripState.Answered);
        assertStrip(drawn[1], StripState.Answered);
        assertStrip(drawn[2], StripState.Posted);
        assertEq(_settledAt(drawn[0]), NEVER);
    }

    /// @dev Who proves one of the claims first does not make the call fail.
    function test_provePairs_oneOvertaken_succeeds() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        _prove(drawn[1], round, _pairs(0, PAIRS));
        _prove(_claimedAll(drawn, round));
        (,, uint256 answered) = court.drawsOf(drawn[0].batchId);
        assertEq(answered, CLAIMS);
        assertEq(_settledAt(drawn[0]), block.timestamp + 1);
    }

    /// @dev What is proven of an executor that was convicted meanwhile makes nothing of it final, and holds up no other claim.
    function test_provePairs_convictedMeanwhile_succeeds() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        CommittedReceipt memory other = _commitOne();
        vm.warp(_deadline(drawn[0]) - 1);
        uint64 later = _roundOf(other);
        if (source.valueOf(later) == 0) _deliver(later, _valueFor(other, true));
        vm.prank(address(court));
        rollup.convictUndrawn(other.batchId);
        _prove(_claimedAll(drawn, round));
        assertEq(_settledAt(drawn[0]), block.timestamp + 1);
        for (uint256 i; i < CLAIMS; ++i) {
            assertStatus(drawn[i], Status.Reverted);
        }
    }

    /// @dev However claims and pairs are put into calls, the court knows the same afterwards.
    function testFuzz_provePairs_anyDivision_succeeds(uint256 seed) public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        uint256[CLAIMS] memory proven;
        for (uint256 call; call < 3; ++call) {
            ClaimedPairs[] memory claims = new ClaimedPairs[](1 + uint256(keccak256(abi.encode(seed, call))) % 4);
            for (uint256 i; i < claims.length; ++i) {
                uint256 lot = uint256(keccak256(abi.encode(seed, call, i)));
                uint256 from = (lot >> 8) % PAIRS;
                uint256 to = from + 1 + (lot >> 16) % (PAIRS - from);
                claims[i] = _claimed(drawn[lot % CLAIMS], round, _pairs(from, to))[0];
                proven[lot % CLAIMS] |= (1 << to) - (1 << from);
            }
            _prove(claims);
        }
        uint256 expected;
        for (uint256 i; i < CLAIMS; ++i) {
            bool whole = proven[i] == (1 << PAIRS) - 1;
            assertEq(_claim(drawn[i], round).proven, proven[i]);
            assertStrip(drawn[i], whole ? StripState.Answered : StripState.Posted);
            if (whole) ++expected;
        }
        (,, uint256 answered) = court.drawsOf(drawn[0].batchId);
        assertEq(answered, expected);
        assertEq(_settledAt(drawn[0]), expected == CLAIMS ? block.timestamp + 1 : NEVER);
    }

    // ---------------------------------------------------------------- refused

    function test_provePairs_nothing_reverts() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        ClaimedPairs[] memory claims = new ClaimedPairs[](0);
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.CountMismatch.selector, 1, 0));
        court.provePairs(claims, new bytes[](0), "");
        vm.expectRevert(abi.encodeWithSelector(ISpotChecks.CountMismatch.selector, 1, 2));
        court.provePairs(claims, _openings(2), "");
        // A claim of which nothing is proven, beside others.
        claims = _claimedAll(drawn, round);
        claims[1].pairs = new uint256[](0);
        _refuse(claims, abi.encodeWithSelector(ISpotChecks.CountMismatch.selector, 1, 0));
        claims = _claimedAll(drawn, round);
        for (uint256 off; off < 3; off += 2) {
            uint256 n = CLAIMS * PAIRS - 1 + off;
            vm.expectRevert(abi.encodeWithSelector(ISpotChecks.CountMismatch.selector, CLAIMS * PAIRS, n));
            court.provePairs(claims, _openings(n), "");
        }
        _assertNothingProven(drawn, round);
    }

    /// @dev One claim that was not posted, of a pair that is none, or of which nothing is drawn yet: none is proven.
    function test_provePairs_oneWrong_reverts() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        CommittedReceipt memory late = _commitOne();
        uint64 lateRound = _draw(late, true);
        for (uint256 i; i < CLAIMS; ++i) {
            ClaimedPairs[] memory claims = _claimedAll(drawn, round);
            OtrReceipt memory receipt = claims[i].receipt;
            (claims[i].receipt, claims[i].round) = (late.receipt, lateRound);
            ReceiptHash hash = rollup.hashReceipt(late.receipt);
            _refuse(claims, abi.encodeWithSelector(ISpotChecks.NotPosted.selector, hash, lateRound));
            (claims[i].receipt, claims[i].round) = (receipt, round + 1);
            hash = rollup.hashReceipt(receipt);
            _refuse(claims, abi.encodeWithSelector(ISpotChecks.NotPosted.selector, hash, round + 1));
            claims[i].round = round;
            claims[i].pairs[0] = PAIRS;
            _refuse(claims, abi.encodeWithSelector(ISpotChecks.PairOutOfRange.selector, PAIRS));
        }
        _post(late);
        ClaimedPairs[] memory others = _claimedAll(drawn, round);
        others[1] = _claimed(late, lateRound, _pairs(0, 1))[0];
        uint64 next = court.roundOf(_claim(late, lateRound).postedAt);
        _refuse(others, abi.encodeWithSelector(ISpotChecks.RoundUnknown.selector, next));
        _assertNothingProven(drawn, round);
    }

    /// @dev A deadline that has passed is none of the others' to keep.
    function test_provePairs_oneOverdue_reverts() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        CommittedReceipt memory late = _commitOne();
        uint64 lateRound = _draw(late, true);
        _post(late);
        _drawPairs(late, lateRound);
        uint256 deadline = _deadline(drawn[0]);
        assertGt(_deadline(late), deadline);
        vm.warp(deadline);
        ClaimedPairs[] memory claims = new ClaimedPairs[](2);
        claims[0] = _claimed(late, lateRound, _pairs(0, PAIRS))[0];
        claims[1] = _claimed(drawn[0], round, _pairs(0, PAIRS))[0];
        _refuse(claims, abi.encodeWithSelector(ISpotChecks.DeadlinePassed.selector, deadline));
        assertEq(_claim(late, lateRound).proven, 0);
        _prove(late, lateRound, _pairs(0, PAIRS));
        assertStrip(late, StripState.Answered);
        court.missed(drawn[0].batchId, drawn[0].index / STRIDE);
    }

    /// @dev What is asked of the verifier names each receipt with its own pairs: exchanged ones are other questions.
    function test_provePairs_exchanged_reverts() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        ClaimedPairs[] memory claims = _claimedAll(drawn, round);
        bytes memory proofs = _proofOf(claims);
        (claims[0], claims[1]) = (claims[1], claims[0]);
        vm.expectRevert(ElementVerifierDouble.NotProven.selector);
        court.provePairs(claims, _openings(CLAIMS * PAIRS), proofs);
        claims = _claimedAll(drawn, round);
        // As many pairs, of another division.
        claims[0].pairs = _pairs(0, PAIRS - 1);
        claims[1].pairs = new uint256[](PAIRS + 1);
        vm.expectRevert(ElementVerifierDouble.NotProven.selector);
        court.provePairs(claims, _openings(CLAIMS * PAIRS), proofs);
        bytes[] memory openings = _openings(CLAIMS * PAIRS);
        (openings[0], openings[PAIRS]) = (openings[PAIRS], openings[0]);
        claims = _claimedAll(drawn, round);
        vm.expectRevert(ElementVerifierDouble.NotProven.selector);
        court.provePairs(claims, openings, proofs);
        _assertNothingProven(drawn, round);
    }

    /// @dev States that were posted for one claim are none of another's.
    function test_provePairs_statesOfAnother_reverts() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        verifier.setLong(1, true);
        bytes32[] memory roots = new bytes32[](1);
        roots[0] = keccak256("states");
        vm.prank(executor);
        court.postFolds(drawn[0].receipt, round, _pairs(1, 2), roots);
        uint64 third = court.roundOf(Timestamp.wrap(uint40(block.timestamp)));
        ClaimedPairs[] memory claims = _claimedAll(drawn, round);
        _refuse(claims, abi.encodeWithSelector(ISpotChecks.RoundUnknown.selector, third));
        _deliver(third, keccak256("blocks"));
        _refuse(claims, abi.encodeWithSelector(ElementVerifierDouble.StatesMissing.selector, 1));
        for (uint256 i = 1; i < CLAIMS; ++i) {
            claims[i].pairs = _pairs(0, 1);
        }
        _prove(claims);
        assertStrip(drawn[0], StripState.Answered);
        assertStrip(drawn[1], StripState.Posted);
    }

    /// @dev The verifier can do nothing that lasts, so nothing to the court in whose middle it is asked.
    function test_provePairs_verifierOnlyAnswers_reverts() public {
        (CommittedReceipt[] memory drawn, uint64 round) = _posted();
        ClaimedPairs[] memory claims = _claimedAll(drawn, round);
        (bytes[] memory openings, bytes memory proofs) = (_openings(CLAIMS * PAIRS), _proofOf(claims));
        bytes memory code = address(verifier).code;
        vm.etch(address(verifier), address(new Meddler()).code);
        vm.expectRevert();
        court.provePairs{gas: 2_000_000}(claims, openings, proofs);
        vm.etch(address(verifier), code);
        court.provePairs(claims, openings, proofs);
        assertEq(_settledAt(drawn[0]), block.timestamp + 1);
    }
}

/// @notice Changes something while it is asked about proofs, and has nothing against them.
contract Meddler {
    fallback() external {
        assembly {
            tstore(0, 1)
        }
    }
}
