// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Calendar} from "./Calendar.sol";

/// @title Strict reader of JSON (RFC 8259) in calldata, as Intel signs it
/// @notice Reads every byte once, from the first to the last, so there is one way to read a document: no white space, no escapes, printable
///         ASCII only, numbers without sign, fraction or leading zero. Members may come in any order; callers refuse a second one of
///         the same name and pass over those that they do not know. Total: ends in a value or in one of these errors.
/// @dev Needs no hints, so none can make another document of the signed bytes. Each function takes the offset of what it reads, and returns
///      the offset behind it.
library Json {
    /// @notice Another character was expected here.
    error JsonExpected(uint256 at, bytes1 expected);
    /// @notice No text without escapes here, or one that is longer than its value may be.
    error JsonText(uint256 at);
    /// @notice No unsigned number here, or one that is greater than allowed.
    error JsonNumber(uint256 at, uint256 most);
    /// @notice No text of so many hexadecimal digits here.
    error JsonHex(uint256 at, uint256 digits);
    /// @notice No time as `2025-06-19T10:16:03Z` here.
    error JsonTime(uint256 at);
    /// @notice A member occurs twice.
    error JsonDuplicate(uint256 at, uint256 member);
    /// @notice Members are missing, or there are some that do not go together.
    error JsonMembers(uint256 at, uint256 expected, uint256 got);
    /// @notice A value is none, or is nested too deep.
    error JsonValue(uint256 at);
    /// @notice Something follows the document.
    error JsonTrailing(uint256 at);

    bytes1 internal constant OBJECT = "{";
    bytes1 internal constant ARRAY = "[";
    uint256 private constant QUOTE = 0x22;
    uint256 private constant COMMA = 0x2c;
    /// @dev Sets of characters, one bit each: printable ASCII without quote and backslash; small letters, digits, `+`, `-`, `.` and `E`.
    uint256 private constant PLAIN = 0x7fffffffeffffffffffffffb00000000;
    uint256 private constant SCALAR = 0x07fffffe0000002003ff680000000000;
    uint256 private constant WORD = 32;
    uint256 private constant MOST_DIGITS = 10;
    uint256 private constant TIME_CHARACTERS = 20;
    /// @dev What is no digit in a time, and where.
    uint256 private constant MARK = 0x000000002d00002d00005400003a00003a00005a000000000000000000000000;
    uint256 private constant MARKS = 0x00000000ff0000ff0000ff0000ff0000ff0000ff000000000000000000000000;

    /// @notice Reads one character.
    function expect(bytes calldata data, uint256 at, bytes1 character) internal pure returns (uint256 next) {
        if (_at(data, at) != uint8(character)) revert JsonExpected(at, character);
        unchecked {
            return at + 1;
        }
    }

    /// @notice Whether these characters, at most 32 from the highest byte on, come next, and what follows them.
    function starts(bytes calldata data, uint256 at, bytes32 characters, uint256 count)
        internal
        pure
        returns (bool found, uint256 next)
    {
        // SAFETY: reads calldata; what is behind the end of `data` counts for nothing.
        assembly ("memory-safe") {
            next := add(at, count)
            let unused := shl(3, sub(WORD, count))
            found := iszero(shr(unused, xor(calldataload(add(data.offset, at)), characters)))
            found := and(found, iszero(gt(next, data.length)))
        }
    }

    /// @notice Reads a member's name, as text from the highest byte on; 0 for names longer than 32 characters, which callers do not know.
    function name(bytes calldata data, uint256 at) internal pure returns (bytes32 value, uint256 next) {
        (at, next) = text(data, at);
        if (next - at <= WORD) value = _word(data, at, next);
        next = expect(data, next + 1, ":");
    }

    /// @notice Reads what follows a member or an element: a comma, or the end of the object or array that began with `opened`.
    function more(bytes calldata data, uint256 at, bytes1 opened) internal pure returns (bool another, uint256 next) {
        uint256 character = _at(data, at);
        // The closing character is the opening one plus 2.
        unchecked {
            uint256 close = uint8(opened) + 2;
            next = at + 1;
            another = character == COMMA;
            if (!another && character != close) revert JsonExpected(at, bytes1(uint8(close)));
        }
    }

    /// @notice Notes a member of an object, each of which has one bit.
    function once(uint256 seen, uint256 member, uint256 at) internal pure returns (uint256) {
        if (seen & member != 0) revert JsonDuplicate(at, member);
        return seen | member;
    }

    /// @notice Reverts unless exactly these members were there.
    function complete(uint256 seen, uint256 expected, uint256 at) internal pure {
        if (seen != expected) revert JsonMembers(at, expected, seen);
    }

    /// @notice Reads a text; `[start, end)` is without its quotes, so what follows it starts at `end + 1`.
    function text(bytes calldata data, uint256 at) internal pure returns (uint256 start, uint256 end) {
        start = expect(data, at, '"');
        bool ended;
        // SAFETY: reads calldata before the end of `data`.
        assembly ("memory-safe") {
            let last := add(data.offset, data.length)
            let p := add(data.offset, start)
            // INVARIANT: no backslash, so a quote always ends a text; no control characters, nothing that is not ASCII.
            for {} lt(p, last) { p := add(p, 1) } {
                if iszero(and(shr(byte(0, calldataload(p)), PLAIN), 1)) {
                    ended := eq(byte(0, calldataload(p)), 0x22)
                    break
                }
            }
            end := sub(p, data.offset)
        }
        if (!ended) revert JsonText(at);
    }

    /// @notice Reads a text of at most 32 characters, from the highest byte on.
    function word(bytes calldata data, uint256 at) internal pure returns (bytes32 value, uint256 next) {
        (uint256 start, uint256 end) = text(data, at);
        if (end - start > WORD) revert JsonText(at);
        return (_word(data, start, end), end + 1);
    }

    /// @notice Reads an unsigned integer of at most `most`, which has no more than 10 digits.
    function number(bytes calldata data, uint256 at, uint256 most) internal pure returns (uint256 value, uint256 next) {
        // SAFETY: reads calldata before the end of `data`.
        assembly ("memory-safe") {
            let last := add(at, MOST_DIGITS)
            if gt(last, data.length) { last := data.length }
            for { next := at } lt(next, last) { next := add(next, 1) } {
                let digit := xor(byte(0, calldataload(add(data.offset, next))), 0x30)
                if gt(digit, 9) { break }
                value := add(mul(10, value), digit)
            }
        }
        if (next == at || value > most || (next - at > 1 && data[at] == "0")) revert JsonNumber(at, most);
    }

    /// @notice Reads a text of two hexadecimal digits for each of `size` bytes, of at most 32.
    function hexWord(bytes calldata data, uint256 at, uint256 size)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        (uint256 start, uint256 end) = text(data, at);
        if (end - start != 2 * size) revert JsonHex(at, 2 * size);
        return (_hex(data, start, end), end + 1);
    }

    /// @notice Reads a text of 96 hexadecimal digits.
    function hex48(bytes calldata data, uint256 at) internal pure returns (bytes memory value, uint256 next) {
        (uint256 start, uint256 end) = text(data, at);
        if (end - start != 96) revert JsonHex(at, 96);
        value = bytes.concat(bytes16(uint128(_hex(data, start, start + 32))), bytes32(_hex(data, start + 32, end)));
        next = end + 1;
    }

    /// @notice Reads a UTC time with seconds, in seconds since 1970.
    function time(bytes calldata data, uint256 at) internal pure returns (uint64 value, uint256 next) {
        (uint256 start, uint256 end) = text(data, at);
        if (end - start != TIME_CHARACTERS) revert JsonTime(at);
        uint256 marks = uint256(_word(data, start, end));
        // INVARIANT: `-`, `-`, `T`, `:`, `:` and `Z` are at their places.
        if (marks & MARKS != MARK) revert JsonTime(at);
        (bool valid, uint64 day) = Calendar.day(
            100 * Calendar.two(data, start) + Calendar.two(data, start + 2),
            Calendar.two(data, start + 5),
            Calendar.two(data, start + 8)
        );
        if (!valid) revert JsonTime(at);
        (valid, value) = Calendar.second(
            Calendar.two(data, start + 11), Calendar.two(data, start + 14), Calendar.two(data, start + 17)
        );
        if (!valid) revert JsonTime(at);
        value += day;
        next = end + 1;
    }

    /// @notice Passes over a value of any kind.
    function skip(bytes calldata data, uint256 at) internal pure returns (uint256) {
        // One bit for each object (1) or array (0) that is open, behind a 1.
        uint256 open = 1;
        while (true) {
            if (open >> 255 != 0) revert JsonValue(at);
            uint256 character = _at(data, at);
            if (character == uint8(OBJECT)) {
                if (_at(data, at + 1) != uint8(OBJECT) + 2) {
                    open = open << 1 | 1;
                    (, at) = name(data, at + 1);
                    continue;
                }
                at += 2;
            } else if (character == uint8(ARRAY)) {
                if (_at(data, at + 1) != uint8(ARRAY) + 2) {
                    open <<= 1;
                    ++at;
                    continue;
                }
                at += 2;
            } else {
                at = _scalar(data, at);
            }
            // The value is complete, and so may be those around it.
            while (true) {
                if (open == 1) return at;
                bool object = open & 1 == 1;
                bool another;
                (another, at) = more(data, at, object ? OBJECT : ARRAY);
                if (another) {
                    if (object) (, at) = name(data, at);
                    break;
                }
                open >>= 1;
            }
        }
        // Not reached.
        return at;
    }

    /// @dev Passes over a text, or letters, digits and signs: what they say is nobody's concern, and they end where the value ends.
    function _scalar(bytes calldata data, uint256 at) private pure returns (uint256 next) {
        if (_at(data, at) == QUOTE) {
            (, next) = text(data, at);
            return next + 1;
        }
        // SAFETY: reads calldata before the end of `data`.
        assembly ("memory-safe") {
            next := at
            for {} lt(next, data.length) { next := add(next, 1) } {
                if iszero(and(shr(byte(0, calldataload(add(data.offset, next))), SCALAR), 1)) { break }
            }
        }
        if (next == at) revert JsonValue(at);
    }

    /// @dev The characters `[start, end)`, at most 32, from the highest byte on.
    function _word(bytes calldata data, uint256 start, uint256 end) private pure returns (bytes32 value) {
        // SAFETY: reads calldata, and keeps only what lies in the range.
        assembly ("memory-safe") {
            let unused := shl(3, sub(32, sub(end, start)))
            value := shl(unused, shr(unused, calldataload(add(data.offset, start))))
        }
    }

    /// @dev The number that hexadecimal digits make.
    function _hex(bytes calldata data, uint256 start, uint256 end) private pure returns (uint256 value) {
        bool valid = true;
        // SAFETY: reads calldata of the range.
        assembly ("memory-safe") {
            let last := add(data.offset, end)
            for { let p := add(data.offset, start) } lt(p, last) { p := add(p, 1) } {
                let character := byte(0, calldataload(p))
                let digit := sub(character, 0x30)
                if gt(digit, 9) {
                    // Small and capital letters.
                    digit := add(sub(or(character, 0x20), 0x61), 10)
                    if or(lt(digit, 10), gt(digit, 15)) { valid := 0 }
                }
                value := or(shl(4, value), and(digit, 0xf))
            }
        }
        if (!valid) revert JsonHex(start, end - start);
    }

    /// @dev The character at this offset; 0, which no JSON contains, behind the end.
    function _at(bytes calldata data, uint256 at) private pure returns (uint256 character) {
        // SAFETY: reads calldata before the end of `data`.
        assembly ("memory-safe") {
            if lt(at, data.length) { character := byte(0, calldataload(add(data.offset, at))) }
        }
    }
}
