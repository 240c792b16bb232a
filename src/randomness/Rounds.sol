// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRandomness} from "../interfaces/IRandomness.sol";
import {Clock, Duration, Timestamp} from "../libraries/Clock.sol";

/// @title What all sources share: the calendar of rounds, and values once they are proven
abstract contract Rounds is IRandomness {
    /// @inheritdoc IRandomness
    Timestamp public immutable GENESIS;
    /// @inheritdoc IRandomness
    Duration public immutable PERIOD;
    /// @inheritdoc IRandomness
    mapping(uint64 round => bytes32 value) public valueOf;
    /// @inheritdoc IRandomness
    mapping(uint64 round => Timestamp) public deliveredAt;
    /// @inheritdoc IRandomness
    uint64 public newest;

    constructor(Timestamp genesis, Duration period) {
        if (period.inSeconds() == 0) revert PeriodZero();
        GENESIS = genesis;
        PERIOD = period;
    }

    /// @inheritdoc IRandomness
    function roundAfter(Timestamp time) external view returns (uint64 round) {
        // At most 2^40 + 1.
        return uint64(time.firstAfter(GENESIS, PERIOD) + 1);
    }

    /// @inheritdoc IRandomness
    function dueAt(uint64 round) public view returns (Timestamp) {
        if (round == 0) revert NoSuchRound(round);
        return GENESIS.nth(PERIOD, round - 1);
    }

    /// @inheritdoc IRandomness
    function deliver(uint64 round, bytes calldata proof) external returns (bytes32 value) {
        value = valueOf[round];
        if (value != 0) return value;
        Timestamp due = dueAt(round);
        // INVARIANT: no value is known to the chain before its round is due by the chain's own time.
        if (!due.hasCome()) revert NotDue(round, due);
        value = _prove(round, proof);
        // INVARIANT: zero means "unknown". A value of zero is refused: of a real source one in 2^256 is.
        if (value == 0) revert ProofRejected(round);
        valueOf[round] = value;
        deliveredAt[round] = Clock.current();
        if (round > newest) newest = round;
        emit RoundDelivered(round, value);
    }

    /// @dev The value that the proof shows for this round. Reverts with `ProofRejected` or an error of the source's own.
    function _prove(uint64 round, bytes calldata proof) internal view virtual returns (bytes32 value);
}
