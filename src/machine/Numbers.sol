// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Integer arithmetic of the machine (docs/machine.md, section 1)
/// @notice Total: defined for every argument that an instruction can make of operand bytes and valid parameters.
/// @dev Why int256 holds every intermediate. Elements and parameters are below 2^63 and 2^31 in magnitude. The largest
///      products are `divide`: 2^63 * 2^62, `dequant`: 2^61 * 2^62, `norm`: 2^31 * 2^63, `rms`: 2^64 * 2^32 and `draw`:
///      2^64 * 2^63; the longest sums are 2^28 squares of 2^62. `rshr` adds at most 2^61. All is below 2^128, so the checked
///      operators never revert.
library Numbers {
    /// @notice x clamped to `[-(2^bits - 1), 2^bits - 1]`.
    function sat(int256 x, uint256 bits) internal pure returns (int256) {
        int256 most = (int256(1) << bits) - 1;
        return clamp(x, -most, most);
    }

    /// @notice `floor((x + 2^(s-1)) / 2^s)`, and x for `s = 0`: rounding shift, halves upwards.
    function rshr(int256 x, uint256 s) internal pure returns (int256) {
        // The shift right of a signed integer is arithmetic, which is the floor.
        return s == 0 ? x : (x + (int256(1) << (s - 1))) >> s;
    }

    /// @notice `floor(a / max(b, 1))`.
    function fdiv(int256 a, int256 b) internal pure returns (int256 quotient) {
        int256 divisor = max(b, 1);
        quotient = a / divisor;
        // Division truncates; below zero the floor is one less unless it is exact.
        if (a < 0 && quotient * divisor != a) quotient -= 1;
    }

    /// @notice `floor(sqrt(x))`, 0 for `x <= 0`.
    function isqrt(int256 x) internal pure returns (int256) {
        return x <= 0 ? int256(0) : int256(Math.sqrt(uint256(x)));
    }

    /// @notice `min(max(x, lo), hi)`.
    function clamp(int256 x, int256 lo, int256 hi) internal pure returns (int256) {
        return min(max(x, lo), hi);
    }

    function min(int256 x, int256 y) internal pure returns (int256) {
        return x < y ? x : y;
    }

    function max(int256 x, int256 y) internal pure returns (int256) {
        return x > y ? x : y;
    }
}
