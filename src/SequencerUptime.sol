// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IUptime} from "./interfaces/IUptime.sol";
import {Clock, Duration, Timestamp} from "./libraries/Clock.sol";

/// @notice What is read of a sequencer uptime feed (Chainlink's `AggregatorV3Interface`): `answer` 0 up, 1 down; `startedAt` since when.
interface ISequencerFeed {
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    function getRoundData(uint80 roundId)
        external
        view
        returns (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}

/// @title SequencerUptime
contract SequencerUptime is IUptime {
    /// @dev An outage: `[down, up)`; `up` is the last moment there is while it lasts.
    struct Outage {
        Timestamp down;
        Timestamp up;
    }

    /// @dev Rounds of the feed that are looked back at. A feed makes two for an outage; real chains have a few a year.
    uint256 private constant MAX_ROUNDS = 64;
    Timestamp private constant NEVER = Timestamp.wrap(type(uint40).max);

    /// @inheritdoc IUptime
    address public immutable FEED;
    /// @inheritdoc IUptime
    Duration public immutable GRACE;

    constructor(address feed, Duration grace) {
        FEED = feed;
        GRACE = grace;
    }

    /// @inheritdoc IUptime
    function hasPassed(Timestamp deadline) external view returns (bool) {
        return endOf(deadline).hasCome();
    }

    /// @inheritdoc IUptime
    function endOf(Timestamp deadline) public view returns (Timestamp end) {
        end = deadline;
        if (FEED == address(0) || !deadline.hasCome()) return end;
        (Outage[] memory outages, uint256 count) = _outagesSince(deadline);
        // From the oldest to the newest: each outage that begins before the deadline's end so far may move it.
        while (count != 0) {
            Outage memory outage = outages[--count];
            if (outage.down.isBefore(end)) end = end.max(outage.up.plus(GRACE));
        }
    }

    /// @dev Outages, newest first, whose grace reaches beyond the deadline. A feed that fails or has no such round counts as no outage: finality
    ///      must not hang on it for ever.
    function _outagesSince(Timestamp deadline) private view returns (Outage[] memory outages, uint256 count) {
        outages = new Outage[](MAX_ROUNDS);
        Timestamp up = NEVER;
        (bool known, uint80 round, bool down, Timestamp since) = _latest();
        for (uint256 i; known && i < MAX_ROUNDS; ++i) {
            if (down) {
                // Two rounds that both say "down" are one outage, since the earlier one.
                if (count != 0 && Timestamp.unwrap(outages[count - 1].up) == Timestamp.unwrap(up)) --count;
                outages[count++] = Outage(since, up);
            } else {
                up = since;
                if (!deadline.isBefore(up.plus(GRACE))) break;
            }
            (known, down, since) = _at(--round);
        }
    }

    function _latest() private view returns (bool known, uint80 round, bool down, Timestamp since) {
        try ISequencerFeed(FEED).latestRoundData() returns (
            uint80 id, int256 answer, uint256 startedAt, uint256, uint80
        ) {
            return (startedAt != 0 && id != 0, id, answer != 0, Clock.fromSeconds(startedAt));
        } catch {}
    }

    function _at(uint80 round) private view returns (bool known, bool down, Timestamp since) {
        if (round == 0) return (false, false, NEVER);
        try ISequencerFeed(FEED).getRoundData(round) returns (
            uint80, int256 answer, uint256 startedAt, uint256, uint80
        ) {
            return (startedAt != 0, answer != 0, Clock.fromSeconds(startedAt));
        } catch {}
    }
}
