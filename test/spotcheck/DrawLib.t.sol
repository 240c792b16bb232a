// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {DrawLib} from "src/spotcheck/DrawLib.sol";
import {ReceiptHash} from "src/types/OtrTypes.sol";

/// @notice Draws against TypeScript (`ts/spotcheck/draws.test.ts` writes the vectors and has the statistics), and what holds for all values.
contract DrawLibTest is Test {
    struct Case {
        bytes32 value;
        ReceiptHash receipt;
        uint256 count;
        uint256 stride;
        uint256 size;
        uint256 pair;
        uint256 number;
    }

    function testDiff_vectors_typeScript() public {
        string memory json = vm.readFile("test/vectors/draws.json");
        vm.chainId(vm.parseJsonUint(json, ".domain.chainId"));
        address rollup = vm.parseJsonAddress(json, ".domain.rollup");
        uint256 count;
        for (; vm.keyExistsJson(json, string.concat(".cases[", vm.toString(count), "]")); ++count) {
            string memory at = string.concat(".cases[", vm.toString(count), "]");
            Case memory c;
            c.value = vm.parseJsonBytes32(json, string.concat(at, ".value"));
            c.receipt = ReceiptHash.wrap(vm.parseJsonBytes32(json, string.concat(at, ".receipt")));
            c.count = _uint(json, at, ".count");
            c.stride = _uint(json, at, ".stride");
            c.size = _uint(json, at, ".size");
            c.pair = _uint(json, at, ".pair");
            c.number = _uint(json, at, ".number");
            _lots(c, json, at, rollup);
            _places(c, json, at);
        }
        assertEq(count, 40);
    }

    function _lots(Case memory c, string memory json, string memory at, address rollup) private view {
        bytes32 seed = DrawLib.batchSeed(c.value, rollup, _uint(json, at, ".batch"));
        assertEq(seed, vm.parseJsonBytes32(json, string.concat(at, ".seed")));
        uint256[] memory drawn = vm.parseJsonUintArray(json, string.concat(at, ".drawn"));
        for (uint256 i; i < 2; ++i) {
            uint256 strip = i == 0 ? 0 : DrawLib.strips(c.count, c.stride) - 1;
            (bool any, uint256 index) = DrawLib.drawnIn(seed, strip, c.count, c.stride);
            assertEq(any ? index + 1 : 0, drawn[i]);
        }
    }

    function _places(Case memory c, string memory json, string memory at) private pure {
        assertEq(DrawLib.stepOf(c.value, c.receipt, c.size), _uint(json, at, ".step"));
        assertEq(DrawLib.instructionOf(c.value, c.receipt, c.pair, c.size), _uint(json, at, ".instruction"));
        assertEq(DrawLib.elementOf(c.value, c.receipt, c.pair, c.size), _uint(json, at, ".element"));
        assertEq(DrawLib.blockOf(c.value, c.receipt, c.pair, c.number, c.size), _uint(json, at, ".block"));
    }

    function _uint(string memory json, string memory at, string memory name) private pure returns (uint256) {
        return vm.parseJsonUint(json, string.concat(at, name));
    }

    // ---------------------------------------------------------------- receipts

    /// @dev Each full strip gives one receipt, a shorter one at most one; nothing else is drawn, and all lie in the batch.
    function testFuzz_drawnIn_oneOfEachStrip(bytes32 seed, uint256 count, uint256 stride) public pure {
        count = bound(count, 0, 300);
        stride = bound(stride, 1, 40);
        uint256 strips = DrawLib.strips(count, stride);
        assertTrue(strips * stride >= count && (strips == 0 || (strips - 1) * stride < count));
        bool[] memory drawn = new bool[](count);
        uint256 total;
        for (uint256 strip; strip < strips; ++strip) {
            (bool any, uint256 index) = DrawLib.drawnIn(seed, strip, count, stride);
            assertTrue(any || (strip == strips - 1 && count % stride != 0), "full strips give one");
            if (!any) continue;
            assertEq(index / stride, strip);
            drawn[index] = true;
            ++total;
        }
        assertEq(DrawLib.drawnCount(seed, count, stride), total);
        for (uint256 index; index < count; ++index) {
            assertEq(DrawLib.isDrawn(seed, index, stride), drawn[index]);
        }
    }

    /// @dev How many receipts a batch has says nothing about which are drawn: who splits or joins batches moves no lot.
    function testFuzz_isDrawn_countHasNoPart(bytes32 seed, uint256 count, uint256 more, uint256 stride) public pure {
        count = bound(count, 1, 1e6);
        more = bound(more, count, 2e6);
        stride = bound(stride, 1, 1e6);
        uint256 strip = (count - 1) / stride;
        (bool any, uint256 index) = DrawLib.drawnIn(seed, strip, count, stride);
        (bool anyMore, uint256 indexMore) = DrawLib.drawnIn(seed, strip, more, stride);
        assertEq(index, indexMore);
        assertTrue(!any || anyMore);
    }

    /// @dev One in `stride` of all places, in batches of one receipt too: 20,000 batches.
    function test_isDrawn_batchesOfOne_rate_succeeds() public view {
        uint256 drawn;
        for (uint256 batch; batch < 20_000; ++batch) {
            if (DrawLib.isDrawn(DrawLib.batchSeed("value", address(this), batch), 0, 20)) ++drawn;
        }
        // Five standard deviations of sqrt(20,000 * 0.05 * 0.95).
        assertApproxEqAbs(drawn, 1000, 155);
    }

    function testFuzz_batchSeed_bindsAll(bytes32 value, address rollup, uint64 batch, uint64 chain) public {
        bytes32 seed = DrawLib.batchSeed(value, rollup, batch);
        assertTrue(seed != DrawLib.batchSeed(keccak256(abi.encode(value)), rollup, batch));
        assertTrue(seed != DrawLib.batchSeed(value, address(uint160(rollup) ^ 1), batch));
        assertTrue(seed != DrawLib.batchSeed(value, rollup, uint256(batch) + 1));
        chain = uint64(bound(chain, 1, 1e9));
        vm.assume(chain != block.chainid);
        vm.chainId(chain);
        assertTrue(seed != DrawLib.batchSeed(value, rollup, batch));
    }

    function drawnIn(uint256 strip, uint256 count, uint256 stride) external pure {
        DrawLib.drawnIn(0, strip, count, stride);
    }

    function drawnCount(uint256 stride) external pure {
        DrawLib.drawnCount(0, 10, stride);
    }

    function isDrawn(uint256 stride) external pure {
        DrawLib.isDrawn(0, 0, stride);
    }

    function stepOf(uint256 steps) external pure {
        DrawLib.stepOf(0, ReceiptHash.wrap(0), steps);
    }

    function test_draw_fromNothing_reverts() public {
        vm.expectRevert(DrawLib.NothingToDrawFrom.selector);
        this.drawnIn(0, 0, 5);
        vm.expectRevert(DrawLib.NothingToDrawFrom.selector);
        this.drawnIn(2, 10, 5);
        vm.expectRevert(DrawLib.NothingToDrawFrom.selector);
        this.drawnIn(0, 10, 0);
        vm.expectRevert(DrawLib.NothingToDrawFrom.selector);
        this.isDrawn(0);
        vm.expectRevert(DrawLib.NothingToDrawFrom.selector);
        this.drawnCount(0);
        vm.expectRevert(DrawLib.NothingToDrawFrom.selector);
        this.stepOf(0);
    }

    // ---------------------------------------------------------------- places

    function testFuzz_places_inRange(bytes32 value, bytes32 receipt, uint256 pair, uint256 number, uint256 size)
        public
        pure
    {
        size = bound(size, 1, type(uint40).max);
        ReceiptHash hash = ReceiptHash.wrap(receipt);
        assertLt(DrawLib.stepOf(value, hash, size), size);
        assertLt(DrawLib.instructionOf(value, hash, pair, size), size);
        assertLt(DrawLib.elementOf(value, hash, pair, size), size);
        assertLt(DrawLib.blockOf(value, hash, pair, number, size), size);
    }

    /// @dev Step, instruction, element and block are hashes of their own: with one value and range they do not go together.
    function testFuzz_places_differ(bytes32 value, bytes32 receipt, uint256 pair) public pure {
        ReceiptHash hash = ReceiptHash.wrap(receipt);
        uint256 size = type(uint40).max;
        uint256[4] memory drawn = [
            DrawLib.stepOf(value, hash, size),
            DrawLib.instructionOf(value, hash, pair, size),
            DrawLib.elementOf(value, hash, pair, size),
            DrawLib.blockOf(value, hash, pair, 0, size)
        ];
        for (uint256 i; i < 4; ++i) {
            for (uint256 j; j < i; ++j) {
                assertTrue(drawn[i] != drawn[j]);
            }
        }
    }
}
