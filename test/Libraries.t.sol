// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Trees} from "./utils/Trees.sol";
import {IModelRegistry} from "src/interfaces/IModelRegistry.sol";
import {BinaryTree} from "src/libraries/BinaryTree.sol";
import {Clock, Duration, Timestamp} from "src/libraries/Clock.sol";
import {FoldLib} from "src/libraries/FoldLib.sol";
import {ProgramLib} from "src/libraries/ProgramLib.sol";
import {Ratio} from "src/libraries/Ratio.sol";
import {RowLib} from "src/libraries/RowLib.sol";

/// @notice The pure libraries against definitions written here.
contract LibrariesTest is Test {
    using Trees for Trees.Tree;

    function _leaves(uint256 n, uint256 seed) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](n);
        for (uint256 i; i < n; ++i) {
            leaves[i] = keccak256(abi.encode(seed, i));
        }
    }

    // ---------------------------------------------------------------- BinaryTree

    function testDiff_depth_definition(uint256 n) public pure {
        n = bound(n, 0, 1 << 32);
        uint256 depth;
        while (n > uint256(1) << depth) ++depth;
        assertEq(BinaryTree.depth(n), depth);
    }

    /// @dev `calldata` for internal library functions.
    function climb(bytes32 node, uint256 index, uint256 n, uint256 level, uint256 toLevel, bytes calldata siblings)
        external
        pure
        returns (bytes32 ancestor)
    {
        uint256 end;
        (ancestor, end) = BinaryTree.climb(node, index, n, level, toLevel, siblings, 0);
        BinaryTree.requireEnd(siblings, end);
    }

    function topOfRange(bytes32[] memory leaves, uint256 lo, uint256 n, bytes calldata siblings)
        external
        pure
        returns (bytes32 top)
    {
        uint256 end;
        (top, end) = BinaryTree.topOfRange(leaves, lo, n, siblings, 0);
        BinaryTree.requireEnd(siblings, end);
    }

    function testFuzz_climb_anyNodeToAnyAncestor(uint256 n, uint256 level, uint256 index, uint256 to) public view {
        n = bound(n, 1, 70);
        Trees.Tree memory tree = Trees.over(_leaves(n, 1));
        level = bound(level, 0, tree.depthOf());
        to = bound(to, level, tree.depthOf());
        index = bound(index, 0, tree.levels[level].length - 1);
        bytes memory siblings = tree.range(index, index, level, to);
        bytes32 got = this.climb(tree.levels[level][index], index, n, level, to, siblings);
        assertEq(got, tree.levels[to][index >> (to - level)]);
    }

    function testFuzz_climb_beyondCount_reverts(uint256 n, uint256 index) public {
        n = bound(n, 1, 70);
        index = bound(index, n, type(uint128).max);
        vm.expectRevert(abi.encodeWithSelector(BinaryTree.NodeOutOfRange.selector, index, n));
        this.climb(0, index, n, 0, 7, new bytes(7 * 32));
    }

    function testFuzz_topOfRange_anyRange(uint256 n, uint256 lo, uint256 hi) public view {
        n = bound(n, 1, 70);
        lo = bound(lo, 0, n - 1);
        hi = bound(hi, lo, n - 1);
        Trees.Tree memory tree = Trees.over(_leaves(n, 2));
        bytes32[] memory range = new bytes32[](hi - lo + 1);
        for (uint256 i; i < range.length; ++i) {
            range[i] = tree.levels[0][lo + i];
        }
        assertEq(this.topOfRange(range, lo, n, tree.range(lo, hi)), tree.top());
    }

    function testFuzz_fold_anyNode(uint256 n, uint256 level, uint256 index, uint256 levels) public pure {
        n = bound(n, 1, 70);
        Trees.Tree memory tree = Trees.over(_leaves(n, 3));
        level = bound(level, 0, tree.depthOf());
        levels = bound(levels, 0, level);
        index = bound(index, 0, tree.levels[level].length - 1);
        bytes32[] memory nodes = tree.descendants(level, index, levels);
        assertEq(BinaryTree.descendants(n, level, index, levels), nodes.length);
        assertEq(BinaryTree.fold(nodes, levels), tree.levels[level][index]);
    }

    function testFuzz_descendants_beyondCount_reverts(uint256 n, uint256 level, uint256 levels, uint256 index) public {
        n = bound(n, 1, 70);
        level = bound(level, 0, 7);
        levels = bound(levels, 0, level);
        uint256 width = BinaryTree.width(n, level);
        index = bound(index, width, 1 << 32);
        vm.expectRevert(abi.encodeWithSelector(BinaryTree.NodeOutOfRange.selector, index, width));
        this.descendants(n, level, index, levels);
    }

    function descendants(uint256 n, uint256 level, uint256 index, uint256 levels) external pure returns (uint256) {
        return BinaryTree.descendants(n, level, index, levels);
    }

    // ---------------------------------------------------------------- programs

    function testFuzz_leaf_otherLength_reverts(bytes calldata instruction) public {
        vm.assume(instruction.length != 128);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InstructionBytes.selector, instruction.length));
        this.leaf(instruction);
    }

    function testFuzz_leaf_definition_succeeds(bytes32[4] calldata words) public view {
        bytes memory instruction = abi.encode(words);
        assertEq(this.leaf(instruction), keccak256(bytes.concat(keccak256("OTR/instruction/1"), instruction)));
    }

    function leaf(bytes calldata instruction) external pure returns (bytes32) {
        return ProgramLib.leaf(instruction);
    }

    // ---------------------------------------------------------------- rows

    function testFuzz_elementAt_littleEndian(int64 value, uint8 elementType, uint8 place) public pure {
        elementType = uint8(bound(elementType, 0, 3));
        uint256 size = 1 << elementType;
        place = uint8(bound(place, 0, 32 / size - 1));
        bytes memory chunk = abi.encode(keccak256("noise"));
        for (uint256 i; i < size; ++i) {
            chunk[place * size + i] = bytes1(uint8(uint64(value) >> (8 * i)));
        }
        int256[4] memory expected = [int256(int8(value)), int16(value), int32(value), value];
        // The element's number in a row whose chunk this is, whichever chunk that be.
        uint256 element = 5 * (32 / size) + place;
        assertEq(RowLib.elementAt(bytes32(chunk), elementType, element), expected[elementType]);
        assertEq(RowLib.chunkOf(elementType, element), 5);
    }

    function testFuzz_chunkCount_coversRow(uint8 elementType, uint32 length) public pure {
        elementType = uint8(bound(elementType, 0, 3));
        uint256 bytes_ = uint256(length) << elementType;
        uint256 chunks = RowLib.chunkCount(elementType, length);
        assertGe(chunks * 32, bytes_);
        assertTrue(chunks == 1 || (chunks - 1) * 32 < bytes_);
    }

    // ---------------------------------------------------------------- folds

    /// @dev Parts cover all blocks, none twice, and each can be posted block by block.
    function testFuzz_span_partsCoverFold(uint256 blocks) public pure {
        blocks = bound(blocks, 2, 1 << 22);
        FoldLib.Span memory whole = FoldLib.span(blocks, 0);
        assertEq(whole.first, 0);
        if (blocks <= 64) {
            assertEq(whole.stride, 1);
            assertEq(whole.count, blocks);
            return;
        }
        uint256 root;
        while (root * root < blocks) ++root;
        assertEq(whole.stride, (blocks + root - 1) / root, "as specified");
        uint256 next;
        for (uint256 part = 1; part <= whole.count; ++part) {
            FoldLib.Span memory span = FoldLib.span(blocks, part);
            assertEq(span.first, next);
            assertEq(span.stride, 1);
            assertGt(span.count, 0);
            next += span.count;
        }
        assertEq(next, blocks);
    }

    // ---------------------------------------------------------------- time and shares

    function testFuzz_clock_neverWraps(uint256 seconds_, uint32 duration) public pure {
        Timestamp time = Clock.fromSeconds(seconds_);
        Timestamp later = time.plus(Duration.wrap(duration));
        assertFalse(later.isBefore(time));
        assertEq(Timestamp.unwrap(time.max(later)), Timestamp.unwrap(later));
        assertEq(Timestamp.unwrap(time.min(later)), Timestamp.unwrap(time));
    }

    function testFuzz_shareRoundedDown_neverMore(uint96 amount, uint16 bps) public pure {
        bps = uint16(bound(bps, 0, 10_000));
        uint256 share = Ratio.shareRoundedDown(amount, bps);
        assertLe(share * 10_000, uint256(amount) * bps);
        assertLt(uint256(amount) * bps, (share + 1) * 10_000);
    }
}
