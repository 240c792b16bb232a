// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Exact dot products of little-endian elements in memory
/// @dev Eight products in one MUL. A word is seen as eight lanes of 32 bits; with the lanes of one factor reversed, the top lane
///      of the product of two words is the sum of the eight lane products, provided that no lane below it overflows.
///      Lanes are unsigned: with u = a + A and v = b + B (A, B half of a type's range), sum(a*b) = sum(u*v) - B*sum(u) -
///      A*sum(v) + n*A*B. Elements behind the last one are masked to 0, which is u = A and v = B, so n may count them.
library DotProduct {
    /// @dev The lowest byte of each lane.
    uint256 private constant LANE_BYTE = 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff;
    /// @dev 1 in each lane: multiplying by it leaves the sum of all lanes in the top one.
    uint256 private constant LANE_ONE = 0x0000000100000001000000010000000100000001000000010000000100000001;
    /// @dev The same for lanes of 64 bits.
    uint256 private constant QUAD_ONE = 0x0000000000000001000000000000000100000000000000010000000000000001;
    /// @dev Bias of signed bytes.
    uint256 private constant BIAS_8 = 0x8080808080808080808080808080808080808080808080808080808080808080;
    /// @dev Bias of signed 16-bit elements, little-endian.
    uint256 private constant BIAS_16 = 0x0080008000800080008000800080008000800080008000800080008000800080;
    /// @dev The lowest byte of each 16 bits.
    uint256 private constant PAIR_BYTE = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    /// @dev The lowest 16 bits of each 64.
    uint256 private constant QUAD_LOW = 0x000000000000ffff000000000000ffff000000000000ffff000000000000ffff;
    /// @dev The low lane of each two, and the low half of each half.
    uint256 private constant LOW_LANE = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant LOW_64 = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
    /// @dev The middle 128 bits, the middle two lanes of each half, and the lowest lane of each half.
    uint256 private constant MIDDLE_128 = 0x0000000000000000ffffffffffffffffffffffffffffffff0000000000000000;
    uint256 private constant MIDDLE_LANES = 0x00000000ffffffffffffffff0000000000000000ffffffffffffffff00000000;
    uint256 private constant LOWEST_LANES = 0x000000000000000000000000ffffffff000000000000000000000000ffffffff;

    /// @notice `sum of a[k] * b[k]` for k < n <= 2^16, both i8.
    function i8(uint256 a, uint256 b, uint256 n) internal pure returns (int256 sum) {
        uint256 products;
        uint256 sums;
        uint256 words = (n + 31) / 32;
        // SAFETY: reads memory only, up to 31 bytes behind the elements. A lane gains at most 4 * 8 * 255^2 < 2^21 a word (the
        // sums at most 2^11), so with at most 2^11 words none overflows.
        assembly ("memory-safe") {
            for { let left := n } left {} {
                let u := mload(a)
                let v := mload(b)
                if lt(left, 32) {
                    let mask := not(shr(shl(3, left), not(0)))
                    u := and(u, mask)
                    v := and(v, mask)
                    left := 32
                }
                left := sub(left, 32)
                a := add(a, 32)
                b := add(b, 32)
                u := xor(u, BIAS_8)
                v := xor(v, BIAS_8)
                // Reverse the lanes of v.
                v := or(shl(128, v), shr(128, v))
                v := or(shl(64, and(v, LOW_64)), and(shr(64, v), LOW_64))
                v := or(shl(32, and(v, LOW_LANE)), and(shr(32, v), LOW_LANE))

                let x := and(u, LANE_BYTE)
                let y := and(v, LANE_BYTE)
                products := add(products, mul(x, y))
                sums := add(sums, add(x, y))
                x := and(shr(8, u), LANE_BYTE)
                y := and(shr(8, v), LANE_BYTE)
                products := add(products, mul(x, y))
                sums := add(sums, add(x, y))
                x := and(shr(16, u), LANE_BYTE)
                y := and(shr(16, v), LANE_BYTE)
                products := add(products, mul(x, y))
                sums := add(sums, add(x, y))
                x := and(shr(24, u), LANE_BYTE)
                y := and(shr(24, v), LANE_BYTE)
                products := add(products, mul(x, y))
                sums := add(sums, add(x, y))
            }
            sums := shr(224, mul(sums, LANE_ONE))
            sum := add(sub(shr(224, products), shl(7, sums)), shl(19, words))
        }
    }

    /// @notice `sum of a[k] * b[k]` for k < n <= 2^12, a i16 and b i8.
    function i16i8(uint256 a, uint256 b, uint256 n) internal pure returns (int256 sum) {
        uint256 sumsA;
        uint256 sumsB;
        uint256 blocks = (n + 31) / 32;
        // SAFETY: reads memory only, up to 62 bytes behind the elements. A lane of `products` is at most 4 * 8 * 2^16 * 2^8 =
        // 2^29; the sums gain at most 2^18 a round in each lane and 2^21 in all, over at most 2^7 rounds.
        assembly ("memory-safe") {
            for { let left := n } left {} {
                // 32 elements: a's first and second 16 in u and w, b's in v.
                let u := mload(a)
                let w := mload(add(a, 32))
                let v := mload(b)
                if lt(left, 32) {
                    u := and(u, not(shr(shl(4, left), not(0))))
                    w := and(w, not(shr(shl(4, mul(gt(left, 16), sub(left, 16))), not(0))))
                    v := and(v, not(shr(shl(3, left), not(0))))
                    left := 32
                }
                left := sub(left, 32)
                a := add(a, 64)
                b := add(b, 32)
                u := xor(u, BIAS_16)
                w := xor(w, BIAS_16)
                v := xor(v, BIAS_8)
                u := or(shl(8, and(u, PAIR_BYTE)), and(shr(8, u), PAIR_BYTE))
                w := or(shl(8, and(w, PAIR_BYTE)), and(shr(8, w), PAIR_BYTE))
                // Byte j of lane L of v is element 31 - 4L - j. Below, lane 2l + 1 of a factor has element 31 - 4l - j (of w)
                // and lane 2l has element 15 - 4l - j (of u); this brings v's lanes into that order, reversed.
                v := or(or(shl(192, v), shr(192, v)), and(v, MIDDLE_128))
                v := or(or(shl(96, and(v, LOWEST_LANES)), and(shr(96, v), LOWEST_LANES)), and(v, MIDDLE_LANES))

                let products := 0
                for { let j := 0 } lt(j, 4) { j := add(j, 1) } {
                    let x := or(and(u, QUAD_LOW), shl(32, and(w, QUAD_LOW)))
                    let y := and(v, LANE_BYTE)
                    products := add(products, mul(x, y))
                    sumsA := add(sumsA, x)
                    sumsB := add(sumsB, y)
                    u := shr(16, u)
                    w := shr(16, w)
                    v := shr(8, v)
                }
                sum := add(sum, shr(224, products))
            }
            sumsA := shr(224, mul(sumsA, LANE_ONE))
            sumsB := shr(224, mul(sumsB, LANE_ONE))
            // n * A * B = 32 * blocks * 2^15 * 2^7.
            sum := add(sub(sub(sum, shl(7, sumsA)), shl(15, sumsB)), shl(27, blocks))
        }
    }

    /// @notice `sum of a[k] * b[k]` for k < n <= 2^12, both i16.
    /// @dev Four lanes of 64 bits instead of eight of 32.
    function i16(uint256 a, uint256 b, uint256 n) internal pure returns (int256 sum) {
        uint256 products;
        uint256 sums;
        uint256 words = (n + 15) / 16;
        // SAFETY: reads memory only, up to 31 bytes behind the elements. A lane gains at most 4 * 4 * 2^32 = 2^36 a word (the
        // sums at most 2^19), over at most 2^8 words.
        assembly ("memory-safe") {
            for { let left := n } left {} {
                let u := mload(a)
                let v := mload(b)
                if lt(left, 16) {
                    let mask := not(shr(shl(4, left), not(0)))
                    u := and(u, mask)
                    v := and(v, mask)
                    left := 16
                }
                left := sub(left, 16)
                a := add(a, 32)
                b := add(b, 32)
                u := xor(u, BIAS_16)
                v := xor(v, BIAS_16)
                u := or(shl(8, and(u, PAIR_BYTE)), and(shr(8, u), PAIR_BYTE))
                v := or(shl(8, and(v, PAIR_BYTE)), and(shr(8, v), PAIR_BYTE))
                // Reverse the 64-bit lanes of v.
                v := or(shl(128, v), shr(128, v))
                v := or(shl(64, and(v, LOW_64)), and(shr(64, v), LOW_64))
                for { let j := 0 } lt(j, 4) { j := add(j, 1) } {
                    let x := and(u, QUAD_LOW)
                    let y := and(v, QUAD_LOW)
                    products := add(products, mul(x, y))
                    sums := add(sums, add(x, y))
                    u := shr(16, u)
                    v := shr(16, v)
                }
            }
            sums := shr(192, mul(sums, QUAD_ONE))
            // n * A * B = 16 * words * 2^15 * 2^15.
            sum := add(sub(shr(192, products), shl(15, sums)), shl(34, words))
        }
    }
}
