// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Request} from "../types/OtrTypes.sol";
import {BinaryTree} from "./BinaryTree.sol";
import {Tags} from "./Tags.sol";

/// @title Salts of tokens and records (docs/protocol.md, section 1)
/// @notice Derived from the request, so that whoever holds it can rebuild every commitment. A confidential request shows only a hash of its
///         secret as `seed`: the request may become public in a dispute, the secret not.
library SaltLib {
    /// @notice Salts of prompt tokens.
    uint8 internal constant INPUT = 0;
    /// @notice Salts of output tokens.
    uint8 internal constant OUTPUT = 1;
    /// @notice Salts of records.
    uint8 internal constant RECORD = 2;
    /// @notice Bytes of a record on the wire: its token (4, big-endian) and its cache root.
    uint256 internal constant RECORD_BYTES = 36;

    /// @notice What the request's seed must be for this secret.
    function seedOf(Request calldata request, bytes32 secret) internal pure returns (bytes32) {
        return request.confidential ? keccak256(abi.encode(Tags.SECRET, secret)) : secret;
    }

    /// @notice Key of all salts of a request.
    function key(Request calldata request, bytes32 secret) internal pure returns (bytes32) {
        return keyOf(request.requester, secret, request.nonce);
    }

    /// @notice The same, from the fields that it is made of.
    function keyOf(address requester, bytes32 secret, uint64 nonce) internal pure returns (bytes32) {
        return keccak256(abi.encode(Tags.SALT_KEY, requester, secret, nonce));
    }

    /// @notice Salt of item `index` of a list.
    function salt(bytes32 saltKey, uint8 kind, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode(Tags.SALT, saltKey, kind, index));
    }

    /// @notice Leaf of one token in the input or output tree.
    function tokenLeaf(bytes32 tokenSalt, uint32 token) internal pure returns (bytes32) {
        return keccak256(abi.encode(Tags.TOKEN, tokenSalt, token));
    }

    /// @notice Leaves of prompt tokens, the first of which is number `first` of the prompt.
    function inputLeaves(bytes32 saltKey, uint256 first, uint32[] calldata tokens)
        internal
        pure
        returns (bytes32[] memory leaves)
    {
        uint256 position;
        // SAFETY: reads the place of an array whose bounds Solidity has checked.
        assembly ("memory-safe") {
            position := tokens.offset
        }
        return _tokenLeaves(saltKey, INPUT, first, tokens.length, position, 32, 0);
    }

    /// @notice Root over a whole prompt (`Tags.INPUT`, `INPUT`) or answer (`Tags.OUTPUT`, `OUTPUT`); at least one token.
    function tokensRoot(bytes32 tag, bytes32 saltKey, uint8 kind, uint32[] calldata tokens)
        internal
        pure
        returns (bytes32)
    {
        uint256 position;
        // SAFETY: reads the place of an array whose bounds Solidity has checked.
        assembly ("memory-safe") {
            position := tokens.offset
        }
        uint256 count = tokens.length;
        bytes32[] memory leaves = _tokenLeaves(saltKey, kind, 0, count, position, 32, 0);
        return BinaryTree.root(tag, count, BinaryTree.fold(leaves, BinaryTree.depth(count)));
    }

    /// @notice Leaves of the output tokens that these records emit, the first of which is output number `first`.
    /// @param records Records on the wire, `RECORD_BYTES` each.
    function outputLeaves(bytes32 saltKey, uint256 first, bytes calldata records)
        internal
        pure
        returns (bytes32[] memory leaves)
    {
        uint256 position;
        // SAFETY: as above.
        assembly ("memory-safe") {
            position := records.offset
        }
        return _tokenLeaves(saltKey, OUTPUT, first, records.length / RECORD_BYTES, position, RECORD_BYTES, 224);
    }

    /// @notice Leaves of these records in the trace tree, the first of which belongs to step `first`.
    /// @param records Records on the wire, `RECORD_BYTES` each.
    function recordLeaves(bytes32 saltKey, uint256 first, bytes calldata records)
        internal
        pure
        returns (bytes32[] memory leaves)
    {
        uint256 count = records.length / RECORD_BYTES;
        (bytes32 saltTag, bytes32 recordTag) = (Tags.SALT, Tags.RECORD);
        leaves = new bytes32[](count);
        // SAFETY: writes within `leaves`, and eight words beyond the free pointer, which are scratch. Reads `count` whole records.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, saltTag)
            mstore(add(buffer, 0x20), saltKey)
            mstore(add(buffer, 0x40), RECORD)
            mstore(add(buffer, 0x80), recordTag)
            let from := records.offset
            let to := add(leaves, 0x20)
            for { let end := add(to, shl(5, count)) } lt(to, end) { to := add(to, 0x20) } {
                mstore(add(buffer, 0x60), first)
                mstore(add(buffer, 0xa0), keccak256(buffer, 0x80))
                mstore(add(buffer, 0xc0), shr(224, calldataload(from)))
                mstore(add(buffer, 0xe0), calldataload(add(from, 4)))
                mstore(to, keccak256(add(buffer, 0x80), 0x80))
                first := add(first, 1)
                from := add(from, RECORD_BYTES)
            }
        }
    }

    /// @dev `tokenLeaf(salt(saltKey, kind, first + i), token)` for `count` tokens that lie in calldata from `position` on, `stride` bytes
    ///      apart, the token in the word that is left after a shift right.
    function _tokenLeaves(
        bytes32 saltKey,
        uint8 kind,
        uint256 first,
        uint256 count,
        uint256 position,
        uint256 stride,
        uint256 shift
    ) private pure returns (bytes32[] memory leaves) {
        (bytes32 saltTag, bytes32 tokenTag) = (Tags.SALT, Tags.TOKEN);
        leaves = new bytes32[](count);
        // SAFETY: writes within `leaves`, and seven words beyond the free pointer, which are scratch.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, saltTag)
            mstore(add(buffer, 0x20), saltKey)
            mstore(add(buffer, 0x40), kind)
            mstore(add(buffer, 0x80), tokenTag)
            let dirty := 0
            let to := add(leaves, 0x20)
            for { let end := add(to, shl(5, count)) } lt(to, end) { to := add(to, 0x20) } {
                mstore(add(buffer, 0x60), first)
                let token := shr(shift, calldataload(position))
                dirty := or(dirty, token)
                mstore(add(buffer, 0xa0), keccak256(buffer, 0x80))
                mstore(add(buffer, 0xc0), token)
                mstore(to, keccak256(add(buffer, 0x80), 0x60))
                first := add(first, 1)
                position := add(position, stride)
            }
            // INVARIANT: a token is a uint32, refused here as Solidity refuses it where it reads one.
            if shr(32, dirty) { revert(0, 0) }
        }
    }
}
