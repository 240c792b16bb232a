// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {ElementTypes} from "src/machine/ElementTypes.sol";
import {Numbers} from "src/machine/Numbers.sol";

contract NumbersTest is Test {
    function test_sat_ends_succeeds() public pure {
        assertEq(Numbers.sat(127, 7), 127);
        assertEq(Numbers.sat(128, 7), 127);
        assertEq(Numbers.sat(-127, 7), -127);
        assertEq(Numbers.sat(-128, 7), -127);
        assertEq(Numbers.sat(2, 1), 1);
        assertEq(Numbers.sat(-2, 1), -1);
        assertEq(Numbers.sat(type(int64).min, 63), -type(int64).max);
        assertEq(Numbers.sat(type(int128).max, 63), type(int64).max);
    }

    function test_rshr_halves_succeeds() public pure {
        assertEq(Numbers.rshr(5, 0), 5);
        assertEq(Numbers.rshr(-5, 0), -5);
        assertEq(Numbers.rshr(5, 1), 3);
        assertEq(Numbers.rshr(-5, 1), -2);
        assertEq(Numbers.rshr(-3, 1), -1);
        assertEq(Numbers.rshr(-1, 1), 0);
        assertEq(Numbers.rshr(6, 2), 2);
        assertEq(Numbers.rshr(-6, 2), -1);
        assertEq(Numbers.rshr(type(int64).min, 62), -2);
    }

    function test_fdiv_signs_succeeds() public pure {
        assertEq(Numbers.fdiv(7, 2), 3);
        assertEq(Numbers.fdiv(-7, 2), -4);
        assertEq(Numbers.fdiv(-8, 2), -4);
        assertEq(Numbers.fdiv(0, 5), 0);
        assertEq(Numbers.fdiv(7, 0), 7);
        assertEq(Numbers.fdiv(-7, -3), -7);
    }

    function test_isqrt_squares_succeeds() public pure {
        assertEq(Numbers.isqrt(-1), 0);
        assertEq(Numbers.isqrt(0), 0);
        assertEq(Numbers.isqrt(1), 1);
        assertEq(Numbers.isqrt(3), 1);
        assertEq(Numbers.isqrt(4), 2);
        assertEq(Numbers.isqrt((int256(1) << 96) - 1), (int256(1) << 48) - 1);
    }

    function test_clamp_ends_succeeds() public pure {
        assertEq(Numbers.clamp(5, 0, 3), 3);
        assertEq(Numbers.clamp(-5, 0, 3), 0);
        assertEq(Numbers.clamp(2, 0, 3), 2);
        // As the definition says, the upper end wins.
        assertEq(Numbers.clamp(2, 5, 3), 3);
    }

    function testFuzz_sat_withinBits_succeeds(int128 x, uint256 bits) public pure {
        bits = bound(bits, 1, 63);
        int256 most = (int256(1) << bits) - 1;
        int256 y = Numbers.sat(x, bits);
        assertLe(y, most);
        assertGe(y, -most);
        if (x <= most && x >= -most) assertEq(y, x);
    }

    /// @dev The result is the only integer r with 2rs - 1 <= 2x/2^s < 2r + 1.
    function testFuzz_rshr_nearest_succeeds(int128 x, uint256 s) public pure {
        s = bound(s, 1, 62);
        int256 r = Numbers.rshr(x, s);
        assertLe((2 * r - 1) << (s - 1), x);
        assertGt((2 * r + 1) << (s - 1), x);
    }

    function testFuzz_fdiv_floor_succeeds(int128 a, int64 b) public pure {
        int256 d = b > 1 ? int256(b) : int256(1);
        int256 q = Numbers.fdiv(a, b);
        assertLe(q * d, a);
        assertGt((q + 1) * d, a);
    }

    function testFuzz_isqrt_floor_succeeds(uint128 x) public pure {
        uint256 r = uint256(Numbers.isqrt(int256(uint256(x))));
        assertLe(r * r, x);
        assertGt((r + 1) * (r + 1), x);
    }

    function test_load_littleEndian_succeeds() public pure {
        bytes memory data = hex"80ff01000000000000800000";
        uint256 pointer;
        // SAFETY: an address only.
        assembly ("memory-safe") {
            pointer := add(data, 0x20)
        }
        assertEq(ElementTypes.load(0, pointer, 0), -128);
        assertEq(ElementTypes.load(0, pointer, 1), -1);
        assertEq(ElementTypes.load(1, pointer, 0), -128);
        assertEq(ElementTypes.load(1, pointer, 1), 1);
        assertEq(ElementTypes.load(2, pointer, 0), 0x1ff80);
        assertEq(ElementTypes.load(3, pointer + 2, 0), int256(1) - (int256(1) << 63));
    }

    function testFuzz_load_i64_succeeds(int64 x) public pure {
        bytes memory data = new bytes(8);
        for (uint256 k; k < 8; ++k) {
            data[k] = bytes1(uint8(uint64(x) >> (8 * k)));
        }
        uint256 pointer;
        // SAFETY: an address only.
        assembly ("memory-safe") {
            pointer := add(data, 0x20)
        }
        assertEq(ElementTypes.load(3, pointer, 0), x);
    }
}
