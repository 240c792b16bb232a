// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Duration, Timestamp} from "../libraries/Clock.sol";

/// @title A source of public random values, one for each round
/// @notice Round `r >= 1` is due at `GENESIS + (r - 1) * PERIOD`. Its value is the same whoever delivers it, and nobody knows it before that
///         moment. How far that can be relied on is the source's: each implementation says whom it trusts.
/// @dev Chain time may lag behind real time: sequencers may stamp a block with an earlier time. Whoever draws from `roundAfter(t)` adds the
///      longest such lag to `t`, else a value may be known when `t` is stamped.
interface IRandomness {
    /// @notice A round became known.
    event RoundDelivered(uint64 indexed round, bytes32 value);

    /// @notice Rounds are numbered from one.
    error NoSuchRound(uint64 round);
    /// @notice The round is due later than now.
    error NotDue(uint64 round, Timestamp dueAt);
    /// @notice The proof is not one of this round's value.
    error ProofRejected(uint64 round);
    /// @notice Rounds need a length.
    error PeriodZero();

    /// @notice Kind of source: `DRAND`, `BLOCKS`, or `DEV`, which only development deployments accept.
    function kind() external view returns (bytes32);

    /// @notice When round 1 is due.
    function GENESIS() external view returns (Timestamp);

    /// @notice Time from a round to the next, not zero.
    function PERIOD() external view returns (Duration);

    /// @notice The first round that is due after `time`.
    function roundAfter(Timestamp time) external view returns (uint64 round);

    /// @notice When a round is due. Reverts with `NoSuchRound`.
    function dueAt(uint64 round) external view returns (Timestamp);

    /// @notice Makes a round's value known. Anyone may; of a round that is known already it does nothing and looks at no proof, so that nobody's
    ///         transaction fails because another one came first. Reverts with `NoSuchRound`, `NotDue`, `ProofRejected`.
    /// @param proof Shows the value, in the source's own format.
    function deliver(uint64 round, bytes calldata proof) external returns (bytes32 value);

    /// @notice The value of a round; zero while nobody has delivered it.
    function valueOf(uint64 round) external view returns (bytes32 value);

    /// @notice When a round's value became known to the chain; zero while it is unknown.
    function deliveredAt(uint64 round) external view returns (Timestamp);

    /// @notice The latest round that was delivered; zero if none was. A sign that the source is alive.
    function newest() external view returns (uint64 round);
}
