// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice RLP of block headers, for tests.
library Headers {
    struct Header {
        bytes32 parentHash;
        uint256 number;
        uint256 timestamp;
        bytes32 stateRoot;
        bytes extra;
        bytes32 mixHash;
    }

    bytes32 internal constant NO_OMMERS = 0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347;
    bytes32 internal constant EMPTY_TREE = 0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421;

    /// @notice A header of Prague's form, 21 fields.
    function encode(Header memory h) internal pure returns (bytes memory) {
        return list(fields(h));
    }

    /// @notice The fields of a header.
    function fields(Header memory h) internal pure returns (bytes[] memory items) {
        items = new bytes[](21);
        items[0] = abi.encodePacked(h.parentHash);
        items[1] = abi.encodePacked(NO_OMMERS);
        items[2] = abi.encodePacked(address(0xfee));
        items[3] = abi.encodePacked(h.stateRoot);
        items[4] = abi.encodePacked(EMPTY_TREE);
        items[5] = abi.encodePacked(EMPTY_TREE);
        items[6] = new bytes(256);
        items[8] = number(h.number);
        items[9] = number(60_000_000);
        items[10] = number(21_000);
        items[11] = number(h.timestamp);
        items[12] = h.extra;
        items[13] = abi.encodePacked(h.mixHash);
        items[14] = new bytes(8);
        items[15] = number(7);
        items[16] = abi.encodePacked(EMPTY_TREE);
        items[19] = abi.encodePacked(h.stateRoot);
        items[20] = abi.encodePacked(h.parentHash);
    }

    /// @notice A list of strings.
    function list(bytes[] memory items) internal pure returns (bytes memory payload) {
        for (uint256 i; i < items.length; ++i) {
            payload = bytes.concat(payload, item(items[i]));
        }
        return bytes.concat(head(payload.length, 0xc0), payload);
    }

    function item(bytes memory data) internal pure returns (bytes memory) {
        if (data.length == 1 && uint8(data[0]) < 0x80) return data;
        return bytes.concat(head(data.length, 0x80), data);
    }

    function head(uint256 length, uint256 base) internal pure returns (bytes memory) {
        if (length < 56) return abi.encodePacked(uint8(base + length));
        bytes memory bytes_ = number(length);
        return bytes.concat(bytes1(uint8(base + 55 + bytes_.length)), bytes_);
    }

    /// @notice Big-endian without leading zeros.
    function number(uint256 value) internal pure returns (bytes memory out) {
        uint256 size;
        while (size < 32 && value >> (8 * size) != 0) ++size;
        out = new bytes(size);
        for (uint256 i; i < size; ++i) {
            out[i] = bytes1(uint8(value >> (8 * (size - 1 - i))));
        }
    }
}
