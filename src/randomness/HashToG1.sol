// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Bn254} from "../libraries/Bn254.sol";

/// @title Hash to a point of BN254's G1 (RFC 9380, hash_to_curve), as drand's scheme bls-bn254-unchained-on-g1 does it
/// @notice expand_message_xmd with keccak256, two field elements of 48 bytes, the map of Shallue and van de Woestijne (RFC 9380, 6.6.1 and
///         F.1) with Z = 1. G1 is the whole curve: there is no cofactor to clear.
library HashToG1 {
    /// @notice Domain separation tag of the scheme.
    bytes internal constant DST = "BLS_SIG_BN254G1_XMD:KECCAK-256_SVDW_RO_NUL_";

    // With g(x) = x^3 + 3 and Z = 1: C1 = g(Z), C2 = -Z / 2, C3 = sqrt(-3 Z^2 g(Z)) with even least residue, C4 = -4 g(Z) / (3 Z^2).
    // `test/randomness/HashToG1.t.sol` checks them against these definitions.
    uint256 internal constant C1 = 4;
    uint256 internal constant C2 = 0x183227397098d014dc2822db40c0ac2ecbc0b548b438e5469e10460b6c3e7ea3;
    uint256 internal constant C3 = 0x16789af3a83522eb353c98fc6b36d713d5d8d1cc5dffffffa;
    uint256 internal constant C4 = 0x10216f7ba065e00de81ac1e7808072c9dd2b2385cd7b438469602eb24829a9bd;

    uint256 private constant P = Bn254.P;
    /// @dev `x ^ SQRT` is a root of `x` if it has one, because P = 3 mod 4.
    uint256 private constant SQRT = (P + 1) / 4;
    /// @dev keccak256 takes in 136 bytes at a time; RFC 9380 calls this s_in_bytes.
    uint256 private constant BLOCK_BYTES = 136;

    /// @notice The point that a message of 32 bytes is hashed to.
    function hash(bytes32 message) internal view returns (uint256[2] memory point) {
        (uint256 u0, uint256 u1) = toField(message);
        uint256[2] memory other;
        (point[0], point[1]) = map(u0);
        (other[0], other[1]) = map(u1);
        uint256 to;
        uint256 from;
        // SAFETY: only addresses.
        assembly ("memory-safe") {
            to := point
            from := other
        }
        // Both are on the curve, so that the sum exists.
        Bn254.addTo(to, from);
    }

    /// @notice hash_to_field: two elements from 96 uniform bytes.
    function toField(bytes32 message) internal pure returns (uint256 u0, uint256 u1) {
        bytes memory dst = bytes.concat(DST, bytes1(uint8(DST.length)));
        bytes32 b0 = keccak256(bytes.concat(new bytes(BLOCK_BYTES), message, hex"006000", dst));
        bytes32 b1 = keccak256(bytes.concat(b0, hex"01", dst));
        bytes32 b2 = keccak256(bytes.concat(b0 ^ b1, hex"02", dst));
        bytes32 b3 = keccak256(bytes.concat(b0 ^ b2, hex"03", dst));
        // 48 bytes each, big-endian: 32 bytes and 16, or 16 and 32.
        u0 = addmod(mulmod(uint256(b1), 1 << 128, P), uint256(b2) >> 128, P);
        u1 = addmod(mulmod(uint256(uint128(uint256(b2))), (1 << 255) % P * 2 % P, P), uint256(b3) % P, P);
    }

    /// @notice The point of the curve that a field element is mapped to. Exact for every element, those without inverse included.
    function map(uint256 u) internal view returns (uint256 x, uint256 y) {
        uint256 t1 = mulmod(mulmod(u, u, P), C1, P);
        uint256 t2 = addmod(1, t1, P);
        t1 = addmod(1, P - t1, P);
        // Zero has no inverse and gets zero, as RFC 9380's inv0.
        uint256 t3 = Bn254.power(mulmod(t1, t2, P), P - 2);
        uint256 t4 = mulmod(mulmod(mulmod(u, t1, P), t3, P), C3, P);
        bool square;
        x = addmod(C2, P - t4, P);
        (square, y) = _root(x);
        if (!square) {
            x = addmod(C2, t4, P);
            (square, y) = _root(x);
            if (!square) {
                x = mulmod(mulmod(t2, t2, P), t3, P);
                x = addmod(mulmod(mulmod(x, x, P), C4, P), 1, P);
                // If neither of the first two is the x of a point, this is.
                (, y) = _root(x);
            }
        }
        if (u & 1 != y & 1) y = P - y;
    }

    /// @dev Whether `x^3 + 3` is a square, and its root. It is never zero: the curve has no point of order two.
    function _root(uint256 x) private view returns (bool square, uint256 y) {
        uint256 g = addmod(mulmod(mulmod(x, x, P), x, P), 3, P);
        y = Bn254.power(g, SQRT);
        square = mulmod(y, y, P) == g;
    }
}
