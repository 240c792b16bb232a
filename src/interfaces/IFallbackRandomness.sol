// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";
import {IRandomness} from "./IRandomness.sol";

/// @title A beacon, and what takes its place if it dies
/// @notice Rounds are the beacon's. If nobody has shown a sign of life of the beacon for `DEAD_AFTER` since a round was due, anyone may declare it
///         dead for this round: the round then gets its value from the first round of `FALLBACK` after the declaration. Until that value is
///         delivered the beacon may still answer. A value never changes.
/// @dev The chain cannot tell a dead beacon from one whose rounds nobody brings. Who dislikes a round's value and is the only one to bring any for
///      `DEAD_AFTER` can have another one. Any round delivered by anybody, this one or a later one, refutes the death.
interface IFallbackRandomness is IRandomness {
    /// @notice The round will get its value from this round of the fallback.
    event DeclaredDead(uint64 indexed round, uint64 fallbackRound);

    /// @notice The round has a value.
    error RoundKnown(uint64 round);
    /// @notice The beacon cannot be declared dead before this moment.
    error TooEarly(uint64 round, Timestamp from);
    /// @notice The beacon lived when or after the round was due: it has shown this round.
    error BeaconLives(uint64 round, uint64 shown);
    /// @notice The beacon has not been declared dead for this round.
    error NotDeclaredDead(uint64 round);

    /// @notice The beacon.
    function BEACON() external view returns (IRandomness);

    /// @notice What takes its place.
    function FALLBACK() external view returns (IRandomness);

    /// @notice Time after a round is due without a sign of life of the beacon.
    function DEAD_AFTER() external view returns (Duration);

    /// @notice Time after which a fallback's round that nobody has delivered counts as lost.
    function LOST_AFTER() external view returns (Duration);

    /// @notice The fallback's round that a round gets its value from; zero if the beacon was not declared dead for it.
    function fallbackRoundOf(uint64 round) external view returns (uint64);

    /// @notice Declares the beacon dead for a round, or once more if the fallback's round is lost. Anyone may. Reverts with `RoundKnown`,
    ///         `TooEarly`, `BeaconLives`.
    function declareDead(uint64 round) external returns (uint64 fallbackRound);

    /// @notice Gives a round its value from the fallback. Anyone may. Of a round that is known it does nothing, as `deliver`. Reverts with
    ///         `NotDeclaredDead`, `BeaconLives`, or as the fallback's `deliver`.
    /// @param proof Of the fallback's round; not looked at if that is known.
    function deliverFallback(uint64 round, bytes calldata proof) external returns (bytes32 value);
}
