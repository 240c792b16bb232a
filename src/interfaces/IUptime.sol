// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";

/// @title Deadlines that wait for the chain's sequencer
/// @notice While an L2's sequencer is down nobody can move. A deadline that falls into an outage, or into the grace after it, moves to the
///         grace's end. One that had passed before the outage has passed for good. Immutable.
interface IUptime {
    /// @notice Nothing is deployed at the feed's address.
    error FeedWithoutCode(address feed);
    /// @notice The call has less gas left than reading the feed may take.
    error TooLittleGas(uint256 needed);

    /// @notice When a deadline ends, outages and grace taken into account; the last moment there is while an outage keeps it open.
    ///         Of a deadline in the future the deadline itself. Once it has come it never changes.
    function endOf(Timestamp deadline) external view returns (Timestamp);

    /// @notice Whether a deadline has passed: `endOf(deadline) <= block.timestamp`.
    function hasPassed(Timestamp deadline) external view returns (bool);

    /// @notice Feed of the sequencer's state (Chainlink's interface: answer 0 up, 1 down, `startedAt` since when); zero if the chain has none.
    function FEED() external view returns (address);

    /// @notice Time after an outage in which everybody may move.
    function GRACE() external view returns (Duration);
}
