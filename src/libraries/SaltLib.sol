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

    /// @notice Root over prompt (`Tags.INPUT`, `INPUT`) or output tokens (`Tags.OUTPUT`, `OUTPUT`); at least one token.
    function tokensRoot(bytes32 tag, bytes32 saltKey, uint8 kind, uint32[] memory tokens)
        internal
        pure
        returns (bytes32)
    {
        uint256 count = tokens.length;
        bytes32[] memory leaves = new bytes32[](count);
        bytes32 saltTag = Tags.SALT;
        bytes32 tokenTag = Tags.TOKEN;
        // SAFETY: leaf `i` is `keccak256(abi.encode(TOKEN, salt(saltKey, kind, i), tokens[i]))`, made in seven words beyond the free pointer,
        // which are scratch: memory does not grow with the number of tokens. Reads and writes stay within `tokens` and `leaves`.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, saltTag)
            mstore(add(buffer, 0x20), saltKey)
            mstore(add(buffer, 0x40), kind)
            let leaf := add(buffer, 0x80)
            mstore(leaf, tokenTag)
            for { let at := 0 } lt(at, shl(5, count)) { at := add(at, 0x20) } {
                mstore(add(buffer, 0x60), shr(5, at))
                mstore(add(leaf, 0x20), keccak256(buffer, 0x80))
                mstore(add(leaf, 0x40), mload(add(add(tokens, 0x20), at)))
                mstore(add(add(leaves, 0x20), at), keccak256(leaf, 0x60))
            }
        }
        return BinaryTree.root(tag, count, BinaryTree.fold(leaves, BinaryTree.depth(count)));
    }
}
