// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IFallbackRandomness} from "src/interfaces/IFallbackRandomness.sol";
import {IRandomness} from "src/interfaces/IRandomness.sol";
import {Duration, Timestamp} from "src/libraries/Clock.sol";
import {DevRandomness} from "src/randomness/DevRandomness.sol";
import {DrandEvmnet} from "src/randomness/DrandEvmnet.sol";
import {Evmnet} from "src/randomness/Evmnet.sol";
import {FallbackRandomness} from "src/randomness/FallbackRandomness.sol";

/// @notice A beacon that lives, dies, and comes back.
contract FallbackRandomnessTest is Test {
    uint256 private constant GENESIS = 1_000_000;
    uint256 private constant PERIOD = 30;
    uint256 private constant FALLBACK_PERIOD = 600;
    uint256 private constant DEAD_AFTER = 2 days;
    uint256 private constant LOST_AFTER = 5 hours;
    uint64 private constant ROUND = 100;
    uint256 private constant DUE = GENESIS + 99 * PERIOD;

    DevRandomness private _beacon;
    DevRandomness private _fallback;
    FallbackRandomness private _both;

    function setUp() public {
        _beacon = new DevRandomness(Timestamp.wrap(uint40(GENESIS)), Duration.wrap(uint32(PERIOD)), false);
        _fallback = new DevRandomness(Timestamp.wrap(uint40(GENESIS)), Duration.wrap(uint32(FALLBACK_PERIOD)), false);
        _both = new FallbackRandomness(
            _beacon, _fallback, Duration.wrap(uint32(DEAD_AFTER)), Duration.wrap(uint32(LOST_AFTER))
        );
        vm.warp(DUE);
    }

    function _value(uint256 number) private pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode(number)));
    }

    function test_calendar_isTheBeacons_succeeds() public view {
        assertEq(Timestamp.unwrap(_both.GENESIS()), GENESIS);
        assertEq(Duration.unwrap(_both.PERIOD()), PERIOD);
        assertEq(Timestamp.unwrap(_both.dueAt(ROUND)), DUE);
        assertEq(_both.roundAfter(Timestamp.wrap(uint40(DUE))), ROUND + 1);
        assertEq(address(_both.BEACON()), address(_beacon));
        assertEq(address(_both.FALLBACK()), address(_fallback));
    }

    function test_kind_developmentPart_isDevelopment_succeeds() public {
        assertEq(_both.kind(), "DEV");
        DrandEvmnet drand = new DrandEvmnet(Evmnet.key(), Evmnet.GENESIS, Evmnet.PERIOD);
        assertEq(new FallbackRandomness(drand, _fallback, Duration.wrap(1), Duration.wrap(1)).kind(), "DEV");
        assertEq(new FallbackRandomness(_beacon, drand, Duration.wrap(1), Duration.wrap(1)).kind(), "DEV");
        assertEq(new FallbackRandomness(drand, drand, Duration.wrap(1), Duration.wrap(1)).kind(), "FALLBACK");
    }

    /// @dev The beacon's value counts, whether it is delivered here or to the beacon itself.
    function test_deliver_beacon_succeeds() public {
        vm.expectEmit(address(_both));
        emit IRandomness.RoundDelivered(ROUND, keccak256(abi.encode(1)));
        bytes32 value = _both.deliver(ROUND, _value(1));
        assertEq(_both.valueOf(ROUND), value);
        assertEq(_both.deliver(ROUND, _value(2)), value);
        assertEq(_both.newest(), ROUND);
        _beacon.deliver(ROUND - 1, _value(3));
        assertEq(_both.valueOf(ROUND - 1), keccak256(abi.encode(3)));
        assertEq(_both.deliver(ROUND - 1, ""), keccak256(abi.encode(3)));
    }

    function test_declareDead_then_deliverFallback_succeeds() public {
        vm.warp(DUE + DEAD_AFTER);
        uint64 expected = _fallback.roundAfter(Timestamp.wrap(uint40(block.timestamp)));
        vm.expectEmit(address(_both));
        emit IFallbackRandomness.DeclaredDead(ROUND, expected);
        assertEq(_both.declareDead(ROUND), expected);
        assertEq(_both.valueOf(ROUND), 0);
        Timestamp due = _fallback.dueAt(expected);
        assertGt(Timestamp.unwrap(due), block.timestamp, "nobody knows it yet");
        vm.expectRevert(abi.encodeWithSelector(IRandomness.NotDue.selector, expected, due));
        _both.deliverFallback(ROUND, _value(5));
        vm.warp(Timestamp.unwrap(due));
        bytes32 value = _both.deliverFallback(ROUND, _value(5));
        assertEq(value, keccak256(abi.encode(5)));
        assertEq(_both.valueOf(ROUND), value);
        assertEq(_both.newest(), ROUND);
        // The beacon comes back with this round: too late.
        assertEq(_both.deliver(ROUND, _value(6)), value);
        _beacon.deliver(ROUND, _value(6));
        assertEq(_both.valueOf(ROUND), value);
        assertEq(_both.deliverFallback(ROUND, _value(7)), value);
        vm.expectRevert(abi.encodeWithSelector(IFallbackRandomness.RoundKnown.selector, ROUND));
        _both.declareDead(ROUND);
    }

    function test_declareDead_early_reverts() public {
        vm.warp(DUE + DEAD_AFTER - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IFallbackRandomness.TooEarly.selector, ROUND, Timestamp.wrap(uint40(DUE + DEAD_AFTER))
            )
        );
        _both.declareDead(ROUND);
    }

    /// @dev Any sign of life since the round was due, by anybody, keeps the beacon's value the only one.
    function testFuzz_declareDead_signOfLife_reverts(uint64 shown, bool before) public {
        shown = uint64(bound(shown, ROUND + 1, ROUND + 5000));
        vm.warp(DUE + DEAD_AFTER);
        if (before) {
            _beacon.deliver(shown, _value(1));
        } else {
            uint64 fallbackRound = _both.declareDead(ROUND);
            vm.warp(Timestamp.unwrap(_fallback.dueAt(fallbackRound)));
            _fallback.deliver(fallbackRound, _value(2));
            _beacon.deliver(shown, _value(1));
            vm.expectRevert(abi.encodeWithSelector(IFallbackRandomness.BeaconLives.selector, ROUND, shown));
            _both.deliverFallback(ROUND, "");
        }
        vm.expectRevert(abi.encodeWithSelector(IFallbackRandomness.BeaconLives.selector, ROUND, shown));
        _both.declareDead(ROUND);
        // And the round itself can still come.
        assertEq(_both.deliver(ROUND, _value(3)), keccak256(abi.encode(3)));
    }

    /// @dev An earlier round says nothing about this one.
    function test_declareDead_earlierRoundShown_succeeds() public {
        _beacon.deliver(ROUND - 1, _value(1));
        vm.warp(DUE + DEAD_AFTER);
        assertTrue(_both.declareDead(ROUND) != 0);
    }

    function test_declareDead_known_reverts() public {
        _both.deliver(ROUND, _value(1));
        vm.warp(DUE + DEAD_AFTER);
        vm.expectRevert(abi.encodeWithSelector(IFallbackRandomness.RoundKnown.selector, ROUND));
        _both.declareDead(ROUND);
    }

    /// @dev Declared once; again only when the fallback's round can be had no more.
    function test_declareDead_again_onlyIfLost_succeeds() public {
        vm.warp(DUE + DEAD_AFTER);
        uint64 first = _both.declareDead(ROUND);
        uint256 lost = Timestamp.unwrap(_fallback.dueAt(first)) + LOST_AFTER;
        vm.warp(lost - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IFallbackRandomness.TooEarly.selector, ROUND, Timestamp.wrap(uint40(lost)))
        );
        _both.declareDead(ROUND);
        vm.warp(lost);
        uint256 snapshot = vm.snapshotState();
        uint64 second = _both.declareDead(ROUND);
        assertGt(second, first);
        vm.warp(Timestamp.unwrap(_fallback.dueAt(second)));
        assertEq(_both.deliverFallback(ROUND, _value(1)), _fallback.valueOf(second));
        // A value that is known, if only to the fallback, is not passed over.
        vm.revertToState(snapshot);
        _fallback.deliver(first, _value(9));
        vm.expectRevert(abi.encodeWithSelector(IFallbackRandomness.RoundKnown.selector, ROUND));
        _both.declareDead(ROUND);
        assertEq(_both.deliverFallback(ROUND, ""), _fallback.valueOf(first));
    }

    function test_deliverFallback_notDeclared_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IFallbackRandomness.NotDeclaredDead.selector, ROUND));
        _both.deliverFallback(ROUND, _value(1));
    }

    function test_roundZero_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRandomness.NoSuchRound.selector, uint64(0)));
        _both.deliver(0, _value(1));
        vm.expectRevert();
        _both.declareDead(0);
    }

    /// @dev Whatever is called in whatever order: a value, once known, never changes, and a round's value is the beacon's or, after a
    ///      declaration, the fallback's.
    function testFuzz_valueOf_neverChanges(uint256 seed) public {
        bytes32[3] memory known;
        uint256[3] memory since;
        for (uint256 i; i < 40; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint64 round = ROUND + uint64(seed % 3);
            uint256 action = (seed >> 8) % 6;
            if (action == 0) vm.warp(block.timestamp + (seed >> 16) % 2 days);
            else if (action == 1 && (seed >> 16) % 4 == 0) _try(abi.encodeCall(_both.deliver, (round, _value(seed))));
            else if (action == 2 || action == 3) _try(abi.encodeCall(_both.declareDead, (round)));
            else if (action == 4) _try(abi.encodeCall(_both.deliverFallback, (round, _value(seed))));
            else if (action == 5) vm.warp(block.timestamp + 700);
            for (uint64 r; r < 3; ++r) {
                bytes32 value = _both.valueOf(ROUND + r);
                if (known[r] != 0) assertEq(value, known[r], "changed");
                known[r] = value;
                uint256 at = Timestamp.unwrap(_both.deliveredAt(ROUND + r));
                assertEq(at != 0, value != 0, "a time with the value");
                if (since[r] != 0) assertEq(at, since[r], "changed its time");
                else assertTrue(at == 0 || at == block.timestamp);
                since[r] = at;
                if (value == 0 || value == _beacon.valueOf(ROUND + r)) continue;
                assertEq(value, _fallback.valueOf(_both.fallbackRoundOf(ROUND + r)), "whose");
            }
        }
    }

    function _try(bytes memory data) private {
        (bool ok,) = address(_both).call(data);
        ok;
    }
}
