// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev Seconds since 1970. Zero means "never happened".
type Timestamp is uint40;
/// @dev Seconds.
type Duration is uint32;

using Clock for Timestamp global;
using Clock for Duration global;

/// @title The only place that calculates with time
/// @notice Time is `block.timestamp`: block numbers mean different things on different L2s.
library Clock {
    /// @notice The block's time.
    function current() internal view returns (Timestamp) {
        return Timestamp.wrap(uint40(block.timestamp));
    }

    /// @notice A time that somebody else stated in seconds; beyond the type's range it is its last moment.
    function fromSeconds(uint256 seconds_) internal pure returns (Timestamp) {
        return seconds_ > type(uint40).max ? Timestamp.wrap(type(uint40).max) : Timestamp.wrap(uint40(seconds_));
    }

    /// @notice `time + duration`, at most the type's last moment.
    function plus(Timestamp time, Duration duration) internal pure returns (Timestamp) {
        return fromSeconds(uint256(Timestamp.unwrap(time)) + Duration.unwrap(duration));
    }

    /// @notice `start + i * period`, at most the type's last moment.
    function nth(Timestamp start, Duration period, uint256 i) internal pure returns (Timestamp) {
        return fromSeconds(uint256(Timestamp.unwrap(start)) + i * Duration.unwrap(period));
    }

    /// @notice The least `i` whose moment `start + i * period` lies after `time`. `period` is not zero.
    function firstAfter(Timestamp time, Timestamp start, Duration period) internal pure returns (uint256 i) {
        if (time.isBefore(start)) return 0;
        return (Timestamp.unwrap(time) - Timestamp.unwrap(start)) / Duration.unwrap(period) + 1;
    }

    /// @notice `time < other`.
    function isBefore(Timestamp time, Timestamp other) internal pure returns (bool) {
        return Timestamp.unwrap(time) < Timestamp.unwrap(other);
    }

    /// @notice The later of two moments.
    function max(Timestamp a, Timestamp b) internal pure returns (Timestamp) {
        return a.isBefore(b) ? b : a;
    }

    /// @notice The earlier of two moments.
    function min(Timestamp a, Timestamp b) internal pure returns (Timestamp) {
        return a.isBefore(b) ? a : b;
    }

    /// @notice Whether this moment has come.
    function hasCome(Timestamp time) internal view returns (bool) {
        return Timestamp.unwrap(time) <= block.timestamp;
    }

    /// @notice Whether it has been set at all.
    function isSet(Timestamp time) internal pure returns (bool) {
        return Timestamp.unwrap(time) != 0;
    }

    /// @notice Length in seconds.
    function inSeconds(Duration duration) internal pure returns (uint256) {
        return Duration.unwrap(duration);
    }
}
