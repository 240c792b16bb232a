// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {Clock, Duration, Timestamp} from "src/libraries/Clock.sol";
import {FoldLib} from "src/libraries/FoldLib.sol";
import {RowLib} from "src/libraries/RowLib.sol";
import {ElementTypes} from "src/machine/ElementTypes.sol";

/// @notice Proofs for all arguments within the stated widths, by halmos (`check_*`). Forge does not run them.
contract LibrariesSymbolic {
    // ---------------------------------------------------------------- time

    function check_plus_saturates(uint40 time, uint32 duration) external pure {
        uint256 sum = uint256(time) + duration;
        uint256 most = type(uint40).max;
        assert(Timestamp.unwrap(Timestamp.wrap(time).plus(Duration.wrap(duration))) == (sum > most ? most : sum));
    }

    function check_fromSeconds_saturates(uint256 seconds_) external pure {
        uint256 most = type(uint40).max;
        assert(Timestamp.unwrap(Clock.fromSeconds(seconds_)) == (seconds_ > most ? most : seconds_));
    }

    function check_order_ofMoments(uint40 x, uint40 y) external pure {
        (Timestamp a, Timestamp b) = (Timestamp.wrap(x), Timestamp.wrap(y));
        assert(a.isBefore(b) == (x < y));
        assert(Timestamp.unwrap(a.max(b)) == (x > y ? x : y));
        assert(Timestamp.unwrap(a.min(b)) == (x < y ? x : y));
        assert(a.isSet() == (x != 0));
    }

    // ---------------------------------------------------------------- trees

    function check_width_halves(uint32 n, uint8 level) external pure {
        if (n == 0 || level > 32) return;
        uint256 w = BinaryTree.width(n, level);
        assert(BinaryTree.width(n, level + 1) == (w + 1) >> 1);
        assert(BinaryTree.width(n, 0) == n);
    }

    /// @dev The top level has one node and the one below it two.
    function check_depth_reachesTheTop(uint32 n) external pure {
        if (n == 0) return;
        uint256 depth = BinaryTree.depth(n);
        assert(BinaryTree.width(n, depth) == 1);
        assert(depth == 0 || BinaryTree.width(n, depth - 1) == 2);
    }

    /// @dev Nodes below siblings add up to the level's width, so every leaf has one way down.
    function check_descendants_cover(uint32 n, uint8 level) external pure {
        if (level == 0 || level > 8) return;
        uint256 w = BinaryTree.width(n, level);
        if (w < 2 || w > 2) return;
        uint256 sum = BinaryTree.descendants(n, level, 0, 1) + BinaryTree.descendants(n, level, 1, 1);
        assert(sum == BinaryTree.width(n, level - 1));
    }

    /// @dev `fold`, `topOfRange` and `climb` give the top that the definition gives, for five leaves.
    function check_top_ofFiveLeaves(bytes32 a, bytes32 b, bytes32 c, bytes32 d, bytes32 e) external view {
        bytes32 right = BinaryTree.parent(BinaryTree.parent(e, 0), 0);
        bytes32 top = BinaryTree.parent(BinaryTree.parent(BinaryTree.parent(a, b), BinaryTree.parent(c, d)), right);
        bytes32[] memory leaves = new bytes32[](5);
        (leaves[0], leaves[1], leaves[2], leaves[3], leaves[4]) = (a, b, c, d, e);
        assert(BinaryTree.fold(leaves, 3) == top);
        assert(this.climb(c, 2, bytes.concat(d, BinaryTree.parent(a, b), right)) == top);
        assert(
            this.climb(e, 4, bytes.concat(BinaryTree.parent(BinaryTree.parent(a, b), BinaryTree.parent(c, d)))) == top
        );
        assert(this.range(b, c, bytes.concat(a, d, right)) == top);
    }

    function climb(bytes32 leaf, uint256 index, bytes calldata siblings) external pure returns (bytes32 top) {
        (top,) = BinaryTree.climb(leaf, index, 5, 0, 3, siblings, 0);
    }

    function range(bytes32 b, bytes32 c, bytes calldata siblings) external pure returns (bytes32 top) {
        bytes32[] memory leaves = new bytes32[](2);
        (leaves[0], leaves[1]) = (b, c);
        (top,) = BinaryTree.topOfRange(leaves, 1, 5, siblings, 0);
    }

    // ---------------------------------------------------------------- folds

    /// @dev Up to 64 blocks each is a part of its own.
    function check_span_flat(uint8 blocks) external pure {
        if (blocks == 0 || blocks > FoldLib.FLAT) return;
        FoldLib.Span memory whole = FoldLib.span(blocks, 0);
        assert(whole.first == 0 && whole.stride == 1 && whole.count == blocks);
    }

    // ---------------------------------------------------------------- rows

    function check_elementAt_byte(bytes32 chunk, uint8 element) external pure {
        assert(RowLib.elementAt(chunk, 0, element) == int8(uint8(chunk[element % 32])));
    }

    function check_elementAt_word(bytes32 chunk) external pure {
        for (uint256 k; k < 4; ++k) {
            uint64 value;
            for (uint256 j; j < 8; ++j) {
                value |= uint64(uint8(chunk[8 * k + j])) << uint64(8 * j);
            }
            assert(RowLib.elementAt(chunk, 3, 4 + k) == int64(value));
        }
    }

    /// @dev Two readers of little-endian elements: the game's and the judge's.
    function check_load_equalsElementAt(bytes32 chunk) external pure {
        bytes memory data = bytes.concat(chunk, bytes32(0));
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := add(data, 0x20)
        }
        for (uint8 type_; type_ < 4; ++type_) {
            for (uint256 k; k < 32 >> type_; ++k) {
                assert(ElementTypes.load(type_, pointer, k) == RowLib.elementAt(chunk, type_, k));
            }
        }
    }

    function check_chunks_equal(uint32 length, uint8 type_) external pure {
        if (length == 0 || type_ > 3) return;
        uint256 chunks = RowLib.chunkCount(type_, length);
        assert(chunks == ElementTypes.chunks(type_, length));
        assert(chunks * 32 >= uint256(length) << type_ && (chunks - 1) * 32 < uint256(length) << type_);
    }
}
