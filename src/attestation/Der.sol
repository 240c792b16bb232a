// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Strict reader of DER (ITU-T X.690) in calldata
/// @notice Total: whatever the bytes, a function ends in a value or in one of these errors, and reads nothing outside its range.
/// @dev A range is `[at, end)` in offsets of `data`; callers pass `end <= data.length`. One encoding per value: lengths are definite and
///      shortest, integers positive and shortest, TRUE is 0xff. Tags have one byte.
library Der {
    /// @notice An element's header or contents reach beyond its range.
    error DerTruncated(uint256 at, uint256 end);
    /// @notice Another tag was expected here.
    error DerTag(uint256 at, uint8 expected, uint8 got);
    /// @notice The length is indefinite, not in its shortest form, or above 65,535.
    error DerLength(uint256 at);
    /// @notice A range goes on behind its last element.
    error DerTrailing(uint256 at, uint256 end);
    /// @notice An integer is empty, negative, not in its shortest form, or longer than allowed.
    error DerInteger(uint256 at, uint256 most);
    /// @notice A Boolean is not one byte 0xff: FALSE is the default wherever this reader meets one, and a default is left out.
    error DerBoolean(uint256 at);
    /// @notice A bit string has no count of unused bits, more than 7, or unused bits that are not 0.
    error DerBits(uint256 at);

    uint8 internal constant BOOLEAN = 0x01;
    uint8 internal constant INTEGER = 0x02;
    uint8 internal constant BIT_STRING = 0x03;
    uint8 internal constant OCTET_STRING = 0x04;
    uint8 internal constant OID = 0x06;
    uint8 internal constant ENUMERATED = 0x0a;
    uint8 internal constant UTC_TIME = 0x17;
    uint8 internal constant GENERALIZED_TIME = 0x18;
    uint8 internal constant SEQUENCE = 0x30;

    /// @notice The byte at this offset.
    function byteAt(bytes calldata data, uint256 at, uint256 end) internal pure returns (uint8 value) {
        if (at >= end || end > data.length) revert DerTruncated(at, end);
        // SAFETY: reads calldata of the range.
        assembly ("memory-safe") {
            value := byte(0, calldataload(add(data.offset, at)))
        }
    }

    /// @notice The tag of the element that starts at `at`, or 0 at the end of the range. No element here has tag 0.
    function peek(bytes calldata data, uint256 at, uint256 end) internal pure returns (uint8) {
        return at == end ? 0 : byteAt(data, at, end);
    }

    /// @notice The contents `[start, stop)` of the element with this tag at `at`; the next one starts at `stop`.
    function read(bytes calldata data, uint256 at, uint256 end, uint8 tag)
        internal
        pure
        returns (uint256 start, uint256 stop)
    {
        uint8 got = byteAt(data, at, end);
        if (got != tag) revert DerTag(at, tag, got);
        uint256 length = byteAt(data, at + 1, end);
        start = at + 2;
        if (length >= 0x80) {
            uint256 bytes_ = length & 0x7f;
            if (bytes_ == 0 || bytes_ > 2) revert DerLength(at);
            length = byteAt(data, start, end);
            if (bytes_ == 2) length = length << 8 | byteAt(data, start + 1, end);
            // INVARIANT: the shortest form, so that nothing has two encodings.
            if (length < (bytes_ == 1 ? 0x80 : 0x100)) revert DerLength(at);
            start += bytes_;
        }
        if (length > end - start) revert DerTruncated(at, end);
        stop = start + length;
    }

    /// @notice Like `read`, and the element fills the range.
    function only(bytes calldata data, uint256 at, uint256 end, uint8 tag)
        internal
        pure
        returns (uint256 start, uint256 stop)
    {
        (start, stop) = read(data, at, end, tag);
        finish(stop, end);
    }

    /// @notice Nothing is left of the range.
    function finish(uint256 at, uint256 end) internal pure {
        if (at != end) revert DerTrailing(at, end);
    }

    /// @notice The positive integer at `at`, of at most `most` <= 32 bytes.
    function uintAt(bytes calldata data, uint256 at, uint256 end, uint256 most)
        internal
        pure
        returns (uint256 value, uint256 stop)
    {
        uint256 start;
        (start, stop) = magnitude(data, at, end, most);
        uint256 unused = 8 * (32 + start - stop);
        // SAFETY: reads calldata, and keeps only the at most 32 bytes of the range.
        assembly ("memory-safe") {
            value := shr(unused, calldataload(add(data.offset, start)))
        }
    }

    /// @notice The bytes of the positive integer at `at` without its leading zero, at most `most`; none for 0.
    function magnitude(bytes calldata data, uint256 at, uint256 end, uint256 most)
        internal
        pure
        returns (uint256 start, uint256 stop)
    {
        (start, stop) = read(data, at, end, INTEGER);
        if (start == stop) revert DerInteger(at, most);
        uint8 first = uint8(data[start]);
        // INVARIANT: a leading zero is there only where the next bit is set, or for 0 itself.
        if (first >= 0x80 || (first == 0 && stop - start > 1 && uint8(data[start + 1]) < 0x80)) {
            revert DerInteger(at, most);
        }
        if (first == 0) ++start;
        if (stop - start > most) revert DerInteger(at, most);
    }

    /// @notice Whether the Boolean TRUE, DEFAULT FALSE, is at `at`; `stop` is where the next element starts.
    function flag(bytes calldata data, uint256 at, uint256 end) internal pure returns (bool set, uint256 stop) {
        if (peek(data, at, end) != BOOLEAN) return (false, at);
        uint256 start;
        (start, stop) = read(data, at, end, BOOLEAN);
        if (stop - start != 1 || uint8(data[start]) != 0xff) revert DerBoolean(at);
        return (true, stop);
    }

    /// @notice The contents of the bit string at `at`, and how many bits of its last byte are unused and 0.
    function bits(bytes calldata data, uint256 at, uint256 end)
        internal
        pure
        returns (uint256 start, uint256 stop, uint8 unused)
    {
        (start, stop) = read(data, at, end, BIT_STRING);
        if (start == stop) revert DerBits(at);
        unused = uint8(data[start]);
        ++start;
        if (unused > 7 || (unused != 0 && start == stop)) revert DerBits(at);
        if (unused != 0 && uint8(data[stop - 1]) & ((1 << unused) - 1) != 0) revert DerBits(at);
    }
}
