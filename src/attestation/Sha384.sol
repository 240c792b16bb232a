// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title SHA-384 and SHA-512 (FIPS 180-4)
/// @notice The EVM has neither. About 34,000 gas per block of 128 bytes (`snapshots/attestation.json`).
/// @dev Words of 64 bits live in lanes of 128 bits, the upper half of a lane zero. That gives three savings: multiplying by
///      2^64 + 1 doubles a word within its lane, and then a rotation is one shift; the message schedule computes two words at a
///      time, for word t + 1 does not depend on word t; and bits above the 64 of a sum may stay until it is stored.
///
///      Memory frame: 8 words of state, 16 bytes that are never read as a value, 80 lanes of message schedule, 80 lanes of round
///      constants. Loading 32 bytes that end with lane t gives word t in the low 64 bits, and above them bits that do not count.
library Sha384 {
    /// @dev The low 64 bits, and those of both lanes.
    uint256 private constant MASK = 0xffffffffffffffff;
    uint256 private constant LANES = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
    /// @dev The upper lane's 64 bits.
    uint256 private constant UPPER = 0x0000000000000000ffffffffffffffff00000000000000000000000000000000;
    /// @dev 2^64 + 1: times a lane, the lane's word twice.
    uint256 private constant TWICE = 0x10000000000000001;
    /// @dev Bytes of a block.
    uint256 private constant BLOCK = 0x80;

    /// @notice SHA-384 of the message, 48 bytes.
    function sha384(bytes memory message) internal pure returns (bytes memory digest) {
        uint256 frame = _frame();
        // SAFETY: writes the frame's state only. Fractions of the square roots of the 9th to 16th prime.
        assembly ("memory-safe") {
            mstore(add(frame, 0x0), 0xcbbb9d5dc1059ed8)
            mstore(add(frame, 0x20), 0x629a292a367cd507)
            mstore(add(frame, 0x40), 0x9159015a3070dd17)
            mstore(add(frame, 0x60), 0x152fecd8f70e5939)
            mstore(add(frame, 0x80), 0x67332667ffc00b31)
            mstore(add(frame, 0xa0), 0x8eb44a8768581511)
            mstore(add(frame, 0xc0), 0xdb0c2e0d64f98fa7)
            mstore(add(frame, 0xe0), 0x47b5481dbefa4fa4)
        }
        _absorb(frame, message);
        digest = new bytes(48);
        _squeeze(frame, digest, false);
    }

    /// @notice SHA-512 of the message, 64 bytes.
    function sha512(bytes memory message) internal pure returns (bytes memory digest) {
        uint256 frame = _frame();
        // SAFETY: writes the frame's state only. Fractions of the square roots of the first eight primes.
        assembly ("memory-safe") {
            mstore(add(frame, 0x0), 0x6a09e667f3bcc908)
            mstore(add(frame, 0x20), 0xbb67ae8584caa73b)
            mstore(add(frame, 0x40), 0x3c6ef372fe94f82b)
            mstore(add(frame, 0x60), 0xa54ff53a5f1d36f1)
            mstore(add(frame, 0x80), 0x510e527fade682d1)
            mstore(add(frame, 0xa0), 0x9b05688c2b3e6c1f)
            mstore(add(frame, 0xc0), 0x1f83d9abfb41bd6b)
            mstore(add(frame, 0xe0), 0x5be0cd19137e2179)
        }
        _absorb(frame, message);
        digest = new bytes(64);
        _squeeze(frame, digest, true);
    }

    /// @dev Allocates the frame and writes the round constants: fractions of the cube roots of the first 80 primes, two a word.
    function _frame() private pure returns (uint256 frame) {
        // SAFETY: writes memory that it allocates.
        assembly ("memory-safe") {
            frame := mload(0x40)
            mstore(0x40, add(frame, 0xb20))
            let k := add(frame, 0x610)
            mstore(add(k, 0x0), 0x0000000000000000428a2f98d728ae2200000000000000007137449123ef65cd)
            mstore(add(k, 0x20), 0x0000000000000000b5c0fbcfec4d3b2f0000000000000000e9b5dba58189dbbc)
            mstore(add(k, 0x40), 0x00000000000000003956c25bf348b538000000000000000059f111f1b605d019)
            mstore(add(k, 0x60), 0x0000000000000000923f82a4af194f9b0000000000000000ab1c5ed5da6d8118)
            mstore(add(k, 0x80), 0x0000000000000000d807aa98a3030242000000000000000012835b0145706fbe)
            mstore(add(k, 0xa0), 0x0000000000000000243185be4ee4b28c0000000000000000550c7dc3d5ffb4e2)
            mstore(add(k, 0xc0), 0x000000000000000072be5d74f27b896f000000000000000080deb1fe3b1696b1)
            mstore(add(k, 0xe0), 0x00000000000000009bdc06a725c712350000000000000000c19bf174cf692694)
            mstore(add(k, 0x100), 0x0000000000000000e49b69c19ef14ad20000000000000000efbe4786384f25e3)
            mstore(add(k, 0x120), 0x00000000000000000fc19dc68b8cd5b50000000000000000240ca1cc77ac9c65)
            mstore(add(k, 0x140), 0x00000000000000002de92c6f592b027500000000000000004a7484aa6ea6e483)
            mstore(add(k, 0x160), 0x00000000000000005cb0a9dcbd41fbd4000000000000000076f988da831153b5)
            mstore(add(k, 0x180), 0x0000000000000000983e5152ee66dfab0000000000000000a831c66d2db43210)
            mstore(add(k, 0x1a0), 0x0000000000000000b00327c898fb213f0000000000000000bf597fc7beef0ee4)
            mstore(add(k, 0x1c0), 0x0000000000000000c6e00bf33da88fc20000000000000000d5a79147930aa725)
            mstore(add(k, 0x1e0), 0x000000000000000006ca6351e003826f0000000000000000142929670a0e6e70)
            mstore(add(k, 0x200), 0x000000000000000027b70a8546d22ffc00000000000000002e1b21385c26c926)
            mstore(add(k, 0x220), 0x00000000000000004d2c6dfc5ac42aed000000000000000053380d139d95b3df)
            mstore(add(k, 0x240), 0x0000000000000000650a73548baf63de0000000000000000766a0abb3c77b2a8)
            mstore(add(k, 0x260), 0x000000000000000081c2c92e47edaee6000000000000000092722c851482353b)
            mstore(add(k, 0x280), 0x0000000000000000a2bfe8a14cf103640000000000000000a81a664bbc423001)
            mstore(add(k, 0x2a0), 0x0000000000000000c24b8b70d0f897910000000000000000c76c51a30654be30)
            mstore(add(k, 0x2c0), 0x0000000000000000d192e819d6ef52180000000000000000d69906245565a910)
            mstore(add(k, 0x2e0), 0x0000000000000000f40e35855771202a0000000000000000106aa07032bbd1b8)
            mstore(add(k, 0x300), 0x000000000000000019a4c116b8d2d0c800000000000000001e376c085141ab53)
            mstore(add(k, 0x320), 0x00000000000000002748774cdf8eeb99000000000000000034b0bcb5e19b48a8)
            mstore(add(k, 0x340), 0x0000000000000000391c0cb3c5c95a6300000000000000004ed8aa4ae3418acb)
            mstore(add(k, 0x360), 0x00000000000000005b9cca4f7763e3730000000000000000682e6ff3d6b2b8a3)
            mstore(add(k, 0x380), 0x0000000000000000748f82ee5defb2fc000000000000000078a5636f43172f60)
            mstore(add(k, 0x3a0), 0x000000000000000084c87814a1f0ab7200000000000000008cc702081a6439ec)
            mstore(add(k, 0x3c0), 0x000000000000000090befffa23631e280000000000000000a4506cebde82bde9)
            mstore(add(k, 0x3e0), 0x0000000000000000bef9a3f7b2c679150000000000000000c67178f2e372532b)
            mstore(add(k, 0x400), 0x0000000000000000ca273eceea26619c0000000000000000d186b8c721c0c207)
            mstore(add(k, 0x420), 0x0000000000000000eada7dd6cde0eb1e0000000000000000f57d4f7fee6ed178)
            mstore(add(k, 0x440), 0x000000000000000006f067aa72176fba00000000000000000a637dc5a2c898a6)
            mstore(add(k, 0x460), 0x0000000000000000113f9804bef90dae00000000000000001b710b35131c471b)
            mstore(add(k, 0x480), 0x000000000000000028db77f523047d84000000000000000032caab7b40c72493)
            mstore(add(k, 0x4a0), 0x00000000000000003c9ebe0a15c9bebc0000000000000000431d67c49c100d4c)
            mstore(add(k, 0x4c0), 0x00000000000000004cc5d4becb3e42b60000000000000000597f299cfc657e2a)
            mstore(add(k, 0x4e0), 0x00000000000000005fcb6fab3ad6faec00000000000000006c44198c4a475817)
        }
    }

    /// @dev The message's blocks, then one or two with the rest, the bit 1 and the length in bits.
    function _absorb(uint256 frame, bytes memory message) private pure {
        uint256 tail;
        uint256 size = message.length;
        uint256 at;
        // SAFETY: copies within the two blocks that it allocates.
        assembly ("memory-safe") {
            tail := mload(0x40)
            mstore(0x40, add(tail, 0x100))
            at := add(message, 0x20)
        }
        uint256 end = at + size / BLOCK * BLOCK;
        for (; at < end; at += BLOCK) {
            _compress(frame, at);
        }
        uint256 rest = size % BLOCK;
        // The length is 128 bits: 17 bytes with the bit before them.
        uint256 blocks = rest < 112 ? 1 : 2;
        // SAFETY: zeroes and writes the two blocks allocated above; `rest` is below one.
        assembly ("memory-safe") {
            calldatacopy(tail, calldatasize(), 0x100)
            mcopy(tail, at, rest)
            mstore8(add(tail, rest), 0x80)
            let last := add(tail, sub(shl(7, blocks), 0x20))
            mstore(last, or(mload(last), shl(3, size)))
        }
        _compress(frame, tail);
        if (blocks == 2) _compress(frame, tail + BLOCK);
    }

    /// @dev The first six words of the state, or all eight, packed.
    function _squeeze(uint256 frame, bytes memory digest, bool all) private pure {
        // SAFETY: writes two words, which 48 and 64 bytes both take.
        assembly ("memory-safe") {
            function pair(at) -> packed {
                packed := or(shl(64, mload(at)), mload(add(at, 0x20)))
            }
            mstore(add(digest, 0x20), or(shl(128, pair(frame)), pair(add(frame, 0x40))))
            mstore(add(digest, 0x40), or(shl(128, pair(add(frame, 0x80))), mul(all, pair(add(frame, 0xc0)))))
        }
    }

    /// @dev One block, 128 bytes at memory address `at`.
    function _compress(uint256 frame, uint256 at) private pure {
        // SAFETY: reads the block, reads and writes the frame.
        assembly ("memory-safe") {
            let p := add(frame, 0x110)
            for { let end := add(at, BLOCK) } lt(at, end) { at := add(at, 0x20) } {
                let x := mload(at)
                mstore(p, or(and(shr(64, x), UPPER), shr(192, shl(64, x))))
                mstore(add(p, 0x20), or(and(shl(64, x), UPPER), and(x, MASK)))
                p := add(p, 0x40)
            }
            for { let end := add(frame, 0x610) } lt(p, end) { p := add(p, 0x20) } {
                // Words t - 15 and t - 14, then t - 2 and t - 1.
                let x := mload(sub(p, 0xf0))
                let y := mul(x, TWICE)
                let sum := and(xor(xor(shr(1, y), shr(8, y)), shr(7, x)), LANES)
                x := mload(sub(p, 0x20))
                y := mul(x, TWICE)
                sum := add(sum, and(xor(xor(shr(19, y), shr(61, y)), shr(6, x)), LANES))
                mstore(p, and(add(sum, add(mload(sub(p, 0x100)), mload(sub(p, 0x70)))), LANES))
            }
        }
        _rounds(frame);
    }

    /// @dev The 80 rounds, eight at a time, so that the registers return to their names instead of moving.
    function _rounds(uint256 frame) private pure {
        // SAFETY: reads and writes the frame.
        assembly ("memory-safe") {
            let a := mload(frame)
            let b := mload(add(frame, 0x20))
            let c := mload(add(frame, 0x40))
            let d := mload(add(frame, 0x60))
            let e := mload(add(frame, 0x80))
            let f := mload(add(frame, 0xa0))
            let g := mload(add(frame, 0xc0))
            let h := mload(add(frame, 0xe0))
            let x
            let p := add(frame, 0x100)
            for { let end := add(frame, 0x600) } lt(p, end) { p := add(p, 0x80) } {
                x := mul(e, TWICE)
                h := add(add(add(h, mload(p)), mload(add(p, 0x500))), xor(xor(shr(14, x), shr(18, x)), shr(41, x)))
                h := add(h, xor(g, and(e, xor(f, g))))
                d := and(add(d, h), MASK)
                x := mul(a, TWICE)
                h := add(h, xor(xor(shr(28, x), shr(34, x)), shr(39, x)))
                h := and(add(h, xor(b, and(xor(a, b), xor(b, c)))), MASK)
                x := mul(d, TWICE)
                g := add(
                    add(add(g, mload(add(p, 0x10))), mload(add(p, 0x510))),
                    xor(xor(shr(14, x), shr(18, x)), shr(41, x))
                )
                g := add(g, xor(f, and(d, xor(e, f))))
                c := and(add(c, g), MASK)
                x := mul(h, TWICE)
                g := add(g, xor(xor(shr(28, x), shr(34, x)), shr(39, x)))
                g := and(add(g, xor(a, and(xor(h, a), xor(a, b)))), MASK)
                x := mul(c, TWICE)
                f := add(
                    add(add(f, mload(add(p, 0x20))), mload(add(p, 0x520))),
                    xor(xor(shr(14, x), shr(18, x)), shr(41, x))
                )
                f := add(f, xor(e, and(c, xor(d, e))))
                b := and(add(b, f), MASK)
                x := mul(g, TWICE)
                f := add(f, xor(xor(shr(28, x), shr(34, x)), shr(39, x)))
                f := and(add(f, xor(h, and(xor(g, h), xor(h, a)))), MASK)
                x := mul(b, TWICE)
                e := add(
                    add(add(e, mload(add(p, 0x30))), mload(add(p, 0x530))),
                    xor(xor(shr(14, x), shr(18, x)), shr(41, x))
                )
                e := add(e, xor(d, and(b, xor(c, d))))
                a := and(add(a, e), MASK)
                x := mul(f, TWICE)
                e := add(e, xor(xor(shr(28, x), shr(34, x)), shr(39, x)))
                e := and(add(e, xor(g, and(xor(f, g), xor(g, h)))), MASK)
                x := mul(a, TWICE)
                d := add(
                    add(add(d, mload(add(p, 0x40))), mload(add(p, 0x540))),
                    xor(xor(shr(14, x), shr(18, x)), shr(41, x))
                )
                d := add(d, xor(c, and(a, xor(b, c))))
                h := and(add(h, d), MASK)
                x := mul(e, TWICE)
                d := add(d, xor(xor(shr(28, x), shr(34, x)), shr(39, x)))
                d := and(add(d, xor(f, and(xor(e, f), xor(f, g)))), MASK)
                x := mul(h, TWICE)
                c := add(
                    add(add(c, mload(add(p, 0x50))), mload(add(p, 0x550))),
                    xor(xor(shr(14, x), shr(18, x)), shr(41, x))
                )
                c := add(c, xor(b, and(h, xor(a, b))))
                g := and(add(g, c), MASK)
                x := mul(d, TWICE)
                c := add(c, xor(xor(shr(28, x), shr(34, x)), shr(39, x)))
                c := and(add(c, xor(e, and(xor(d, e), xor(e, f)))), MASK)
                x := mul(g, TWICE)
                b := add(
                    add(add(b, mload(add(p, 0x60))), mload(add(p, 0x560))),
                    xor(xor(shr(14, x), shr(18, x)), shr(41, x))
                )
                b := add(b, xor(a, and(g, xor(h, a))))
                f := and(add(f, b), MASK)
                x := mul(c, TWICE)
                b := add(b, xor(xor(shr(28, x), shr(34, x)), shr(39, x)))
                b := and(add(b, xor(d, and(xor(c, d), xor(d, e)))), MASK)
                x := mul(f, TWICE)
                a := add(
                    add(add(a, mload(add(p, 0x70))), mload(add(p, 0x570))),
                    xor(xor(shr(14, x), shr(18, x)), shr(41, x))
                )
                a := add(a, xor(h, and(f, xor(g, h))))
                e := and(add(e, a), MASK)
                x := mul(b, TWICE)
                a := add(a, xor(xor(shr(28, x), shr(34, x)), shr(39, x)))
                a := and(add(a, xor(c, and(xor(b, c), xor(c, d)))), MASK)
            }
            mstore(frame, and(add(mload(frame), a), MASK))
            mstore(add(frame, 0x20), and(add(mload(add(frame, 0x20)), b), MASK))
            mstore(add(frame, 0x40), and(add(mload(add(frame, 0x40)), c), MASK))
            mstore(add(frame, 0x60), and(add(mload(add(frame, 0x60)), d), MASK))
            mstore(add(frame, 0x80), and(add(mload(add(frame, 0x80)), e), MASK))
            mstore(add(frame, 0xa0), and(add(mload(add(frame, 0xa0)), f), MASK))
            mstore(add(frame, 0xc0), and(add(mload(add(frame, 0xc0)), g), MASK))
            mstore(add(frame, 0xe0), and(add(mload(add(frame, 0xe0)), h), MASK))
        }
    }
}
