// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title ECDSA over P-256 (FIPS 186-5), as hardware vendors sign
/// @notice By the precompile at 0x100 (RIP-7212, EIP-7951) where the chain has it; what the precompile does not confirm is computed here
///         (`snapshots/attestation.json`).
/// @dev A precompile that refuses and one that is not there both return nothing. So only a refusal costs more on chains that have it, and
///      no chain needs a setting. OpenZeppelin's P256 takes only the smaller of s and n - s, while Intel signs with either, and does not
///      compile without the optimizer. Both s verify here, so a signature is no identity: identify evidence by what is signed.
library P256Ecdsa {
    /// @notice Signature and key have 64 bytes each.
    error P256Lengths(uint256 signature, uint256 key);
    /// @notice The signature is wrong, a number is out of range, or the key is no point of the curve.
    error P256Signature();
    /// @notice The key is no point of the curve.
    error P256Point(uint256 x, uint256 y);

    /// @dev A point in Jacobian coordinates: (x / z^2, y / z^3), infinity for z = 0. All are below the field's modulus.
    struct Point {
        uint256 x;
        uint256 y;
        uint256 z;
    }

    address private constant PRECOMPILE = address(0x100);
    /// @dev The field's modulus, the group's order, and b of `y^2 = x^3 - 3x + b`.
    uint256 private constant P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff;
    uint256 private constant N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    uint256 private constant B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b;
    uint256 private constant GX = 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296;
    uint256 private constant GY = 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5;

    /// @notice Returns if the signature is valid, and reverts otherwise.
    /// @param digest SHA-256 of the message.
    /// @param signature r and s, 32 bytes big-endian each.
    /// @param key x and y, 32 bytes big-endian each.
    function verify(bytes32 digest, bytes memory signature, bytes memory key) internal view {
        if (signature.length != 64 || key.length != 64) revert P256Lengths(signature.length, key.length);
        (bool success, bytes memory result) = PRECOMPILE.staticcall(bytes.concat(digest, signature, key));
        if (success && result.length == 32 && uint256(bytes32(result)) == 1) return;
        (uint256 r, uint256 s) = abi.decode(signature, (uint256, uint256));
        (uint256 x, uint256 y) = abi.decode(key, (uint256, uint256));
        if (!_isValid(uint256(digest), r, s, x, y)) revert P256Signature();
    }

    /// @notice Reverts unless the numbers are a point of the curve, and so can be a key.
    function checkPoint(uint256 x, uint256 y) internal pure {
        if (!_isPoint(x, y)) revert P256Point(x, y);
    }

    /// @dev Whether the x of `digest/s G + r/s Q` is r modulo n.
    function _isValid(uint256 digest, uint256 r, uint256 s, uint256 x, uint256 y) private view returns (bool) {
        // INVARIANT: numbers are canonical and the key is on the curve, else its group would be another.
        if (r == 0 || r >= N || s == 0 || s >= N || !_isPoint(x, y)) return false;
        uint256 w = Math.invModPrime(s, N);
        Point memory sum = _sum(_table(Point(x, y, 1)), mulmod(digest, w, N), mulmod(r, w, N));
        if (sum.z == 0) return false;
        // Instead of dividing x by z^2, r is multiplied by it; x may also be r + n, if that is below p.
        uint256 square = mulmod(sum.z, sum.z, P);
        return mulmod(r, square, P) == sum.x || (r < P - N && mulmod(r + N, square, P) == sum.x);
    }

    function _isPoint(uint256 x, uint256 y) private pure returns (bool) {
        if (x >= P || y >= P) return false;
        uint256 cubic = mulmod(addmod(mulmod(x, x, P), P - 3, P), x, P);
        return mulmod(y, y, P) == addmod(cubic, B, P);
    }

    /// @dev `i G + j Q` at place `4i + j`, for i and j below 4.
    function _table(Point memory key) private pure returns (Point[16] memory table) {
        table[1] = key;
        table[4] = Point(GX, GY, 1);
        for (uint256 k = 2; k < 16; ++k) {
            if (k != 4) table[k] = k % 4 == 0 ? _add(table[k - 4], table[4]) : _add(table[k - 1], key);
        }
    }

    /// @dev `u G + v Q`, two bits of each scalar at a time.
    function _sum(Point[16] memory table, uint256 u, uint256 v) private pure returns (Point memory sum) {
        for (uint256 shift = 256; shift > 0;) {
            shift -= 2;
            sum = _double(_double(sum));
            uint256 place = ((u >> shift) & 3) << 2 | ((v >> shift) & 3);
            if (place != 0) sum = _add(sum, table[place]);
        }
    }

    /// @dev EFD, dbl-2001-b. Infinity doubles to infinity, for z = 0 gives z = 0; no point has y = 0.
    function _double(Point memory a) private pure returns (Point memory d) {
        // SAFETY: reads a, writes d. Coordinates are below P, so the differences are not negative.
        assembly ("memory-safe") {
            let p := P
            let x := mload(a)
            let y := mload(add(a, 0x20))
            let z := mload(add(a, 0x40))
            let delta := mulmod(z, z, p)
            let gamma := mulmod(y, y, p)
            let beta := mulmod(x, gamma, p)
            let alpha := mulmod(3, mulmod(addmod(x, sub(p, delta), p), addmod(x, delta, p), p), p)
            mstore(add(d, 0x40), mulmod(2, mulmod(y, z, p), p))
            x := addmod(mulmod(alpha, alpha, p), sub(p, mulmod(8, beta, p)), p)
            mstore(d, x)
            y := mulmod(alpha, addmod(mulmod(4, beta, p), sub(p, x), p), p)
            mstore(add(d, 0x20), addmod(y, sub(p, mulmod(8, mulmod(gamma, gamma, p), p)), p))
        }
    }

    /// @dev EFD, add-1998-cmo-2, and what it leaves out: infinity, equal and opposite points.
    function _add(Point memory a, Point memory b) private pure returns (Point memory sum) {
        if (a.z == 0) return b;
        if (b.z == 0) return a;
        bool equal;
        // SAFETY: reads a and b, writes sum. Coordinates are below P, so the differences are not negative.
        assembly ("memory-safe") {
            let p := P
            let z := mload(add(a, 0x40))
            let square := mulmod(z, z, p)
            // Of b, less a's: x in h, y in r.
            let h := mulmod(mload(b), square, p)
            let r := mulmod(mload(add(b, 0x20)), mulmod(z, square, p), p)
            let w := mload(add(b, 0x40))
            square := mulmod(w, w, p)
            let u := mulmod(mload(a), square, p)
            let s := mulmod(mload(add(a, 0x20)), mulmod(w, square, p), p)
            h := addmod(h, sub(p, u), p)
            r := addmod(r, sub(p, s), p)
            // Opposite points: h = 0 makes z = 0.
            equal := iszero(or(h, r))
            mstore(add(sum, 0x40), mulmod(h, mulmod(z, w, p), p))
            square := mulmod(h, h, p)
            h := mulmod(h, square, p)
            u := mulmod(u, square, p)
            z := addmod(addmod(mulmod(r, r, p), sub(p, h), p), sub(p, mulmod(2, u, p)), p)
            mstore(sum, z)
            u := mulmod(r, addmod(u, sub(p, z), p), p)
            mstore(add(sum, 0x20), addmod(u, sub(p, mulmod(s, h, p)), p))
        }
        if (equal) return _double(a);
    }
}
