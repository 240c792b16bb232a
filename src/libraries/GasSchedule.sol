// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Gas of a game in constants
/// @notice What is repaid is never measured on-chain: a challenger could burn gas on purpose. Each constant is between 80% and 100% of the
///         cheapest transaction of its kind, so that a game never pays more than it cost (`test/Gas.t.sol`).
library GasSchedule {
    /// @notice `open`, `openTrace`.
    uint256 internal constant OPEN = 140_000;
    /// @notice Each move of the challenger.
    uint256 internal constant MOVE = 31_000;
    /// @notice `conclude`, `timeout`, `close`.
    uint256 internal constant CONCLUDE = 65_000;
    /// @notice Most that a game costs the executor: all of its moves in a game of `MAX_TURNS`, none cheaper than it can be.
    uint256 internal constant EXECUTOR = 3_500_000;
}
