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
        return keccak256(abi.encode(Tags.SALT_KEY, request.requester, secret, request.nonce));
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
        for (uint256 i; i < count; ++i) {
            leaves[i] = keccak256(abi.encode(Tags.TOKEN, salt(saltKey, kind, i), tokens[i]));
        }
        return BinaryTree.root(tag, count, BinaryTree.fold(leaves, BinaryTree.depth(count)));
    }
}
