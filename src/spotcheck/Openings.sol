// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BinaryTree} from "../libraries/BinaryTree.sol";
import {ProgramLib} from "../libraries/ProgramLib.sol";
import {ReceiptLib} from "../libraries/ReceiptLib.sol";
import {RowLib} from "../libraries/RowLib.sol";
import {SaltLib} from "../libraries/SaltLib.sol";
import {Tags} from "../libraries/Tags.sol";
import {INSTRUCTION_BYTES, Instruction, instructionAt} from "../machine/Instruction.sol";
import {RequestHash} from "../types/OtrTypes.sol";

/// @dev Where a tree of the protocol is rooted: tag, number of leaves, root.
struct Rooted {
    bytes32 tag;
    uint256 leaves;
    bytes32 root;
}

/// @dev A cached row of a position.
/// @param slot Of the `slots` rows that each step caches.
struct CachedRow {
    uint256 slot;
    uint256 slots;
    uint256 position;
    uint8 elementType;
    uint32 length;
}

/// @title Openings of a drawn element: parts of one byte string, each led to a root that the receipt or the model commits to
/// @notice docs/spotchecks.md, section 7. Each function reads from byte `cursor` on and returns the cursor behind what it read.
library Openings {
    /// @notice The opening ends early, or has bytes left over.
    error OpeningLength(uint256 expected, uint256 got);
    /// @notice What is opened does not lead to the committed root.
    error OpeningRoot(bytes32 expected, bytes32 got);

    /// @dev Words of a request as EIP-712 encodes it, without its type.
    uint256 private constant REQUEST_WORDS = 13;
    uint256 private constant SAMPLER = 6;
    uint256 private constant TEMPERATURE = 7;

    /// @notice A word.
    function word(bytes calldata opening, uint256 at) internal pure returns (bytes32 value) {
        if (at + 32 > opening.length) revert OpeningLength(at + 32, opening.length);
        // SAFETY: the 32 bytes lie within `opening`, checked above.
        assembly ("memory-safe") {
            value := calldataload(add(opening.offset, at))
        }
    }

    /// @notice Instruction `index` of a program: 128 bytes, siblings.
    function instruction(bytes calldata opening, uint256 index, Rooted memory program)
        internal
        pure
        returns (Instruction i, uint256 next)
    {
        if (opening.length < INSTRUCTION_BYTES) revert OpeningLength(INSTRUCTION_BYTES, opening.length);
        i = instructionAt(opening, 0);
        next = _lead(opening, INSTRUCTION_BYTES, ProgramLib.leaf(opening[:INSTRUCTION_BYTES]), index, program);
    }

    /// @notice Token `index` of a prompt or an answer: salt, token (4 bytes), siblings.
    function token(bytes calldata opening, uint256 cursor, uint256 index, Rooted memory tokens)
        internal
        pure
        returns (uint32 value, uint256 next)
    {
        bytes32 salt = word(opening, cursor);
        value = _token(opening, cursor + 32);
        next = _lead(opening, cursor + 36, SaltLib.tokenLeaf(salt, value), index, tokens);
    }

    /// @notice The record of a step that emits a known token: salt, cache root, siblings.
    function record(bytes calldata opening, uint256 cursor, uint256 step, uint32 emitted, Rooted memory trace)
        internal
        pure
        returns (uint256 next)
    {
        bytes32 leaf = keccak256(abi.encode(Tags.RECORD, word(opening, cursor), emitted, word(opening, cursor + 32)));
        next = _lead(opening, cursor + 64, leaf, step, trace);
    }

    /// @notice The temperature that the machine sees: domain separator, then the request's words.
    /// @dev The digest fixes domain and words, so it is the request that the receipt names, whatever its domain.
    function temperature(bytes calldata opening, uint256 cursor, RequestHash requestHash)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        next = cursor + 32 * (1 + REQUEST_WORDS);
        if (next > opening.length) revert OpeningLength(next, opening.length);
        bytes32 structHash = keccak256(abi.encodePacked(ReceiptLib.REQUEST_TYPE, opening[cursor + 32:next]));
        bytes32 got = ReceiptLib.digest(word(opening, cursor), structHash);
        bytes32 expected = RequestHash.unwrap(requestHash);
        // INVARIANT: the temperature is that of the request which the receipt answers.
        if (got != expected) revert OpeningRoot(expected, got);
        if (word(opening, cursor + 32 * (1 + SAMPLER)) == 0) return (0, next);
        value = uint256(word(opening, cursor + 32 * (1 + TEMPERATURE)));
    }

    /// @notice `count` consecutive chunks of a cached row, from number `first` on: a digest of each, a SHA-256 leaf of each, siblings of their
    ///         range in the row's tree, siblings of the row in its step's cache tree; then that step's record: salt, token (4 bytes), siblings.
    /// @dev What the digests say is for the proofs to show.
    function chunks(
        bytes calldata opening,
        uint256 cursor,
        uint256 first,
        uint256 count,
        CachedRow memory row,
        Rooted memory trace
    ) internal pure returns (uint256 next) {
        bytes32[] memory leaves = new bytes32[](count);
        next = cursor + 32 * count;
        for (uint256 k; k < count; ++k) {
            leaves[k] = word(opening, next);
            next += 32;
        }
        bytes32 top;
        uint256 count_ = RowLib.chunkCount(row.elementType, row.length);
        (top, next) = BinaryTree.topOfRange(leaves, first, count_, opening, next);
        next = _cachedRow(opening, next, RowLib.leaf(row.elementType, row.length, top), row, trace);
    }

    /// @dev Leads a row's leaf to the root of the cached rows of its step, and that by the step's record to the trace.
    function _cachedRow(bytes calldata opening, uint256 cursor, bytes32 leaf, CachedRow memory row, Rooted memory trace)
        private
        pure
        returns (uint256 next)
    {
        bytes32 cacheRoot;
        (cacheRoot, next) = _climb(opening, cursor, leaf, row.slot, row.slots);
        cacheRoot = BinaryTree.root(Tags.CACHE, row.slots, cacheRoot);
        bytes32 record_ = keccak256(abi.encode(Tags.RECORD, word(opening, next), _token(opening, next + 32), cacheRoot));
        next = _lead(opening, next + 36, record_, row.position, trace);
    }

    /// @notice One or two neighbouring states, from number `first` on: the states, siblings of their range.
    function states(bytes calldata opening, uint256 cursor, uint256 first, uint256 count, Rooted memory tree)
        internal
        pure
        returns (uint256 next)
    {
        bytes32[] memory leaves = new bytes32[](count);
        next = cursor;
        for (uint256 k; k < count; ++k) {
            leaves[k] = word(opening, next);
            next += 32;
        }
        bytes32 top;
        (top, next) = BinaryTree.topOfRange(leaves, first, tree.leaves, opening, next);
        _requireRoot(tree, top);
    }

    /// @dev Leads a leaf to a root by siblings.
    function _lead(bytes calldata opening, uint256 cursor, bytes32 leaf, uint256 index, Rooted memory tree)
        private
        pure
        returns (uint256 next)
    {
        bytes32 top;
        (top, next) = _climb(opening, cursor, leaf, index, tree.leaves);
        _requireRoot(tree, top);
    }

    function _climb(bytes calldata opening, uint256 cursor, bytes32 leaf, uint256 index, uint256 n)
        private
        pure
        returns (bytes32 top, uint256 next)
    {
        return BinaryTree.climb(leaf, index, n, 0, BinaryTree.depth(n), opening, cursor);
    }

    function _requireRoot(Rooted memory tree, bytes32 top) private pure {
        bytes32 got = BinaryTree.root(tree.tag, tree.leaves, top);
        // INVARIANT: what is opened is what was committed.
        if (got != tree.root) revert OpeningRoot(tree.root, got);
    }

    function _token(bytes calldata opening, uint256 at) private pure returns (uint32 value) {
        if (at + 4 > opening.length) revert OpeningLength(at + 4, opening.length);
        // SAFETY: the 4 bytes lie within `opening`, checked above.
        assembly ("memory-safe") {
            value := shr(224, calldataload(add(opening.offset, at)))
        }
    }
}
