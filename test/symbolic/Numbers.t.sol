// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Numbers} from "src/machine/Numbers.sol";

/// @notice Proofs for all arguments within the stated widths, by halmos (`check_*`). Forge does not run them.
contract NumbersSymbolic {
    /// @dev Below 2^128, as all intermediates of the machine are.
    function check_sat_staysWithin(int136 x, uint8 bits) external pure {
        if (bits == 0 || bits > 63) return;
        int256 most = int256((uint256(1) << bits) - 1);
        int256 y = Numbers.sat(x, bits);
        assert(-most <= y && y <= most);
        if (-most <= x && x <= most) assert(y == x);
        if (x > most) assert(y == most);
        if (x < -most) assert(y == -most);
    }

    function check_rshr_zero(int256 x) external pure {
        assert(Numbers.rshr(x, 0) == x);
    }

    function check_clamp_isWithin(int256 x, int256 lo, int256 hi) external pure {
        if (lo > hi) return;
        int256 y = Numbers.clamp(x, lo, hi);
        assert(lo <= y && y <= hi);
        if (lo <= x && x <= hi) assert(y == x);
    }

    function check_minMax_order(int256 x, int256 y) external pure {
        (int256 least, int256 most) = (Numbers.min(x, y), Numbers.max(x, y));
        assert(least <= most);
        assert((least == x && most == y) || (least == y && most == x));
    }
}
