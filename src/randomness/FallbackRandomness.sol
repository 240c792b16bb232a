// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IFallbackRandomness} from "../interfaces/IFallbackRandomness.sol";
import {IRandomness} from "../interfaces/IRandomness.sol";
import {Clock, Duration, Timestamp} from "../libraries/Clock.sol";

/// @title FallbackRandomness
contract FallbackRandomness is IFallbackRandomness {
    bytes32 private constant DEVELOPMENT = "DEV";

    /// @inheritdoc IFallbackRandomness
    IRandomness public immutable BEACON;
    /// @inheritdoc IFallbackRandomness
    IRandomness public immutable FALLBACK;
    /// @inheritdoc IFallbackRandomness
    Duration public immutable DEAD_AFTER;
    /// @inheritdoc IFallbackRandomness
    Duration public immutable LOST_AFTER;
    /// @inheritdoc IRandomness
    Timestamp public immutable GENESIS;
    /// @inheritdoc IRandomness
    Duration public immutable PERIOD;
    /// @inheritdoc IRandomness
    bytes32 public immutable kind;

    /// @inheritdoc IFallbackRandomness
    mapping(uint64 round => uint64 fallbackRound) public fallbackRoundOf;
    mapping(uint64 round => bytes32 value) private _values;
    mapping(uint64 round => Timestamp) private _deliveredAt;
    uint64 private _newest;

    /// @param lostAfter At least as long as the fallback can prove a round: for `BlockMix` the time of 8,191 blocks.
    constructor(IRandomness beacon, IRandomness fallback_, Duration deadAfter, Duration lostAfter) {
        BEACON = beacon;
        FALLBACK = fallback_;
        DEAD_AFTER = deadAfter;
        LOST_AFTER = lostAfter;
        GENESIS = beacon.GENESIS();
        PERIOD = beacon.PERIOD();
        // INVARIANT: with a part for development only, the whole is.
        bool development = beacon.kind() == DEVELOPMENT || fallback_.kind() == DEVELOPMENT;
        kind = development ? DEVELOPMENT : bytes32("FALLBACK");
    }

    /// @inheritdoc IFallbackRandomness
    function declareDead(uint64 round) external returns (uint64 fallbackRound) {
        if (valueOf(round) != 0) revert RoundKnown(round);
        _requireDead(round);
        Timestamp from = dueAt(round).plus(DEAD_AFTER);
        fallbackRound = fallbackRoundOf[round];
        // INVARIANT: another round of the fallback is drawn only after the first one is lost: a value that can be had is not passed over.
        if (fallbackRound != 0) {
            if (FALLBACK.valueOf(fallbackRound) != 0) revert RoundKnown(round);
            from = FALLBACK.dueAt(fallbackRound).plus(LOST_AFTER);
        }
        if (!from.hasCome()) revert TooEarly(round, from);
        // INVARIANT: at the declaration nobody knows the value: the fallback's round is due later.
        fallbackRound = FALLBACK.roundAfter(Clock.current());
        fallbackRoundOf[round] = fallbackRound;
        emit DeclaredDead(round, fallbackRound);
    }

    /// @inheritdoc IFallbackRandomness
    function deliverFallback(uint64 round, bytes calldata proof) external returns (bytes32 value) {
        value = valueOf(round);
        if (value != 0) return value;
        uint64 fallbackRound = fallbackRoundOf[round];
        if (fallbackRound == 0) revert NotDeclaredDead(round);
        _requireDead(round);
        value = FALLBACK.deliver(fallbackRound, proof);
        // INVARIANT: a round has one value, the first that is known: this is stored, and the beacon's is not looked at any more.
        _values[round] = value;
        _deliveredAt[round] = Clock.current();
        if (round > _newest) _newest = round;
        emit RoundDelivered(round, value);
    }

    /// @inheritdoc IRandomness
    function deliver(uint64 round, bytes calldata proof) external returns (bytes32 value) {
        value = valueOf(round);
        if (value != 0) return value;
        value = BEACON.deliver(round, proof);
        emit RoundDelivered(round, value);
    }

    /// @inheritdoc IRandomness
    function valueOf(uint64 round) public view returns (bytes32 value) {
        value = _values[round];
        if (value == 0) value = BEACON.valueOf(round);
    }

    /// @inheritdoc IRandomness
    function deliveredAt(uint64 round) external view returns (Timestamp) {
        return _values[round] != 0 ? _deliveredAt[round] : BEACON.deliveredAt(round);
    }

    /// @inheritdoc IRandomness
    function newest() external view returns (uint64 round) {
        round = BEACON.newest();
        if (_newest > round) round = _newest;
    }

    /// @inheritdoc IRandomness
    function roundAfter(Timestamp time) external view returns (uint64 round) {
        return BEACON.roundAfter(time);
    }

    /// @inheritdoc IRandomness
    function dueAt(uint64 round) public view returns (Timestamp) {
        return BEACON.dueAt(round);
    }

    /// @dev INVARIANT: a beacon that has shown this round or a later one is not dead: who could show that could show this one.
    function _requireDead(uint64 round) private view {
        uint64 shown = BEACON.newest();
        if (shown >= round) revert BeaconLives(round, shown);
    }
}
