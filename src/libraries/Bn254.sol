// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The curve BN254 (alt_bn128) by the precompiles of EIP-196, EIP-197 and EIP-198
/// @notice Points lie in memory as the precompiles take them: G1 `x, y`; G2 `x1, x0, y1, y0` with the imaginary part first. The point at
///         infinity is all zeros. A precompile that refuses its input (a coordinate not below `P`, a point beside the curve, a point of the
///         twist beside the group) burns the gas that it was given and makes these functions answer `false`.
library Bn254 {
    /// @notice Order of the field of coordinates.
    uint256 internal constant P =
        21_888_242_871_839_275_222_246_405_745_257_275_088_696_311_157_297_823_662_689_037_894_645_226_208_583;
    /// @notice Order of the groups: the field of scalars.
    uint256 internal constant R =
        21_888_242_871_839_275_222_246_405_745_257_275_088_548_364_400_416_034_343_698_204_186_575_808_495_617;

    uint256 internal constant G1_BYTES = 64;
    uint256 internal constant G2_BYTES = 128;
    /// @notice A pair of `pairing`'s input.
    uint256 internal constant PAIR_BYTES = 192;

    /// @notice `base ^ exponent mod P`.
    function power(uint256 base, uint256 exponent) internal view returns (uint256 result) {
        // SAFETY: memory beyond the free pointer is scratch. MODEXP fails for want of gas only.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, 0x20)
            mstore(add(buffer, 0x20), 0x20)
            mstore(add(buffer, 0x40), 0x20)
            mstore(add(buffer, 0x60), base)
            mstore(add(buffer, 0x80), exponent)
            mstore(add(buffer, 0xa0), P)
            if iszero(staticcall(gas(), 0x05, buffer, 0xc0, 0x00, 0x20)) { revert(0, 0) }
            result := mload(0x00)
        }
    }

    /// @notice Adds a point to the sum at `sum`, both in memory.
    /// @return ok Whether both are points of G1.
    function addTo(uint256 sum, uint256 point) internal view returns (bool ok) {
        // SAFETY: the caller owns the 64 bytes at `sum`; memory beyond the free pointer is scratch.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mcopy(buffer, sum, 0x40)
            mcopy(add(buffer, 0x40), point, 0x40)
            ok := staticcall(gas(), 0x06, buffer, 0x80, sum, 0x40)
        }
    }

    /// @notice Writes `scalar` times the point at `point` to `to`.
    /// @return ok Whether it is a point of G1.
    function multiply(uint256 to, uint256 point, uint256 scalar) internal view returns (bool ok) {
        // SAFETY: the caller owns the 64 bytes at `to`; memory beyond the free pointer is scratch.
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mcopy(buffer, point, 0x40)
            mstore(add(buffer, 0x40), scalar)
            ok := staticcall(gas(), 0x07, buffer, 0x60, to, 0x40)
        }
    }

    /// @notice Whether the product of the pairings of `count` pairs at `pairs` (G1, then G2, 192 bytes each) is one.
    /// @dev The precompile checks that every point is in its group, points that are paired with infinity too.
    function pairing(uint256 pairs, uint256 count) internal view returns (bool ok) {
        // SAFETY: reads memory, writes scratch space.
        assembly ("memory-safe") {
            mstore(0x00, 0)
            // Arguments are evaluated from the last to the first.
            ok := and(mload(0x00), staticcall(gas(), 0x08, pairs, mul(count, PAIR_BYTES), 0x00, 0x20))
        }
    }
}
