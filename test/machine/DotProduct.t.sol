// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {DotProduct} from "src/machine/DotProduct.sol";
import {ElementTypes} from "src/machine/ElementTypes.sol";
import {Random} from "../harness/Random.sol";

/// @notice The lane tricks against a plain loop, with bytes behind the elements that must not count.
contract DotProductTest is Test {
    using Random for Random.Stream;

    function testFuzz_i8_plainLoop_succeeds(uint256 seed) public pure {
        _check(seed, 0, 0, 2100);
    }

    function testFuzz_i16i8_plainLoop_succeeds(uint256 seed) public pure {
        _check(seed, 1, 0, 1100);
    }

    function testFuzz_i16_plainLoop_succeeds(uint256 seed) public pure {
        _check(seed, 1, 1, 256);
    }

    /// @dev The largest lanes: no lane overflows into the one above.
    function test_i8_extremes_succeeds() public pure {
        (uint256 a, uint256 b) = (_filled(0x80, 1 << 16), _filled(0x80, 1 << 16));
        assertEq(DotProduct.i8(a, b, 1 << 16), int256(1) << 30);
        b = _filled(0x7f, 1 << 16);
        assertEq(DotProduct.i8(a, b, 1 << 16), -int256(16256) << 16);
        assertEq(DotProduct.i8(b, b, 1 << 16), int256(16129) << 16);
    }

    function test_i16i8_extremes_succeeds() public pure {
        bytes memory low = new bytes(1 << 13);
        for (uint256 k = 1; k < low.length; k += 2) {
            low[k] = 0x80;
        }
        assertEq(DotProduct.i16i8(_pointer(low), _filled(0x80, 1 << 12), 1 << 12), int256(1) << 34);
        assertEq(DotProduct.i16i8(_filled(0xff, 1 << 13), _filled(0x7f, 1 << 12), 1 << 12), -int256(127) << 12);
    }

    function test_empty_zero_succeeds() public pure {
        assertEq(DotProduct.i8(0, 0, 0), 0);
        assertEq(DotProduct.i16i8(0, 0, 0), 0);
        assertEq(DotProduct.i16(0, 0, 0), 0);
    }

    function _check(uint256 seed, uint256 typeA, uint256 typeB, uint256 most) private pure {
        Random.Stream memory r = Random.Stream(seed);
        uint256 n = r.between(1, r.next() & 3 == 0 ? most : 70);
        uint256 offset = r.between(0, 31);
        uint256 a = _pointer(r.elements(typeA, n + 64, true)) + offset;
        uint256 b = _pointer(r.elements(typeB, n + 64, true)) + 31 - offset;
        int256 expected;
        for (uint256 k; k < n; ++k) {
            expected += ElementTypes.load(typeA, a, k) * ElementTypes.load(typeB, b, k);
        }
        if (typeB == 1) assertEq(DotProduct.i16(a, b, n), expected);
        else if (typeA == 1) assertEq(DotProduct.i16i8(a, b, n), expected);
        else assertEq(DotProduct.i8(a, b, n), expected);
    }

    function _filled(uint8 value, uint256 size) private pure returns (uint256) {
        bytes memory data = new bytes(size);
        for (uint256 k; k < size; ++k) {
            data[k] = bytes1(value);
        }
        return _pointer(data);
    }

    function _pointer(bytes memory data) private pure returns (uint256 pointer) {
        // SAFETY: an address only.
        assembly ("memory-safe") {
            pointer := add(data, 0x20)
        }
    }
}
