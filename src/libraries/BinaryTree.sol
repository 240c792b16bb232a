// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title The one binary tree of the protocol
/// @notice docs/protocol.md, section 1. Leaves are 32-byte values; `parent = keccak256(left ‖ right)`; nodes beyond a level's
///         width are the zero node. A tree of `n >= 1` leaves has `width(n, L)` nodes at level `L`, level 0 being the leaves.
/// @dev Sound only together with a known `n`: roots bind it (`root`), and row trees get it from the instruction.
library BinaryTree {
    /// @notice The opening ends before the top is reached.
    error OpeningTooShort(uint256 needed, uint256 got);
    /// @notice The opening has siblings left over.
    error OpeningTooLong(uint256 used, uint256 got);
    /// @notice No such node in a tree of this size.
    error NodeOutOfRange(uint256 index, uint256 width);

    /// @notice Levels above the leaves: `ceil(log2 n)`.
    function depth(uint256 n) internal pure returns (uint256) {
        return n < 2 ? 0 : Math.log2(n - 1) + 1;
    }

    /// @notice Nodes at `level` of a tree with `n` leaves.
    function width(uint256 n, uint256 level) internal pure returns (uint256) {
        return (n + (uint256(1) << level) - 1) >> level;
    }

    /// @notice `keccak256(left ‖ right)`.
    function parent(bytes32 left, bytes32 right) internal pure returns (bytes32 node) {
        // SAFETY: scratch space only (0x00-0x3f).
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            node := keccak256(0x00, 0x40)
        }
    }

    /// @notice Root of a tagged tree: binds kind and number of leaves to the top.
    function root(bytes32 tag, uint256 n, bytes32 top) internal pure returns (bytes32) {
        return keccak256(abi.encode(tag, n, top));
    }

    /// @notice Climbs from the node (`level`, `index`) to its ancestor at `toLevel`.
    /// @param siblings Bytes that hold the siblings, 32 each, from byte `cursor` on.
    /// @return ancestor The node at `toLevel`.
    /// @return next Cursor behind the last sibling used.
    function climb(
        bytes32 node,
        uint256 index,
        uint256 n,
        uint256 level,
        uint256 toLevel,
        bytes calldata siblings,
        uint256 cursor
    ) internal pure returns (bytes32 ancestor, uint256 next) {
        uint256 w = width(n, level);
        // INVARIANT: a node beyond the count is never opened, so padding cannot be played.
        if (index >= w) revert NodeOutOfRange(index, w);
        ancestor = node;
        next = cursor;
        uint256 length = siblings.length;
        bool short;
        // SAFETY: writes scratch space only (0x00-0x3f); a sibling is read only if its 32 bytes lie within `siblings`.
        assembly ("memory-safe") {
            for {} lt(level, toLevel) { level := add(level, 1) } {
                let right := and(index, 1)
                let lone := iszero(or(right, lt(add(index, 1), w)))
                let sibling := 0
                if iszero(lone) {
                    sibling := calldataload(add(siblings.offset, next))
                    next := add(next, 0x20)
                    if gt(next, length) {
                        short := 1
                        break
                    }
                }
                mstore(shl(5, right), ancestor)
                mstore(shl(5, iszero(right)), sibling)
                ancestor := keccak256(0x00, 0x40)
                index := shr(1, index)
                w := shr(1, add(w, 1))
            }
        }
        if (short) revert OpeningTooShort(next, length);
    }

    /// @notice Root of the tagged tree of `n` leaves in which `leaf`, number `index`, opens by exactly these siblings.
    function rootOf(bytes32 tag, bytes32 leaf, uint256 index, uint256 n, bytes calldata siblings)
        internal
        pure
        returns (bytes32)
    {
        (bytes32 top, uint256 end) = climb(leaf, index, n, 0, depth(n), siblings, 0);
        requireEnd(siblings, end);
        return root(tag, n, top);
    }

    /// @notice Top of a tree of `n` leaves from the leaves `lo .. lo + leaves.length - 1` and the siblings of their range.
    /// @dev `leaves` is overwritten.
    /// @param siblings Bytes that hold the siblings of the range opening, from byte `cursor` on.
    /// @return top The tree's top.
    /// @return next Cursor behind the last sibling used.
    function topOfRange(bytes32[] memory leaves, uint256 lo, uint256 n, bytes calldata siblings, uint256 cursor)
        internal
        pure
        returns (bytes32 top, uint256 next)
    {
        uint256 count = leaves.length;
        // INVARIANT: a range is inside the tree and not empty.
        if (count == 0 || lo + count > n) revert NodeOutOfRange(lo + count, n);
        next = cursor;
        for (uint256 w = n; w > 1; w = (w + 1) >> 1) {
            uint256 read;
            uint256 written;
            if (lo & 1 == 1) {
                leaves[0] = parent(_at(siblings, next), leaves[0]);
                next += 32;
                read = 1;
                written = 1;
            }
            uint256 pairs = (count - read) >> 1;
            // SAFETY: reads and writes within `leaves`. A parent lands at or before the pair that it is made of.
            assembly ("memory-safe") {
                let from := add(add(leaves, 0x20), shl(5, read))
                let to := add(add(leaves, 0x20), shl(5, written))
                for { let end := add(from, shl(6, pairs)) } lt(from, end) { from := add(from, 0x40) } {
                    mstore(to, keccak256(from, 0x40))
                    to := add(to, 0x20)
                }
            }
            read += 2 * pairs;
            written += pairs;
            if (read < count) {
                bytes32 right;
                if (lo + count < w) {
                    right = _at(siblings, next);
                    next += 32;
                }
                leaves[written++] = parent(leaves[read], right);
            }
            lo >>= 1;
            count = written;
        }
        top = leaves[0];
    }

    /// @notice Ancestor, `levels` up, of the existing descendants of one node: what a reveal shows.
    /// @dev `nodes` is overwritten. The caller has checked that `nodes` are all that exist (`descendants`).
    function fold(bytes32[] memory nodes, uint256 levels) internal pure returns (bytes32 node) {
        // SAFETY: all writes stay within `nodes`, or in scratch space for a node without right sibling: a level of `count` nodes is
        // read in pairs from the front and written, half as long, over what has been read.
        assembly ("memory-safe") {
            let first := add(nodes, 0x20)
            let count := mload(nodes)
            for {} levels { levels := sub(levels, 1) } {
                let write := first
                let read := first
                for { let end := add(first, shl(6, shr(1, count))) } lt(read, end) { read := add(read, 0x40) } {
                    mstore(write, keccak256(read, 0x40))
                    write := add(write, 0x20)
                }
                if and(count, 1) {
                    mstore(0x00, mload(read))
                    mstore(0x20, 0)
                    mstore(write, keccak256(0x00, 0x40))
                }
                count := shr(1, add(count, 1))
            }
            node := mload(first)
        }
    }

    /// @notice How many descendants `levels` below the node (`level`, `index`) exist.
    function descendants(uint256 n, uint256 level, uint256 index, uint256 levels) internal pure returns (uint256) {
        uint256 w = width(n, level - levels);
        uint256 first = index << levels;
        // INVARIANT: only nodes within the count have descendants.
        if (first >= w) revert NodeOutOfRange(index, width(n, level));
        uint256 rest = w - first;
        uint256 full = uint256(1) << levels;
        return rest < full ? rest : full;
    }

    /// @notice Reverts unless exactly the whole opening was used.
    function requireEnd(bytes calldata siblings, uint256 cursor) internal pure {
        if (cursor != siblings.length) revert OpeningTooLong(cursor, siblings.length);
    }

    function _at(bytes calldata siblings, uint256 cursor) private pure returns (bytes32 value) {
        if (cursor + 32 > siblings.length) revert OpeningTooShort(cursor + 32, siblings.length);
        // SAFETY: the 32 bytes lie within `siblings`, checked above.
        assembly ("memory-safe") {
            value := calldataload(add(siblings.offset, cursor))
        }
    }
}
