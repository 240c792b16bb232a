// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {MockFeed, RawFeed} from "./utils/MockFeed.sol";
import {SequencerUptime} from "src/SequencerUptime.sol";
import {IUptime} from "src/interfaces/IUptime.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";

contract SequencerUptimeTest is Test {
    uint256 internal constant NOW = 1_800_000_000;
    uint256 internal constant GRACE = 6 hours;
    uint256 internal constant NEVER = type(uint40).max;

    MockFeed internal feed;
    SequencerUptime internal uptime;

    function setUp() public {
        vm.warp(NOW);
        feed = new MockFeed();
        uptime = new SequencerUptime(address(feed), Duration.wrap(uint32(GRACE)));
    }

    function _end(uint256 deadline) internal view returns (uint256) {
        return Timestamp.unwrap(uptime.endOf(Timestamp.wrap(uint40(deadline))));
    }

    function _passed(uint256 deadline) internal view returns (bool) {
        return uptime.hasPassed(Timestamp.wrap(uint40(deadline)));
    }

    function _outage(uint256 from, uint256 to) internal {
        feed.push(true, from);
        feed.push(false, to);
    }

    function test_endOf_noOutage_isDeadline_succeeds() public view {
        assertEq(_end(NOW), NOW);
        assertTrue(_passed(NOW));
        assertEq(_end(NOW + 1), NOW + 1);
        assertFalse(_passed(NOW + 1));
    }

    function test_endOf_noFeed_isDeadline_succeeds() public {
        uptime = new SequencerUptime(address(0), Duration.wrap(uint32(GRACE)));
        assertEq(_end(NOW - 5), NOW - 5);
        assertTrue(_passed(NOW - 5));
    }

    function test_endOf_deadlineInOutage_movesToGraceEnd_succeeds() public {
        _outage(NOW - 3 hours, NOW - 1 hours);
        assertEq(_end(NOW - 2 hours), NOW - 1 hours + GRACE);
        assertFalse(_passed(NOW - 2 hours));
        vm.warp(NOW - 1 hours + GRACE);
        assertTrue(_passed(NOW - 2 hours));
    }

    function test_endOf_deadlineInGrace_movesToGraceEnd_succeeds() public {
        _outage(NOW - 3 hours, NOW - 2 hours);
        assertEq(_end(NOW - 1 hours), NOW - 2 hours + GRACE);
    }

    function test_endOf_deadlineBeforeOutage_stays_succeeds() public {
        _outage(NOW - 3 hours, NOW - 1 hours);
        assertEq(_end(NOW - 3 hours), NOW - 3 hours);
        assertEq(_end(NOW - 4 hours), NOW - 4 hours);
    }

    function test_endOf_duringOutage_neverComes_succeeds() public {
        feed.push(true, NOW - 1 hours);
        assertEq(_end(NOW - 10), NEVER);
        assertFalse(_passed(NOW - 10));
        assertTrue(_passed(NOW - 1 hours));
    }

    function test_endOf_outageInGrace_movesAgain_succeeds() public {
        _outage(NOW - 10 hours, NOW - 9 hours);
        // In the grace of the first, which ends at -3 h.
        _outage(NOW - 4 hours, NOW - 2 hours);
        assertEq(_end(NOW - 9 hours - 1800), NOW - 2 hours + GRACE);
    }

    function test_endOf_outageAfterGrace_doesNotReopen_succeeds() public {
        _outage(NOW - 20 hours, NOW - 19 hours);
        assertEq(_end(NOW - 19 hours - 1), NOW - 13 hours);
        _outage(NOW - 12 hours, NOW - 11 hours);
        assertEq(_end(NOW - 19 hours - 1), NOW - 13 hours);
        assertTrue(_passed(NOW - 19 hours - 1));
    }

    function test_endOf_roundsRepeatTheirState_succeeds() public {
        feed.push(true, NOW - 5 hours);
        feed.push(true, NOW - 4 hours);
        feed.push(false, NOW - 3 hours);
        feed.push(false, NOW - 2 hours);
        // The outage began at -5 h, and the sequencer was first up again at -3 h; the repeated round makes the grace later at most.
        assertGe(_end(NOW - 4 hours - 1800), NOW - 3 hours + GRACE);
        assertEq(_end(NOW - 5 hours), NOW - 5 hours);
    }

    function test_endOf_brokenFeed_isDeadline_succeeds() public {
        feed.push(true, NOW - 1 hours);
        feed.setBroken(true);
        assertEq(_end(NOW - 10), NOW - 10);
    }

    // ---------------------------------------------------------------- feeds that are none

    function test_constructor_feedWithoutCode_reverts() public {
        address nobody = makeAddr("nobody");
        vm.expectRevert(abi.encodeWithSelector(IUptime.FeedWithoutCode.selector, nobody));
        new SequencerUptime(nobody, Duration.wrap(1));
    }

    /// @dev A feed whose code went away after the court was deployed.
    function test_endOf_feedLostItsCode_isDeadline_succeeds() public {
        feed.push(true, NOW - 1 hours);
        assertEq(_end(NOW - 10), NEVER);
        vm.etch(address(feed), "");
        assertEq(_end(NOW - 10), NOW - 10);
        assertTrue(_passed(NOW - 10));
    }

    function _raw() private returns (RawFeed raw) {
        raw = new RawFeed();
        uptime = new SequencerUptime(address(raw), Duration.wrap(uint32(GRACE)));
    }

    function _round(uint256 id, uint256 answer, uint256 startedAt) private pure returns (bytes memory) {
        return abi.encode(id, answer, startedAt, startedAt, id);
    }

    function _ignored(RawFeed raw, bytes memory latest, string memory what) private {
        raw.setLatest(latest);
        assertEq(_end(NOW - 10), NOW - 10, what);
    }

    /// @dev Each of these would be an outage under way, or its grace, if it were taken for a round.
    function test_endOf_malformedRound_isDeadline_succeeds() public {
        RawFeed raw = _raw();
        raw.setLatest(_round(1, 1, NOW - 1 hours));
        assertEq(_end(NOW - 10), NEVER, "a round");
        bytes memory short = new bytes(159);
        bytes memory round = _round(1, 1, NOW - 1 hours);
        for (uint256 i; i < short.length; ++i) {
            short[i] = round[i];
        }
        _ignored(raw, short, "a byte too short");
        _ignored(raw, "", "empty");
        _ignored(raw, _round(0, 1, NOW - 1 hours), "round 0");
        _ignored(raw, _round(1 << 80, 1, NOW - 1 hours), "round beyond uint80");
        _ignored(raw, _round(1, 2, NOW - 1 hours), "neither up nor down");
        _ignored(raw, _round(1, type(uint256).max, NOW - 1 hours), "negative answer");
        _ignored(raw, _round(1, 0, 0), "began never");
        _ignored(raw, _round(1, 1, NOW + 1), "down in the future");
        _ignored(raw, _round(1, 0, NOW + 1), "up in the future");
        _ignored(raw, _round(1, 0, type(uint256).max), "up at no time");
    }

    /// @dev What is known of newer rounds counts though an older one is malformed.
    function test_endOf_malformedOlderRound_newerCounts_succeeds() public {
        RawFeed raw = _raw();
        raw.setLatest(_round(9, 1, NOW - 1 hours));
        raw.setOther(_round(8, 7, NOW - 2 hours));
        assertEq(_end(NOW - 10), NEVER);
        raw.setLatest(_round(9, 0, NOW - 1 hours));
        raw.setOther(_round(8, 1, NOW - 2 hours));
        assertEq(_end(NOW - 90 minutes), NOW - 1 hours + GRACE);
        raw.setOther("");
        assertEq(_end(NOW - 90 minutes), NOW - 90 minutes);
    }

    /// @dev A feed that answers with a hundred kilobytes, or burns all that it gets, costs a bounded amount.
    function test_endOf_wastefulFeed_boundedGas_succeeds() public {
        RawFeed raw = _raw();
        raw.setBurns(true);
        uint256 before = gasleft();
        assertEq(_end(NOW - 10), NOW - 10);
        assertLt(before - gasleft(), 150_000, "burnt");
        raw.setBurns(false);
        raw.setLatest(bytes.concat(_round(1, 1, NOW - 1 hours), new bytes(100_000)));
        before = gasleft();
        _end(NOW - 10);
        assertLt(before - gasleft(), 150_000, "copied");
        // Every round is one, and each costs all that a read may.
        raw.setLatest(_round(1000, 1, NOW - 1 hours));
        raw.setOther(_round(1000, 1, NOW - 1 hours));
        raw.setWaste(85_000);
        before = gasleft();
        assertEq(_end(NOW - 10), NEVER);
        assertLt(before - gasleft(), 6_500_000, "all rounds");
    }

    /// @dev Whoever calls with little gas gets nothing or the truth: an outage does not vanish for want of gas.
    function testFuzz_endOf_anyGas_neverHidesAnOutage(uint256 gas_) public {
        feed.push(true, NOW - 1 hours);
        gas_ = bound(gas_, 1000, 300_000);
        bytes memory call = abi.encodeCall(IUptime.endOf, (Timestamp.wrap(uint40(NOW - 10))));
        (bool ok, bytes memory result) = address(uptime).staticcall{gas: gas_}(call);
        if (ok) assertEq(abi.decode(result, (uint256)), NEVER);
    }

    /// @dev Whatever a feed returns: an answer, and one of those that the interface promises.
    function testFuzz_endOf_anyBytes_answers(
        bytes calldata latest,
        bytes calldata other,
        uint256[3] calldata words,
        uint256 shape,
        uint256 deadline
    ) public {
        RawFeed raw = _raw();
        raw.setLatest(shape & 1 == 0 ? latest : _round(words[0], words[1] & 1, words[2]));
        raw.setOther(shape & 2 == 0 ? other : _round(words[0], words[1] >> 255, words[2] % (2 * NOW)));
        if (shape & 4 == 4) raw.setLatest(_round(1 + words[0] % 200, words[1] & 1, words[2] % (2 * NOW)));
        deadline = bound(deadline, 1, 2 * NOW);
        uint256 end = _end(deadline);
        assertGe(end, deadline, "never before itself");
        if (deadline > NOW) assertEq(end, deadline, "the future");
        else assertTrue(end == NEVER || end <= NOW + GRACE, "no further than a grace from now, but in an outage");
    }

    /// @dev Once a deadline has passed it has passed for good, whatever outages follow; and it never passes before itself.
    function testFuzz_hasPassed_isMonotone(uint256 seed, uint256 deadline) public {
        deadline = bound(deadline, NOW, NOW + 30 days);
        bool passed;
        uint256 time = NOW;
        for (uint256 i; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            time += 1 + seed % 2 days;
            vm.warp(time);
            if (seed >> 128 & 1 == 0) {
                feed.push(true, time);
                if (passed) assertTrue(_passed(deadline), "passed for good");
                if (deadline < time && _passed(deadline)) passed = true;
                time += 1 + (seed >> 64) % 1 days;
                vm.warp(time);
                feed.push(false, time);
            }
            bool now_ = _passed(deadline);
            assertTrue(!passed || now_, "passed for good");
            assertTrue(!now_ || deadline <= time, "not before itself");
            passed = now_;
        }
    }

    /// @dev Nobody has less than the grace after an outage that a deadline fell into.
    function testFuzz_endOf_outage_leavesGrace(uint256 down, uint256 length, uint256 deadline) public {
        down = bound(down, NOW - 30 days, NOW - 1 days);
        length = bound(length, 1, 20 hours);
        deadline = bound(deadline, NOW - 31 days, NOW - 1);
        _outage(down, down + length);
        uint256 end = _end(deadline);
        if (deadline > down && deadline < down + length + GRACE) assertEq(end, down + length + GRACE);
        else assertEq(end, deadline);
    }
}
