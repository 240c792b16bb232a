// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {MockFeed} from "./utils/MockFeed.sol";
import {SequencerUptime} from "src/SequencerUptime.sol";
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
