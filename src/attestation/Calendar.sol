// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title UTC dates as seconds since 1970
/// @notice Total: what is no date is reported, not refused, so that each format has its own error.
library Calendar {
    /// @dev Greater than any part of a date, and than any year made of two of them.
    uint256 private constant NO_NUMBER = 10_000;

    /// @notice Two decimal digits at `at`, or a number that no date has. Callers have checked the range.
    function two(bytes calldata data, uint256 at) internal pure returns (uint256) {
        uint256 tens = uint8(data[at]);
        uint256 ones = uint8(data[at + 1]);
        if (tens < 0x30 || tens > 0x39 || ones < 0x30 || ones > 0x39) return NO_NUMBER;
        return 10 * (tens - 0x30) + ones - 0x30;
    }

    /// @notice Seconds from 1970 to the start of this day. Not valid: no day of the years 1970 to 9999.
    function day(uint256 year, uint256 month, uint256 date) internal pure returns (bool valid, uint64 time) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        uint256 last = month == 2 ? (leap ? 29 : 28) : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
        if (year < 1970 || year > 9999 || month == 0 || month > 12 || date == 0 || date > last) return (false, 0);
        // Years that begin in March end with the leap day; 153 days make five months from March on.
        uint256 full = month < 3 ? year - 1 : year;
        uint256 months = (month + 9) % 12;
        uint256 days_ = full * 365 + full / 4 - full / 100 + full / 400 + (153 * months + 2) / 5 + date - 719_469;
        return (true, uint64(86_400 * days_));
    }

    /// @notice Seconds from midnight to this time of the day, without leap seconds.
    function second(uint256 hour, uint256 minute, uint256 second_) internal pure returns (bool valid, uint64 time) {
        if (hour > 23 || minute > 59 || second_ > 59) return (false, 0);
        return (true, uint64(3600 * hour + 60 * minute + second_));
    }
}
