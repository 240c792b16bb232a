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
/// @dev Whatever the feed does, this answers: it is read by static calls with bounded gas, of whose return data only the first words are
///      looked at. A read that fails, or returns what no such feed returns, counts as no outage: finality must not hang on it for ever.
contract SequencerUptime is IUptime {
    /// @dev An outage: `[down, up)`; `up` is the last moment there is while it lasts.
    struct Outage {
        Timestamp down;
        Timestamp up;
    }

    /// @dev Rounds of the feed that are looked back at. A feed makes two for an outage; real chains have a few a year.
    uint256 private constant MAX_ROUNDS = 64;
    /// @dev Gas of a read: several times what a feed behind a proxy takes, which is about a dozen cold reads of storage and code. So a feed
    ///      that wastes gas takes at most MAX_ROUNDS times that.
    uint256 private constant READ_GAS = 100_000;
    /// @dev Gas that must be left before a read, so that READ_GAS can be handed on: a call hands on 63 of 64 parts at most.
    uint256 private constant GAS_BEFORE_READ = READ_GAS + READ_GAS / 63 + 5000;
    /// @dev Bytes that a round has: five words.
    uint256 private constant ROUND_BYTES = 160;
    Timestamp private constant NEVER = Timestamp.wrap(type(uint40).max);

    /// @inheritdoc IUptime
    address public immutable FEED;
    /// @inheritdoc IUptime
    Duration public immutable GRACE;

    constructor(address feed, Duration grace) {
        if (feed != address(0) && feed.code.length == 0) revert FeedWithoutCode(feed);
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

    /// @dev Outages, newest first, whose grace reaches beyond the deadline.
    function _outagesSince(Timestamp deadline) private view returns (Outage[] memory outages, uint256 count) {
        outages = new Outage[](MAX_ROUNDS);
        Timestamp up = NEVER;
        (bool known, uint80 round, bool down, Timestamp since) =
            _read(abi.encodeCall(ISequencerFeed.latestRoundData, ()));
        for (uint256 i; known && i < MAX_ROUNDS; ++i) {
            if (down) {
                // Two rounds that both say "down" are one outage, since the earlier one.
                if (count != 0 && Timestamp.unwrap(outages[count - 1].up) == Timestamp.unwrap(up)) --count;
                outages[count++] = Outage(since, up);
            } else {
                up = since;
                if (!deadline.isBefore(up.plus(GRACE))) break;
            }
            if (--round == 0) break;
            (known,, down, since) = _read(abi.encodeCall(ISequencerFeed.getRoundData, (round)));
        }
    }

    /// @dev A round, if the feed gives one. Gas of a read that fails is spent at most once: nothing is read after it.
    function _read(bytes memory query) private view returns (bool known, uint80 round, bool down, Timestamp since) {
        // INVARIANT: no caller makes an outage vanish by leaving the feed too little gas.
        if (gasleft() < GAS_BEFORE_READ) revert TooLittleGas(GAS_BEFORE_READ);
        address feed = FEED;
        uint256 answer;
        uint256 id;
        uint256 startedAt;
        // SAFETY: reads `query`; the first three words that the feed returns land beyond the free pointer, which is scratch. Return data
        // beyond them is never copied.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            known := staticcall(READ_GAS, feed, add(query, 0x20), mload(query), buffer, 0x60)
            known := and(known, iszero(lt(returndatasize(), ROUND_BYTES)))
            id := mload(buffer)
            answer := mload(add(buffer, 0x20))
            startedAt := mload(add(buffer, 0x40))
        }
        // A state that began in the future is none: on all chains with such a feed its rounds carry the time of an L1 block that the chain
        // has seen.
        known =
            known && id != 0 && id <= type(uint80).max && answer <= 1 && startedAt != 0 && startedAt <= block.timestamp;
        if (known) (round, down, since) = (uint80(id), answer == 1, Clock.fromSeconds(startedAt));
    }
}
