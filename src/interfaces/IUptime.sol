// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";

/// @title Deadlines that wait for the chain's sequencer
/// @notice While an L2's sequencer is down nobody can move. A deadline that falls into an outage, or into the grace after it, moves to the
///         grace's end. One that had passed before the outage has passed for good. Immutable.
interface IUptime {
    /// @notice Whether a deadline has passed: `block.timestamp >= deadline`, outages and grace taken into account. Once true, always true.
    function hasPassed(Timestamp deadline) external view returns (bool);

    /// @notice Feed of the sequencer's state (Chainlink's interface: answer 0 up, 1 down, `startedAt` since when); zero if the chain has none.
    function FEED() external view returns (address);

    /// @notice Time after an outage in which everybody may move.
    function GRACE() external view returns (Duration);
}
