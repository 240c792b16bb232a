// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Shares of an amount in basis points
library Ratio {
    /// @notice 100%.
    uint256 internal constant ONE = 10_000;

    /// @notice `amount * bps / 10000`, rounded down: what is handed on never exceeds its share, the rest is burnt.
    function shareRoundedDown(uint256 amount, uint256 bps) internal pure returns (uint256) {
        return (amount * bps) / ONE;
    }
}
