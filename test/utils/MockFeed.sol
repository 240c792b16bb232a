// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ISequencerFeed} from "src/SequencerUptime.sol";

/// @title A sequencer uptime feed whose outages tests choose
contract MockFeed is ISequencerFeed {
    struct Round {
        int256 answer;
        uint256 startedAt;
    }

    Round[] public rounds;
    bool public broken;

    constructor() {
        rounds.push(Round(0, 1));
    }

    /// @dev The sequencer's state since `startedAt`: true is down.
    function push(bool down, uint256 startedAt) external {
        rounds.push(Round(down ? int256(1) : int256(0), startedAt));
    }

    /// @dev Every read reverts.
    function setBroken(bool broken_) external {
        broken = broken_;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(uint80(rounds.length));
    }

    function getRoundData(uint80 id) public view returns (uint80, int256, uint256, uint256, uint80) {
        require(!broken && id != 0 && id <= rounds.length, "no data");
        Round memory round = rounds[id - 1];
        return (id, round.answer, round.startedAt, round.startedAt, id);
    }
}
