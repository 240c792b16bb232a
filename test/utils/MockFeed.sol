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

/// @title A feed that returns any bytes, and may waste gas
contract RawFeed {
    bytes private _latest;
    bytes private _other;
    uint256 private _waste;
    bool private _burns;

    /// @dev What `latestRoundData` returns.
    function setLatest(bytes calldata latest) external {
        _latest = latest;
    }

    /// @dev What `getRoundData` returns.
    function setOther(bytes calldata other) external {
        _other = other;
    }

    /// @dev Gas that each read takes.
    function setWaste(uint256 waste) external {
        _waste = waste;
    }

    /// @dev Every read uses up all its gas.
    function setBurns(bool burns) external {
        _burns = burns;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        uint256 start = gasleft();
        while (_burns || start - gasleft() < _waste) {}
        return msg.sig == ISequencerFeed.latestRoundData.selector ? _latest : _other;
    }
}
